"""Killed with hundreds of messages in hand: all end, once, and what may have been sent is asked about many at a time."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from crash_support import Authorities
from feeding import Feeder, assert_once, settle
from sites import Site, wait_until

FILES, MANY = 500, 24


def moved(site: Site, step: str) -> list[tuple[str, int, str]]:
    """Run, entry and message of each move of this step that left the message sent."""
    with closing(sqlite3.connect(f"file:{site.home}/tongguan.db?mode=ro", uri=True)) as base:
        rows = base.execute("SELECT run, entry, line FROM move WHERE line LIKE ?", (f'%"{step}","sealed","sent"%',)).fetchall()
    return [(run, entry, json.loads(line)[0]) for run, entry, line in rows]


def on_the_wire(site: Site) -> set[str]:
    """The messages in the largest hand that sends."""
    with closing(sqlite3.connect(f"file:{site.home}/tongguan.db?mode=ro", uri=True)) as base:
        hands = [set(json.loads(row[0])) for row in base.execute("SELECT in_hand FROM claim WHERE station = 'route:mofcom'")]
    return max(hands, key=len, default=set())


@pytest.mark.requirement("GW-05")
@pytest.mark.timeout(1200)
@pytest.mark.long
def test_many_messages_in_hand_at_a_kill_all_end_once_and_go_out_in_few_turns(authorities: Authorities, tmp_path: Path) -> None:
    site = authorities.home(tmp_path / "home")
    feeder = Feeder(site, random.Random(1), markers=("",))
    for _ in range(FILES):
        feeder.drop("right")
    site.run()
    wait_until(lambda: moved(site, "send") and len(on_the_wire(site)) >= MANY, "many to be on the wire")
    site.stop("run", kill=True)
    suspects = on_the_wire(site)
    assert 0 < len(moved(site, "send")) < FILES, "killed too early or too late"
    site.run()
    try:
        settle(site, feeder.wanted, lambda held: pytest.fail(f"held: {held}"))
    finally:
        site.stop("run")

    assert_once(authorities, site, feeder.wanted)
    turns = {(run, entry) for run, entry, message in moved(site, "send") if message in suspects}
    assert len(turns) <= max(MANY, len(suspects)) // 2, f"{len(suspects)} suspects"
    verdict = json.loads(site.command("audit", "verify", "--json").stdout)
    assert verdict["ok"], verdict
