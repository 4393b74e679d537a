"""The process stops at every commit and every rename in turn; after a new start nothing is lost and nothing done twice."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_support import Authorities, chosen_seed
from feeding import AT_ONCE, Feeder, assert_once
from patience import Patience
from rounds import turn
from sites import Site, pulse

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.system.storage import files


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
    daemon.supervisor.stopping.set()
    daemon.wire.stop()
    daemon.watch.close()
    daemon.journal.dispose()
    daemon.site.pdf_worker.close()
    for card in daemon.site.cards.values():
        card.close()
    os.close(daemon.home_lock)


def work_until_idle(daemon: Daemon, home: Path) -> None:
    """Rounds until every submission is final, and has its technical response."""
    patience = Patience(moves=lambda: pulse(home))
    quiet = 0
    outboxes = [mailbox.folder / "OutBox" for mailbox in daemon.mailboxes.values()]
    while quiet < 3:
        quiet = 0 if turn(daemon) else quiet + 1
        with daemon.journal.search() as records:
            waiting = owed(records) or any(records.open_messages(account, 1) for account in daemon.mailboxes)
        waiting |= any(not e.name.endswith(".tmp") for outbox in outboxes for e in os.scandir(outbox))
        if waiting:
            quiet = 0
            time.sleep(0.02)
        assert not patience.over(), f"still open: {patience}; {still(daemon)}"


def owed(records: Search) -> bool:
    """Is there a message whose technical receipt is asked for still, the verdict being there?"""
    found = records._connection.exec_driver_sql("SELECT EXISTS (SELECT 1 FROM message WHERE lane LIKE 'owed:%')")
    return bool(found.scalar())


def still(daemon: Daemon) -> str:
    """What is open, and what keeps it."""
    with daemon.journal.search() as records:
        waiting = [m for account in daemon.mailboxes for m in records.open_messages(account, 5)]
    return f"{waiting}; lanes {dict(daemon.journal.lanes)}; {[p.text for p in daemon.alerts.problems()]}"


@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("GW-01")
@pytest.mark.timeout(1800)
@pytest.mark.long
@pytest.mark.parametrize(
    ("kinds", "step"),
    [(("right", "wrong", "inspection"), 1), (("batch", "slow"), 4), (("query", "print"), 4)],
    ids=lambda given: " and ".join(given) if isinstance(given, tuple) else f"1 in {given}",
)
def test_a_crash_at_any_commit_or_rename_loses_nothing_and_does_nothing_twice(
    authorities: Authorities, tmp_path: Path, kinds: tuple[str, ...], step: int
) -> None:
    """The first group tries every place. The two longer ones, `batch and slow` and `query and print`, try one place in four, as all
    of them would take many minutes: chance takes the first, so other runs try other places, and its seed is printed.
    """
    chance = random.Random(chosen_seed())
    places: list[str] = []
    for n in itertools.count(chance.randint(1, step), step):
        site = authorities.home(tmp_path / f"home-{n}")
        feeder = Feeder(site, random.Random(n), markers=[AT_ONCE])
        for kind in kinds:
            feeder.drop(kind)
        if not (passed := crashed_at(site, n)):
            break
        places.append(passed[-1])
        assert_recovers(authorities, site, feeder, f"after a crash at {passed[-1]}, place {n}")
    assert_once(authorities, site, feeder.wanted)
    assert len(places) * step > 20, places


def assert_recovers(authorities: Authorities, site: Site, feeder: Feeder, where: str, *, processes: int | None = None) -> None:
    """A gateway that starts again brings everything to its end, once; the home goes away."""
    again = Daemon(site.home, processes=processes)
    work_until_idle(again, site.home)
    verdict = again.journal.verify()
    again.stop()
    assert verdict.broken is None, f"{where}: {verdict}"
    try:
        assert_once(authorities, site, feeder.wanted)
    except AssertionError as wrong:
        raise AssertionError(f"{where}: {wrong}") from None
    shutil.rmtree(site.home)


def crashed_at(site: Site, n: int) -> list[str]:
    """Run the gateway up to the nth place; the places passed, or none when it came to the end of its work."""
    passed = crash_at(n)
    daemon = None
    try:
        daemon = Daemon(site.home)
        work_until_idle(daemon, site.home)
    except Crash:
        files.crash_point = lambda place: None
        if daemon is not None:
            abandon(daemon)
        return passed
    files.crash_point = lambda place: None
    daemon.stop()
    return []
