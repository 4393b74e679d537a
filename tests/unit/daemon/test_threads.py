"""A fault in any thread of a running daemon, by its name: the list is what runs, so that a new thread is tried too."""

from __future__ import annotations

import contextlib
import ctypes
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import new_home
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import StationBroken


class Injected(BaseException):
    """Raised in a thread from outside; no `except Exception` sees it."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Everything runs; the authorities are not there."""
    home = tmp_path_factory.mktemp("threads") / "home"
    new_home(home, language="en")
    change_settings(home, "gateway", "settle", "0s")
    with (home / "tongguan.toml").open("a") as file:
        file.write('\n[broker]\nurl = "memory://"\n')
    before = set(threading.enumerate())
    made = Daemon(home, fatal=ends.append)
    made.start()
    wait_until(lambda: not any(n == "recount" for n in made.supervisor.names()), "the recount to end")
    wait_until((home / "daemon.sock").exists, "the PIN's socket")
    running[:] = sorted(t.name for t in set(threading.enumerate()) - before if t.is_alive())
    yield made
    made.stop()


ends: list[str] = []
running: list[str] = []


def inject(daemon: Daemon, name: str, error: type[BaseException]) -> None:
    """Raise in the thread of this name as soon as it runs Python again."""

    def fail() -> None:
        raise error

    if name == "wire":  # the loop has callbacks of its own, which take everything for theirs
        daemon.wire.soon(fail)
        return
    found = [t for t in threading.enumerate() if t.name == name]
    assert len(found) == 1, f"{name}: {found}"
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(found[0].ident or 0), ctypes.py_object(error))


def told(daemon: Daemon, name: str) -> bool:
    """A standing alert tells of this very thread."""
    return any(p.code == "thread" and f"thread {name} failed" in p.text for p in daemon.alerts.problems())


def nudge(daemon: Daemon) -> None:
    """Give every thread something to do: a thread that sleeps in the system sees an exception when it wakes."""
    with contextlib.suppress(StationBroken):  # what the journal's thread had in hand when it ended
        daemon.journal.set_markers({"nudge": "x"})
    daemon.watch.wake()
    for worker in daemon.workers.each if daemon.workers else ():
        worker._wake()
    for ear in daemon.ears.values():
        ear.wake()
    daemon.journal.ring()
    daemon.journal._serials.want([])
    for each in daemon.queue_tellers:
        each.ring()
    for account in daemon.mailboxes:
        daemon.tellers.tell(account, [])
    for door in daemon.doors:
        door._work.put(lambda: None)
    for job in daemon.calendar._jobs.values():
        job.rung.set()
    if daemon.calendar._alarm is not None:
        daemon.calendar._alarm.wakeup()
    with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
        caller.connect(str(daemon.settings.home / "daemon.sock"))


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize("error", [Injected, SystemExit])
def test_a_fault_in_any_thread_is_told_and_everything_runs_again(daemon: Daemon, error: type[BaseException]) -> None:
    for name in running:
        daemon.alerts.over("thread", name)
        if name in daemon.supervisor._units:
            daemon.supervisor._units[name].recent.clear()  # each of these faults is the first of its minute
        inject(daemon, name, error)
        wait_until(lambda name=name: told(daemon, name) or nudge(daemon), f"the alert of {name}")
    wait_until(lambda: nudge(daemon) or set(running) <= {t.name for t in threading.enumerate()}, "every thread to run again")

    assert not ends
    assert {
        "door:demo",
        "queue:demo",
        "pressure",
        "watch",
        "journal",
        "wire",
        "teller:demo",
        "pin",
        "orders",
        "probes",
        "calendar",
        "supervisor",
    } <= set(running)
    drop = daemon.mailboxes["demo"].folder / "OutBox" / f"{error.__name__}.xml"
    drop.write_text("<no message/>")
    status = drop.parent.parent / "Status" / f"{drop.name}.status.json"
    wait_until(status.exists, "a message to be refused")


_POISONED = """
from tongguan.gateway.daemon import daemon
def orders(site):
    raise RuntimeError("poisoned")
daemon.Orders.turn = orders
from tongguan.gateway.cli import main
main()
"""


@pytest.mark.requirement("GW-06")
def test_a_thread_that_fails_again_and_again_ends_the_process_for_the_service_manager(tmp_path: Path) -> None:
    home = tmp_path / "home"
    new_home(home, language="en")
    ended = subprocess.run(
        [sys.executable, "-c", _POISONED, "run", "--home", str(home)], capture_output=True, text=True, check=False, timeout=110
    )
    alerts = [json.loads(line) for line in (home / "alerts.jsonl").read_text().splitlines()]

    assert ended.returncode == 70
    assert "thread orders failed 3 times within a minute, the gateway ends: RuntimeError: poisoned" in ended.stderr
    assert {(a["code"], a["about"]) for a in alerts if not a.get("over")} >= {("thread", "orders")}
    heartbeat = json.loads((home / "mailboxes/demo/Status/heartbeat.json").read_text())
    assert not heartbeat["ok"] and "thread" in {problem["code"] for problem in heartbeat["problems"]}
