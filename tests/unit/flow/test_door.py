"""The door: the one file that a bug belongs to is held, and no file stays in a hand, whatever fails around it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from homes import new_home
from patience import wait_until
from rounds import turn

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.intake import door
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files
from tongguan.inbox import file_reader


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A home whose authorities are not there; only the door is played."""
    home = tmp_path / "home"
    new_home(home)
    change_settings(home, "gateway", "settle", "0s")
    made = Daemon(home)
    yield made
    made.stop()


def played(daemon: Daemon, names: list[str]) -> dict[str, Message]:
    outbox = daemon.mailboxes["demo"].folder / "OutBox"
    for name in names:
        (outbox / name).write_text("<no message/>")

    def taken() -> bool:
        turn(daemon)
        return not any(outbox.glob("*.xml"))

    wait_until(taken, "the files to be taken")
    with daemon.journal.search() as records:
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


@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("content", ["right", "batch", "wrong"])
def test_a_file_that_was_held_unread_is_read_when_it_is_tried_again(
    daemon: Daemon, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway has been mended meanwhile: what was kept of the file goes the way that it would have gone."""
    saved = [b.message(b.APPLICATION, "save", like="ok-save.xml", reference=f"r{n}") for n in range(2)]
    raw = {"right": b.xml(saved[0]), "batch": b.batch(saved, "all"), "wrong": "<no message/>"}[content]

    def buggy(*given: Any, **more: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(door, "look_into", buggy)
    outbox = daemon.mailboxes["demo"].folder / "OutBox"
    (outbox / "culprit.xml").write_bytes(raw.encode() if isinstance(raw, str) else raw)
    wait_until(lambda: turn(daemon) and not any(outbox.glob("*.xml")), "the file to be taken")
    monkeypatch.undo()
    (held,) = messages_of(daemon)
    daemon.journal.give_order("wang", "mended", {"do": "retry", "ids": [held.id]})
    wait_until(lambda: not turn(daemon), "the work to be done")

    first, *items = messages_of(daemon)
    wanted = State.REFUSED if content == "wrong" else State.ACCEPTED
    assert (held.state, first.id, first.state) == (State.HELD, held.id, wanted)
    assert [(item.batch, item.state) for item in items] == ([(held.id, wanted)] * 2 if content == "batch" else [])
    assert len(list((daemon.mailboxes["demo"].folder / "Status").glob("culprit.xml.status.json"))) == 1
    assert daemon.journal.verify().broken is None


def messages_of(daemon: Daemon) -> list[Message]:
    """All messages, in the order in which they came."""
    with daemon.journal.search() as records:
        return sorted(records.list_messages([], limit=10), key=lambda message: message.sequence)


def dropped(daemon: Daemon, *names: str) -> Path:
    box = daemon.mailboxes["demo"].folder
    for name in names:
        (box / "OutBox" / name).write_text(f"<no message='{name}'/>")
        daemon.mailboxes["demo"].hint(name.encode(), whole=True)
    return box


def turns(daemon: Daemon, count: int) -> None:
    """Rounds of the door as its thread goes through them, whatever they raise."""
    for _ in range(count):
        daemon.mailboxes["demo"].distrust()
        with suppress(RuntimeError, OSError, StationBroken):
            daemon._empty(daemon.mailboxes["demo"])
        daemon.tellers.catch_up()


def until_carried(daemon: Daemon) -> None:
    """Rounds until no file lies in OutBox or `work/`."""
    end = time.monotonic() + 30
    while boxes(daemon.mailboxes["demo"].folder) | {"FailBox": []} != {"OutBox": [], "FailBox": [], "work": []}:
        turns(daemon, 1)
        assert time.monotonic() < end, boxes(daemon.mailboxes["demo"].folder)


def all_messages(daemon: Daemon) -> list[tuple[str | None, State]]:
    with daemon.journal.search() as records:
        return sorted((m.source, m.state) for m in records.list_messages([], limit=100))


def boxes(folder: Path) -> dict[str, list[str]]:
    found = {name: sorted(p.name.split("_")[0] for p in (folder / name).iterdir()) for name in ("OutBox", "FailBox", "work")}
    return {name: [each for each in names if each[0] != "."] for name, names in found.items()}


NAMES = ["a", "b", "c"]
REFUSED = [(f"{name}.xml", State.REFUSED) for name in NAMES]
CALLS: dict[str, Callable[[Daemon], tuple[Any, str]]] = {
    "claim": lambda daemon: (daemon.journal, "claim_keys"),
    "read": lambda daemon: (daemon.journal, "read"),
    "finish": lambda daemon: (daemon.journal, "finish"),
    "give back": lambda daemon: (daemon.journal, "give_back"),
    "parse": lambda daemon: (door, "look_into"),
    "take": lambda daemon: (door, "accept"),
    "move": lambda daemon: (files, "move"),
    "open": lambda daemon: (file_reader, "read"),
    "look": lambda daemon: (file_reader, "look"),
}


@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("failure", [StationBroken, OSError])
def test_whatever_call_fails_for_a_while_each_file_becomes_one_message_and_leaves_outbox(
    daemon: Daemon, call: str, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name = CALLS[call](daemon)
    real, left = getattr(where, name), [4]

    def fails(*given: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise failure("not now")
        return real(*given, **more)

    folder = dropped(daemon, *(name for name, _ in REFUSED))
    monkeypatch.setattr(where, name, fails)
    turns(daemon, 5)
    monkeypatch.undo()
    until_carried(daemon)
    dropped(daemon, "d.xml")
    until_carried(daemon)

    assert boxes(folder) == {"OutBox": [], "FailBox": [*NAMES, "d"], "work": []}
    assert [source for source, _ in all_messages(daemon)] == [f"{name}.xml" for name in (*NAMES, "d")]


@contextmanager
def locked(daemon: Daemon) -> Iterator[None]:
    """Another program holds the journal for longer than anybody waits."""
    with daemon.journal._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(daemon.settings.home / "tongguan.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def immutable_work(daemon: Daemon) -> Iterator[None]:
    work = os.fspath(daemon.mailboxes["demo"].folder / "work")
    if subprocess.run(["chattr", "+i", work], capture_output=True, check=False).returncode:
        pytest.skip("nobody here may make a folder immutable")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", work], check=True)


@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("trouble", [locked, immutable_work])
def test_files_that_came_while_journal_or_work_could_not_be_written_leave_outbox_afterwards_each_one_message(
    daemon: Daemon, trouble: Callable[[Daemon], Any]
) -> None:
    folder = dropped(daemon, *(name for name, _ in REFUSED))
    with trouble(daemon):
        turns(daemon, 4)
        assert boxes(folder)["OutBox"] == [f"{name}.xml" for name in NAMES]
        came_meanwhile = all_messages(daemon)
    until_carried(daemon)

    assert boxes(folder) == {"OutBox": [], "FailBox": NAMES, "work": []}
    assert all_messages(daemon) == REFUSED
    assert came_meanwhile in ([], REFUSED)


def test_a_file_that_is_sent_again_after_the_clock_was_set_back_is_a_new_try(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was changed, by the clock as it is now, before its forerunner came, by the clock as it was then."""
    real, home = clock.now_ms, daemon.settings.home
    monkeypatch.setattr(clock, "now_ms", lambda: real() + 3_600_000)
    daemon.journal.timekeeper.look()
    first = played(daemon, ["a.xml"])["a.xml"]
    daemon.stop()
    monkeypatch.setattr(clock, "now_ms", real)
    (home / "mailboxes" / "demo" / "OutBox" / "a.xml").write_text("<no message/>")
    wait_until(
        lambda: real() > (home / "mailboxes" / "demo" / "OutBox" / "a.xml").stat().st_ctime_ns // 1_000_000 + 20, "a moment"
    )
    again = Daemon(home)
    played(again, [])
    with again.journal.search() as records:
        both = records.list_messages([], limit=10)
    again.stop()
    daemon.stop = lambda: None  # type: ignore[method-assign]

    assert [m.state for m in both] == [State.REFUSED, State.REFUSED]
    assert first.id in {m.id for m in both}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for a home, with little room."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tongguan", tmp_path], capture_output=True, check=False
    ).returncode:
        pytest.skip("nobody here may mount")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.requirement("GW-05")
def test_files_that_came_while_the_disk_was_full_leave_outbox_afterwards_each_one_message(small_disk: Path) -> None:
    home = small_disk / "home"
    new_home(home)
    change_settings(home, "gateway", "settle", "0s")
    daemon = Daemon(home)
    folder = dropped(daemon, *(name for name, _ in REFUSED))
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 65_536) or filler.write(b"x")
    turns(daemon, 4)
    (small_disk / "filler").unlink()
    until_carried(daemon)

    assert boxes(folder) == {"OutBox": [], "FailBox": NAMES, "work": []}
    assert all_messages(daemon) == REFUSED
    daemon.stop()
