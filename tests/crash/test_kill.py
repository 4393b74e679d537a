"""The running gateway is killed at random moments while files come in; at the end each of them has taken effect once."""

from __future__ import annotations

import itertools
import json
import os
import random
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import pytest
from crash_support import APPLICATION, INSPECTION, Authorities, example
from sites import FINAL, TONGGUAN, Site, wait_until

KILLS = 50
MARKERS = ("", "", "", "!drop-answer", "!503=1", "!lose=1", "!duplicate", "!wrong-signature=technical", "!slow=300ms")
_entries = itertools.count(90220261000000001)
_serials = itertools.count(1)


class Feeder:
    """Drops messages of several documents until told to stop; remembers what each must come to."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site, self._chance = site, chance
        self.wanted: dict[str, tuple[str, str]] = {}  #: file name: (reference, final state)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _feed(self) -> None:
        while not self._over.is_set():
            for _ in range(self._chance.randint(1, 4)):
                self._drop()
            self._over.wait(self._chance.uniform(0.1, 0.6))

    def _drop(self) -> None:
        serial = next(_serials)
        reference = f"k{os.getpid()}-{serial}"
        kind = self._chance.choices(("right", "wrong", "broken", "inspection"), (7, 2, 1, 1))[0]
        match kind:
            case "right":
                reference += self._chance.choice(MARKERS)
                content, ends = example(APPLICATION, "ok-declare.xml", reference), "accepted"
            case "wrong":
                content, ends = example(APPLICATION, "bad-NA-R05.xml", reference), "refused"
            case "broken":
                content, ends = b"<NA.application", "refused"
            case _:
                entry = next(_entries)
                ends = "accepted" if entry <= 90220261000000099 else "rejected"
                content = example(INSPECTION, "ok-save.xml", reference, {"EntryId": f"{entry:018d}"})
        name = f"{serial:06d}-{kind}.xml"
        self.wanted[name] = (reference, ends)
        self._site.drop(content, name=name)


def run_and_kill(site: Site, chance: random.Random) -> None:
    """Start the gateway and kill it: mostly in the middle of its work, sometimes before it is up."""
    up = site.home / "daemon.sock"
    up.unlink(missing_ok=True)
    log = (site.home / "run.log").open("ab")
    process = subprocess.Popen([*TONGGUAN, "run", "--home", str(site.home)], stdout=log, stderr=log)
    if chance.random() < 0.8:
        wait_until(up.exists, "the gateway to start")
        time.sleep(chance.uniform(0, 0.6))
    else:
        time.sleep(chance.uniform(0.3, 1.3))
    process.kill()
    process.wait()
    log.close()


@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("GW-11")
@pytest.mark.timeout(300)
@pytest.mark.long
def test_killed_at_any_moment_the_gateway_does_everything_once(authorities: Authorities, tmp_path: Path) -> None:
    seed = int(os.environ.get("TONGGUAN_SEED", "0")) or random.randrange(10**9)
    print(f"TONGGUAN_SEED={seed}")
    chance = random.Random(seed)
    site = authorities.home(tmp_path / "home")
    with Feeder(site, chance) as feeder:
        for _ in range(KILLS):
            run_and_kill(site, chance)
    site.home.joinpath("daemon.sock").unlink(missing_ok=True)
    site.run()
    try:
        settle(site, feeder.wanted)
    finally:
        site.stop("run")
    assert_once(authorities, site, feeder.wanted)
    verdict = json.loads(site.command("audit", "verify", "--json").stdout)
    assert verdict["ok"], verdict


def settle(site: Site, wanted: dict[str, tuple[str, str]]) -> None:
    """Wait for the end of all; what was in hand at three kills waits for a person, who lets it go on."""

    def all_ended() -> bool:
        found = [(name, site.status(name)) for name in wanted]
        if any(s is not None and s["state"] == "held" for _, s in found):
            held = [s for _, s in found if s is not None and s["state"] == "held"]
            assert all("crashed three times" in s["hold"]["reason"] for s in held), held
            site.command("retry", "--state", "held", "--why", "killed by the test")
        left[:] = [f"{name}: {s}" for name, s in found if s is None or s["state"] not in FINAL]
        return not left

    left: list[str] = []
    try:
        wait_until(all_ended, "every message to end", seconds=60)
    except AssertionError:
        raise AssertionError(f"{len(left)} of {len(wanted)} did not end: {left[:5]}") from None
    wait_until(lambda: not any(p.suffix == ".xml" for p in (site.mailbox / "work").iterdir()), "work/ to be empty", 10)


def assert_once(authorities: Authorities, site: Site, wanted: dict[str, tuple[str, str]]) -> None:
    path = authorities.site.home / "simulators" / "mofcom.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
        rows = store.execute("SELECT facts, round FROM document").fetchall()
    declared: dict[str, list[int]] = {}
    for facts, round_ in rows:
        declared.setdefault(json.loads(facts).get("reference", ""), []).append(round_)
    with sqlite3.connect(site.home / "tongguan.db") as base:
        known = base.execute(
            "SELECT reference, count(*) FROM message WHERE kind = 'submission' AND state <> 'repeated' GROUP BY reference"
        ).fetchall()
    wrong = [f"{reference}: {count} messages" for reference, count in known if reference and count > 1]
    for name, (reference, ends) in wanted.items():
        status = site.status(name)
        assert status is not None
        if status["state"] != ends or site.places(name) != ["FailBox" if ends == "refused" else "SentBox"]:
            wrong.append(f"{name}: {status['state']} in {site.places(name)}, wanted {ends}: {status['faults']}")
        if "-right" in name and declared.get(reference) != [1]:
            wrong.append(f"{name}: declared {declared.get(reference)}")
        if "-right" not in name and reference in declared:
            wrong.append(f"{name}: declared although {ends}")
    assert not wrong, wrong
