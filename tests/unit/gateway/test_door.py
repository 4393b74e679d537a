"""The door holds the one file that a bug belongs to; its neighbours go on, and the door lives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon import Daemon
from tongguan.gateway.flow import door
from tongguan.gateway.home import change_settings, make_home
from tongguan.gateway.kernel.message import Message, State


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A home whose authorities are not there; only the door is played."""
    home = tmp_path / "home"
    make_home(home, card="software")
    change_settings(home, "gateway", "settle", "0s")
    made = Daemon(home)
    yield made
    made.stop()


def played(daemon: Daemon, names: list[str]) -> dict[str, Message]:
    outbox = daemon.mailboxes["demo"].folder / "OutBox"
    for name in names:
        (outbox / name).write_text("<no message/>")
    end = time.monotonic() + 20
    while any(outbox.glob("*.xml")) and time.monotonic() < end:
        daemon.turn()
        time.sleep(0.05)
    with daemon.journal.read() as records:
        return {str(m.source): m for m in records.list_messages([], limit=10)}


@pytest.mark.parametrize("step", ["look_into", "accept"])
def test_a_bug_holds_its_own_file_with_its_traceback_and_no_other(
    daemon: Daemon, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(door, step)

    def buggy(*given: Any, **more: Any) -> Any:
        if any("culprit.xml" in (getattr(g, "source", None), g) for g in given if not hasattr(g, "settings")):
            raise ZeroDivisionError("a bug")
        return real(*given, **more)

    monkeypatch.setattr(door, step, buggy)
    messages = played(daemon, ["a.xml", "culprit.xml", "z.xml"])

    assert {name: m.state for name, m in messages.items()} == {
        "a.xml": State.REFUSED,
        "culprit.xml": State.HELD,
        "z.xml": State.REFUSED,
    }
    assert "ZeroDivisionError" in (messages["culprit.xml"].extra or {})["traceback"]
