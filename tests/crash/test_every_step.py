"""The process stops at every commit and every rename in turn; after a new start nothing is lost and nothing done twice."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_support import APPLICATION, INSPECTION, Authorities, example
from sites import Site

from tongguan.gateway.daemon import Daemon
from tongguan.gateway.kernel import files


class Crash(BaseException):
    """The process ends here: nothing after this line has happened."""


@pytest.fixture(autouse=True)
def _no_crash_left() -> Iterator[None]:
    yield
    files.crash_point = lambda place: None


def crash_at(n: int) -> list[str]:
    """End the process at the nth place; the places passed so far."""
    passed: list[str] = []

    def point(place: str) -> None:
        passed.append(place)
        if len(passed) == n:
            raise Crash(place)

    files.crash_point = point
    return passed


def abandon(daemon: Daemon) -> None:
    """What the kernel does for a process that is gone: locks and connections end, nothing is flushed or finished."""
    files.crash_point = lambda place: None
    daemon.wire.stop()
    daemon.watch.close()
    daemon.journal.dispose()
    for card in daemon.site.cards.values():
        card.close()
    os.close(daemon.home_lock)


def work_until_idle(daemon: Daemon, seconds: float = 20) -> None:
    """Rounds until every submission is final."""
    end = time.monotonic() + seconds
    quiet = 0
    outbox = daemon.mailboxes["demo"].folder / "OutBox"
    while quiet < 3:
        quiet = 0 if daemon.turn() else quiet + 1
        with daemon.journal.read() as records:
            waiting = records.open_messages("demo", 1) or any(not e.name.endswith(".tmp") for e in os.scandir(outbox))
        if waiting:
            quiet = 0
            time.sleep(0.02)
        assert time.monotonic() < end, "still open after all this time"


def drop_all(site: Site, n: int) -> dict[str, str]:
    """One right application, one wrong one, one inspection that asks customs: file name to its reference."""
    right, wrong, inspection = (f"{kind}-{os.getpid()}-{n}" for kind in ("right", "wrong", "inspection"))
    return {
        site.drop(example(APPLICATION, "ok-declare.xml", right), name=f"right-{n}.xml"): right,
        site.drop(example(APPLICATION, "bad-NA-R05.xml", wrong), name=f"wrong-{n}.xml"): wrong,
        site.drop(example(INSPECTION, "ok-save.xml", inspection), name=f"inspection-{n}.xml"): inspection,
    }


@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("GW-01")
@pytest.mark.timeout(900)
@pytest.mark.long
def test_a_crash_at_any_commit_or_rename_loses_nothing_and_does_nothing_twice(authorities: Authorities, tmp_path: Path) -> None:
    n = 0
    while True:
        n += 1
        site = authorities.home(tmp_path / f"home-{n}")
        names = drop_all(site, n)
        time.sleep(0.01)
        passed = crash_at(n)
        crashed = False
        daemon = None
        try:
            daemon = Daemon(site.home)
            work_until_idle(daemon)
        except Crash:
            crashed = True
        files.crash_point = lambda place: None
        if daemon is not None:
            abandon(daemon) if crashed else daemon.stop()
        if crashed:
            again = Daemon(site.home)
            work_until_idle(again)
            verdict = again.journal.verify()
            again.stop()
            assert verdict.broken is None, f"after a crash at {passed[-1]} {n}: {verdict}"
        assert_all_ended_once(authorities, site, names, f"crash {n} at {passed[-1] if passed else '-'}")
        if not crashed:
            break
    assert n > 20


def assert_all_ended_once(authorities: Authorities, site: Site, names: dict[str, str], where: str) -> None:
    assert len(list((site.mailbox / "Status" / "by-id").iterdir())) == len(names), f"{where}: a file became two messages"
    for name, reference in names.items():
        status = site.status(name)
        assert status is not None, f"{where}: {name} has no status file"
        assert status["final"], f"{where}: {name} is {status['state']}"
        assert len(site.places(name)) == 1, f"{where}: {name} lies in {site.places(name)}"
        wanted = {"right": "accepted", "wrong": "refused", "inspe": "accepted"}[name[:5]]
        assert status["state"] == wanted, f"{where}: {name} is {status['state']} {status['faults']}"
        if name.startswith("right"):
            assert authorities.declared("mofcom", reference) == [1], (
                f"{where}: {name} was declared {authorities.declared('mofcom', reference)}"
            )
