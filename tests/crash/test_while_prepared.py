"""The gateway stops at every commit and rename in turn while another process prepares what it takes: nothing is lost or done twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from crash_support import Authorities, chosen_seed
from feeding import AT_ONCE, Feeder, assert_once
from patience import wait_until
from test_every_step import Crash, abandon, assert_recovers, crash_at, work_until_idle

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.system.storage import files
from tongguan.gateway.system.threads import begin_thread

STEP = 6
KINDS = ("right", "wrong", "right", "broken", "right", "batch", "right", "right", "right", "right")


@pytest.mark.requirement("GW-05")
@pytest.mark.timeout(1800)
@pytest.mark.long
def test_a_crash_at_any_commit_or_rename_of_what_was_prepared_loses_nothing(authorities: Authorities, tmp_path: Path) -> None:
    """One place in six, beginning where chance says."""
    n = random.Random(chosen_seed()).randint(1, STEP)
    places = 0
    while True:
        site = authorities.home(tmp_path / f"home-{n}")
        feeder = Feeder(site, random.Random(n), markers=[AT_ONCE])
        for kind in KINDS:
            feeder.drop(kind)
        passed, prepared = crashed_at(site.home, n)
        if not passed:
            break
        places += 1
        assert_recovers(authorities, site, feeder, f"after a crash at {passed[-1]}, place {n}", processes=1)
        n += STEP
    assert_once(authorities, site, feeder.wanted)
    assert places > 5
    assert prepared


def crashed_at(home: Path, n: int) -> tuple[list[str], int]:
    """Run a gateway with a process that prepares up to the nth place; the places passed, or none when it came to its end, and how
    many files were prepared."""
    daemon = Daemon(home, processes=2)
    workers = daemon.workers
    assert workers is not None
    workers.start(begin_thread)
    wait_until(lambda: workers.ready, "the process")
    daemon.journal.numbers()  # that will be needed, leased: their commit is no part of this
    (worker,) = workers.each
    told, prepared = worker._told, 0

    def counted(connection: object, asked: object) -> object:
        nonlocal prepared
        chains = told(connection, asked)  # type: ignore[arg-type]
        prepared += len(chains)
        return chains

    worker._told = counted  # type: ignore[method-assign, assignment]
    passed = crash_at(n)
    try:
        work_until_idle(daemon, home)
    except Crash:
        workers.stop()
        abandon(daemon)
        return passed, prepared
    files.crash_point = lambda place: None
    daemon.stop()
    return [], prepared
