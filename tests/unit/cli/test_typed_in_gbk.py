"""Words typed at a terminal of another encoding than the system's, and files that are named in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rounds import turn
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings

pytestmark = pytest.mark.requirement("GW-08")
Say = Callable[..., Any]


def gbk(text: str) -> str:
    """The word as Python has it from such a terminal."""
    return text.encode("gb18030").decode("utf-8", "surrogateescape")


@pytest.fixture
def home_with_a_file(home: Path) -> Path:
    """A home to which a file came whose name is in GB18030."""
    change_settings(home, "gateway", "settle", "0s")
    (home / "mailboxes/demo/OutBox" / gbk("合同.xml")).write_text("<none/>")
    daemon = Daemon(home)
    folder = home / "mailboxes/demo/FailBox"
    wait_until(lambda: not turn(daemon) and os.listdir(folder), "the file to be refused")
    daemon.stop()
    return home


@pytest.mark.parametrize("typed", ["合同.xml", gbk("合同.xml")], ids=["as it is shown", "as it is written"])
def test_a_file_named_in_gb18030_is_found_under_its_name(home_with_a_file: Path, tongguan: Say, typed: str) -> None:
    assert tongguan("show", typed, "--json").json[0]["file"] == "合同.xml"


def test_a_reason_typed_in_gb18030_stands_in_the_history_as_it_was_meant(home_with_a_file: Path, tongguan: Say) -> None:
    tongguan("pause", "account", "demo", "--why", gbk("停机检修"))

    assert "停机检修" in tongguan("audit", "list").out


@pytest.mark.parametrize("typed", [gbk("停机"), "\udcff"], ids=["gb18030", "no letter of any"])
def test_whatever_is_typed_is_no_bug(home_with_a_file: Path, tongguan: Say, typed: str) -> None:
    ends = [
        tongguan("list", f"--{option}", typed).code
        for option in ("text", "account", "type", "operation", "fault", "state", "since")
    ]
    ends += [tongguan(*words, typed).code for words in (["show"], ["timeline"], ["answers"], ["documents", "--account"])]

    assert set(ends) <= {0, 1, 2}


@pytest.mark.parametrize("queue", ["x" * 256, "a\nb", "a\u202eb"], ids=["long", "line break", "turning"])
def test_events_are_replayed_to_no_queue_that_cannot_be_named(home_with_a_file: Path, tongguan: Say, queue: str) -> None:
    said = tongguan("events", "replay", "--since", "1d", "--queue", queue, "--lang", "en")

    assert said.code == 2
    assert "255 bytes" in said.err
