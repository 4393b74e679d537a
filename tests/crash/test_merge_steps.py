"""The process stops at every commit of a merge, and of its freeing: the same is made, byte for byte, and each document is in it once."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from daily_slots import it_is
from merge_desk import Counting, open_counting
from merges import INVOICE, MERGE, NOTE
from rounds import turn
from sites import Site, wait_until
from test_agreement_steps import crash_at_commit
from test_every_step import Crash, abandon

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.orders import carry_out
from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system.storage import files

pytestmark = [pytest.mark.requirement("CD-11"), pytest.mark.requirement("CD-13")]
NOW = "2030-07-05T12:00:00"


@dataclass(frozen=True)
class Kept:
    """A home with notes that arrived, which is copied for each try."""

    desk: Counting
    notes: tuple[str, ...]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with open_counting(tmp_path_factory.mktemp("kept")) as desk:
        notes = tuple(desk.note(f"2030-06-0{n}", buyer=buyer) for n, buyer in enumerate("ABABCAA", 1))
        desk.shop.stop()
        yield Kept(desk, notes)
    files.crash_point = lambda place: None


def play(daemon: Daemon, reference: str, now: str = NOW) -> None:
    """Rounds until the message with this reference has ended, and nothing is left to do."""
    it_is(daemon, now)
    wait_until(lambda: not turn(daemon) and ended(daemon, reference), "the work in hand")


def made(daemon: Daemon) -> dict[str, bytes]:
    """What was made, by reference: the bytes that say it."""
    with daemon.journal.search() as records:
        messages = [m for m in records.list_messages([], limit=1000) if m.type == INVOICE and m.operation == "save"]
        assert {m.state for m in messages} <= {"accepted"}
        return {m.reference or "": records.body(m.id, "source") or b"" for m in messages}


def ended(daemon: Daemon, reference: str) -> bool:
    with daemon.journal.search() as records:
        open_ = records.open_messages("demo", 10)
        return not open_ and any((m.reference or "").startswith(reference) for m in records.list_messages([], limit=1000))


def words(site: Site, type_: str, keys: tuple[str, ...]) -> set[str]:
    return {((site.document(type_, key) or {}).get("business_status") or {}).get("text", "") for key in keys}


def tries(
    kept: Kept, folder: Path, drop: Callable[[Site], str], begin: Path, *, then: str = NOW
) -> Iterator[tuple[Daemon, Site]]:
    """A home for each commit: what is dropped is worked off up to it, and after a new start, perhaps a day later, to its end."""
    for n in itertools.count(1):
        site = Site(Path(shutil.copytree(begin, folder / f"home-{n}", ignore=shutil.ignore_patterns("*.log"))))
        reference = drop(site)
        passed = crash_at_commit(n)
        crashed, daemon = True, None
        try:
            daemon = Daemon(site.home)
            play(daemon, reference)
            crashed = False
        except Crash:
            pass
        files.crash_point = lambda place: None
        if daemon is not None:
            (abandon if crashed else Daemon.stop)(daemon)
        again = Daemon(site.home)
        play(again, reference, then)
        yield again, site
        assert again.journal.verify().broken is None
        again.stop()
        shutil.rmtree(site.home)
        if not crashed:
            assert len(passed) > 10
            return


@pytest.mark.long
def test_a_merge_that_is_ended_at_any_commit_makes_the_same(kept: Kept, tmp_path: Path) -> None:
    frame = {"type": MERGE, "operation": "merge", "reference": "M", "body": {"Kind": "1", "Month": "2030-06"}}

    def drop(site: Site) -> str:
        site.drop(json.dumps(frame), suffix=".json")
        return "M"

    first: dict[str, bytes] = {}
    for daemon, site in tries(kept, tmp_path, drop, kept.desk.shop.home):
        found = made(daemon)
        first = first or found
        assert found == first and sorted(found) == ["M-1", "M-2", "M-3"]
        parts = [row["No"] for raw in found.values() for row in json.loads(raw)["body"]["Notes"]]
        assert len(parts) == len(set(parts)) == len(kept.notes)
        assert words(site, NOTE, kept.notes) == {"已汇总"} and words(site, MERGE, ("M",)) == {"已生成"}


@pytest.mark.long
def test_what_the_calendar_merges_is_merged_once_and_no_second_merge_comes_out_empty(kept: Kept, tmp_path: Path) -> None:
    def drop(site: Site) -> str:
        settings = site.home / "tongguan.toml"
        settings.write_text(settings.read_text().replace('merge = "ask"', 'merge = "auto"'))
        return f"{MERGE}-merge-1-2030-06-2030-07-0"

    for daemon, site in tries(kept, tmp_path, drop, kept.desk.shop.home, then="2030-07-06T12:00:00"):
        with daemon.journal.search() as records:
            merges = tuple(m.reference or "" for m in records.list_messages([], limit=1000) if m.type == MERGE)
        assert len(merges) == 1
        assert words(site, NOTE, kept.notes) == {"已汇总"} and words(site, MERGE, merges) == {"已生成"}


def merged(kept: Kept, home: Path) -> None:
    """Copy the home, and have its notes merged there."""
    site = Site(Path(shutil.copytree(kept.desk.shop.home, home, ignore=shutil.ignore_patterns("*.log"))))
    frame = {"type": MERGE, "operation": "merge", "reference": "M", "body": {"Kind": "1", "Month": "2030-06"}}
    site.drop(json.dumps(frame), suffix=".json")
    daemon = Daemon(home)
    play(daemon, "M")
    daemon.stop()


@pytest.mark.long
def test_what_a_deletion_frees_is_free_after_it_in_however_many_portions(kept: Kept, tmp_path: Path) -> None:
    home = tmp_path / "merged"
    merged(kept, home)
    frame = {"type": INVOICE, "operation": "delete", "reference": "D", "document": "", "body": {}}
    sizes = set[int]()
    for invoice in ("M-1", "M-3"):

        def drop(site: Site, invoice: str = invoice) -> str:
            site.drop(json.dumps({**frame, "document": invoice}), suffix=".json")
            return "D"

        for daemon, site in tries(kept, tmp_path, drop, home):
            gone = site.document(INVOICE, invoice)
            freed = {key for key in kept.notes if words(site, NOTE, (key,)) == {"已签收"}}
            parts = json.loads(made(daemon)[invoice])["body"]["Notes"]
            assert gone is None or gone["business_status"] is None or gone.get("deleted")
            assert len(freed) == len(parts)
            sizes.add(len(parts))
    assert min(sizes) <= 2 < max(sizes), "at once, and in portions"


@pytest.mark.long
def test_what_a_merge_has_in_hand_that_is_given_up_is_free_after_it(kept: Kept, tmp_path: Path) -> None:
    home = tmp_path / "in-hand"
    site = Site(Path(shutil.copytree(kept.desk.shop.home, home, ignore=shutil.ignore_patterns("*.log"))))
    frame = {"type": MERGE, "operation": "merge", "reference": "M", "body": {"Kind": "1", "Month": "2030-06"}}
    site.drop(json.dumps(frame), suffix=".json")
    daemon = Daemon(home)
    it_is(daemon, NOW)
    wait_until(lambda: turn(daemon) is not None and words(site, NOTE, kept.notes) == {"汇总中"}, "all to be in hand")
    with daemon.journal.search() as records:
        (merge,) = (m.id for m in records.open_messages("demo", 10))
    carry_out(daemon.site, {"do": "hold", "ids": [merge]}, who="test", why="")
    daemon.stop()

    def drop(site: Site) -> str:
        settings = read_settings(site.home)
        with JournalClient.open(settings.database.url, site.home) as client:
            client.give_order("test", "a test wants it", {"do": "give-up", "ids": [merge]})
        return "M"

    for daemon, site in tries(kept, tmp_path, drop, home):
        assert words(site, NOTE, kept.notes) == {"已签收"}
        assert made(daemon) == {}
