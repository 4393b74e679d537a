"""The running gateway is killed at random moments while files come in; at the end each of them has taken effect once."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from crash_support import Authorities, chosen_seed, of_second
from feeding import Feeder, assert_once, settle
from sites import Site, journal_moves, pulse, wait_until
from told import promised_in_vain

KILLS, MOST_FILES = 50, 15


def run_and_kill(site: Site, chance: random.Random, files: int) -> None:
    """Start the gateway and kill it: mostly in the middle of its work on these new files, at times while it swaps its settings,
    sometimes before it is up.
    """
    before = journal_moves(site.home)
    up = site.home / "daemon.sock"
    up.unlink(missing_ok=True)
    site.start("run", "run")
    if chance.random() < 0.8:
        enough = before + chance.randint(0, files)  # each file is at least one move
        wait_until(lambda: up.exists() and journal_moves(site.home) >= enough, f"{enough} moves", moves=lambda: pulse(site.home))
        if chance.random() < 0.2:
            site.processes["run"].send_signal(signal.SIGHUP)
        time.sleep(chance.uniform(0, 0.6))
    else:
        time.sleep(chance.uniform(0, 0.5))
    site.stop(kill=True)


@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("GW-11")
@pytest.mark.timeout(1200)
@pytest.mark.long
def test_killed_at_any_moment_the_gateway_does_everything_once(authorities: Authorities, tmp_path: Path) -> None:
    seed = chosen_seed()
    chance = random.Random(seed)
    site = authorities.home(tmp_path / "home")
    feeder = Feeder(site, random.Random(seed))
    for _ in range(KILLS):
        files = chance.randint(1, MOST_FILES)
        with feeder.feeding(files):
            run_and_kill(site, chance, files)
        assert not [*promised_in_vain(site), *promised_in_vain(of_second(site))], "told before it was there"
    site.home.joinpath("daemon.sock").unlink(missing_ok=True)
    site.run()
    try:
        settle(site, feeder.wanted, lambda held: let_go(site, held))
    finally:
        site.stop("run")
    assert_once(authorities, site, feeder.wanted)
    verdict = json.loads(site.command("audit", "verify", "--json").stdout)
    assert verdict["ok"], verdict


def let_go(site: Site, held: list[dict[str, Any]]) -> None:
    """What was in hand at three kills waits for a person, who lets it go on."""
    assert all("三次崩溃" in status["hold"]["reason"] for status in held), held
    site.command("retry", "--state", "held", "--why", "killed by the test")
