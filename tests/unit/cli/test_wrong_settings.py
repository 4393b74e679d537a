"""While `tongguan.toml` is being written, or is wrong, who looks sees what the gateway runs with, and is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.settings import RUNNING, language_of
from tongguan.gateway.system import logs

pytestmark = pytest.mark.requirement("GW-08")
Say = Callable[..., Any]
LOOKS = [
    *(["list"], ["documents"], ["deadlines"], ["quarantine", "list"], ["card", "list"], ["mailbox", "list"]),
    *(["audit", "verify"], ["audit", "list"], ["timeline", "gateway"], ["pause", "account", "demo", "--why", "x"]),
]
CHANGES = [["run"], ["doctor"], ["config", "check"], ["card", "bind"], ["reload"]]


@pytest.fixture
def ran(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose gateway ran, and whose settings somebody is about to spoil."""
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    daemon = Daemon(home)
    daemon.doors = []
    daemon.start()
    daemon.stop()
    return home


def spoil(home: Path) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace("[gateway]", "[gateway"), "utf-8")


@pytest.mark.parametrize("words", [words for words in LOOKS if words[0] != "pause"], ids=" ".join)
def test_what_looks_goes_by_what_the_gateway_runs_with_and_says_so(ran: Path, tongguan: Say, words: list[str]) -> None:
    right = tongguan(*words)
    spoil(ran)
    told = tongguan(*words, "--lang", "en")

    assert told.code == right.code == 0
    assert "it is no TOML" in told.err and told.err.count("what follows goes by the settings that the gateway runs with") == 1
    assert tongguan(*words).out == right.out


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_what_begins_or_changes_something_wants_them_right(ran: Path, tongguan: Say, words: list[str]) -> None:
    spoil(ran)
    told = tongguan(*words)

    assert told.code == 78 and "TOML" in told.err and "Traceback" not in told.err


def test_another_journal_in_the_settings_of_a_running_gateway_is_no_lost_one(ran: Path, tongguan: Say) -> None:
    daemon = Daemon(ran)
    with (ran / "tongguan.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[database]\nurl = "sqlite:///other.db"\n')
    try:
        looked, reloaded = (tongguan(*words, "--lang", "en") for words in (["list"], ["reload"]))
    finally:
        daemon.stop()

    assert (looked.code, reloaded.code) == (0, 78)
    for said in (looked, reloaded):
        assert "the gateway that runs goes on with sqlite:///tongguan.db: put it back" in said.err and "restore" not in said.err


def test_what_the_gateway_runs_with_is_its_owners_alone_and_what_was_read_not_what_lies_there(ran: Path) -> None:
    kept = ran / RUNNING
    assert kept.stat().st_mode & 0o777 == 0o600
    daemon = Daemon(ran)
    before = kept.read_bytes()
    change_settings(ran, "gateway", "settle", "9s")
    daemon.doors = []
    daemon.start()
    daemon.stop()
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("utf-16", "UTF-16 with a byte order mark"),
        ("gbk", "looks like GBK"),
    ],
)
def test_settings_that_notepad_saved_are_told_to_be_so(ran: Path, tongguan: Say, saved: str, said: str) -> None:
    path = ran / "tongguan.toml"
    path.write_bytes(path.read_text("utf-8").encode(saved))
    told = tongguan("config", "check", "--lang", "en")

    assert told.code == 78 and said in told.err and "save it as UTF-8" in told.err
    assert "另存为" in tongguan("config", "check").err


@pytest.mark.parametrize("saved", ["utf-8-sig", "gbk"])
def test_their_language_is_known_all_the_same(ran: Path, saved: str) -> None:
    path = ran / "tongguan.toml"
    path.write_bytes(path.read_text("utf-8").replace('language = "zh"', 'language = "en"').encode(saved))

    assert language_of(ran) == "en"


def test_bytes_that_are_no_text_are_told_with_their_line(ran: Path, tongguan: Say) -> None:
    path = ran / "tongguan.toml"
    path.write_bytes(path.read_bytes().replace(b"[gateway]", b"[gateway]\n# \xff\xff"))

    assert "line 3 is no UTF-8" in tongguan("config", "check", "--lang", "en").err


def test_a_shell_whose_folder_is_gone_is_told_so(tmp_path: Path, tongguan: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.delenv("TONGGUAN_HOME")
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    try:
        told = tongguan("status")
    finally:
        os.chdir(tmp_path)

    assert told.code == 78 and "cd" in told.err
