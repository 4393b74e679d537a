"""A disk fills up and empties again while messages flow: nothing is lost, nothing done twice, and it is told and untold."""

from __future__ import annotations

import errno
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_support import Authorities, chosen_seed, of_second
from feeding import AT_ONCE, Feeder, assert_once, settle
from sites import Site, journal_moves, wait_until

TIMES, FILES = 4, 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[Path, int], Path]]:
    """Mounts a small file system of its own at a folder."""
    mounted: list[Path] = []

    def mount(folder: Path, megabytes: int) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip(f"no small file system can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is, to the last page."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as full:
            assert full.errno == errno.ENOSPC
    return filler


def overview(site: Site) -> tuple[int, list[str]]:
    """What `tongguan status` ends with, and the codes of the problems that it shows."""
    said = site.command("status", "--json")
    return said.returncode, [problem["code"] for problem in json.loads(said.stdout)["problems"]]


def until_well(site: Site) -> None:
    try:
        wait_until(lambda: overview(site) == (0, []), "all to be well")
        wait_until(lambda: not open_alerts(site), "every alert to be over")
    except AssertionError as late:
        left = {place.name: shutil.disk_usage(place).free for place in (site.home, site.home / "mailboxes")}
        raise AssertionError(f"{late}; free: {left}; {site.command('status').stdout}; {open_alerts(site)}") from None


def open_alerts(site: Site) -> set[tuple[str, str]]:
    """Alerts that were told and never ended."""
    left = set()
    for line in (site.home / "alerts.jsonl").read_text().splitlines():
        alert = json.loads(line)
        about = (alert["code"], alert["about"])
        left.discard(about) if alert.get("over") else left.add(about)
    return left


@pytest.mark.requirement("GW-05")
@pytest.mark.requirement("GW-08")
@pytest.mark.timeout(1200)
@pytest.mark.long
@pytest.mark.parametrize("which", ["home", "mailboxes", "both"])
def test_a_full_disk_comes_and_goes_and_everything_takes_effect_once(
    authorities: Authorities, tmp_path: Path, small_disk: Callable[[Path, int], Path], which: str
) -> None:
    """The journal's disk, the mailboxes', or one for both."""
    disk = small_disk(tmp_path / "home" / ("mailboxes" if which == "mailboxes" else ""), 40)
    if which == "home":
        small_disk(tmp_path / "home" / "mailboxes", 40)
    site = authorities.home(tmp_path / "home")
    seed = chosen_seed()
    chance, feeder = random.Random(seed), Feeder(site, random.Random(seed), markers=[AT_ONCE])
    site.run()
    try:
        for _ in range(TIMES):
            enough = journal_moves(site.home) + chance.randint(0, FILES)
            with feeder.feeding(FILES):
                wait_until(lambda enough=enough: journal_moves(site.home) >= enough, f"{enough} moves")
                filler = fill(disk)
                code, problems = overview(site)
                time.sleep(chance.uniform(0, 1.5))
                filler.unlink()
            assert code and "disk" in problems, problems
            assert site.processes["run"].poll() is None, "a full disk ends nothing"
        settle(site, feeder.wanted, pytest.fail)
        until_well(site)
    finally:
        site.stop("run")
    assert_once(authorities, site, feeder.wanted)
    assert not list((of_second(site).mailbox / "OutBox").iterdir())
    verdict = json.loads(site.command("audit", "verify", "--json").stdout)
    assert verdict["ok"], verdict
