"""A month is merged by itself: once nothing of it is on its way, in time for its deadline at the latest, and then each day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from daily_slots import it_is
from journals import comes, document, submission, written
from merge_desk import Counting, open_counting
from merges import INVOICE, MERGE, NOTE

from tongguan.gateway.flow.merging.deadlines import merging_types
from tongguan.gateway.flow.orders import carry_out
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Reservation

pytestmark = [pytest.mark.requirement("CD-11"), pytest.mark.requirement("GW-09")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counting]:
    with open_counting(tmp_path, by_itself=True) as counting:
        counting.today = "2030-06-20T12:00:00"
        yield counting


def merges(desk: Counting) -> list[str]:
    """The months and days of the merges so far, with their kinds."""
    desk.play()
    with desk.shop.daemon.journal.search() as records:
        found = [m.reference or "" for m in records.list_messages([], limit=1000) if m.type == MERGE]
    return sorted(reference.removeprefix(f"{MERGE}-merge-") for reference in found)


def day_by_day(desk: Counting, *days: str) -> None:
    for day in days:
        desk.today = f"{day}T03:00:00"
        desk.play()


def test_a_month_is_merged_once_it_is_over_and_nothing_of_it_is_on_its_way(desk: Counting) -> None:
    note, late = desk.note("2030-06-03"), desk.note("2030-06-04", ready=False)
    day_by_day(desk, "2030-06-30", "2030-07-01", "2030-07-02")
    assert merges(desk) == []

    desk.today = "2030-07-02T15:00:00"
    desk.note("2030-06-04", key=late)
    desk.today = "2030-07-02T16:00:00"
    assert merges(desk) == ["1-2030-06-2030-07-02"], "within the day, too"
    assert desk.words(NOTE, note, late) == ["已汇总"] * 2
    day_by_day(desk, "2030-07-03", "2030-07-04")
    assert merges(desk) == ["1-2030-06-2030-07-02"], "nothing is left"


def test_shortly_before_the_deadline_the_others_do_not_wait_any_more(desk: Counting) -> None:
    note, late = desk.note("2030-06-03"), desk.note("2030-06-04", ready=False)
    day_by_day(desk, "2030-07-04")
    assert merges(desk) == []
    day_by_day(desk, "2030-07-05")
    assert desk.words(NOTE, note, late) == ["已汇总", "在途"]
    day_by_day(desk, "2030-07-06", "2030-07-07")
    desk.note("2030-06-04", key=late)
    day_by_day(desk, "2030-07-08")

    assert desk.words(NOTE, late) == ["已汇总"]
    assert merges(desk) == ["1-2030-06-2030-07-05", "1-2030-06-2030-07-08"]


def test_what_a_declaration_of_its_own_names_is_not_merged_by_itself(desk: Counting) -> None:
    note = desk.note("2030-06-03")
    (types,) = merging_types(desk.shop.daemon.site.rules)
    with desk.shop.daemon.journal.read() as records:
        listed = records.document_of_key("demo", NOTE, note)
    assert listed is not None
    own = document("own", type=INVOICE, status="sent")
    reserve = tuple(Reservation(kind, listed.id, own.id) for kind in types.fences)
    written(
        desk.shop.daemon.journal,
        comes(submission(state=State.ACCEPTED, lane=None, due_at=None), documents=(own,), reserve=reserve),
    )
    day_by_day(desk, "2030-07-01", "2030-07-10")

    assert merges(desk) == []


def test_a_month_that_was_missed_is_caught_up_once(desk: Counting) -> None:
    note = desk.note("2030-06-03")
    desk.shop.stop()
    day_by_day(desk, "2030-08-20", "2030-08-21")

    assert merges(desk) == ["1-2030-06-2030-08-20"] and desk.words(NOTE, note) == ["已汇总"]


def test_what_was_freed_is_merged_the_next_day(desk: Counting) -> None:
    note = desk.note("2030-06-03")
    day_by_day(desk, "2030-07-01")
    (first,) = merges(desk)
    desk.send(INVOICE, "delete", {}, f"{MERGE}-merge-{first}-1")
    assert desk.words(NOTE, note) == ["已签收"]
    day_by_day(desk, "2030-07-02")

    assert merges(desk) == [first, "1-2030-06-2030-07-02"] and desk.words(NOTE, note) == ["已汇总"]


def begins(desk: Counting, *merges: tuple[str, dict[str, str]]) -> None:
    """Drop merges, by their names and what they say besides; each is checked, and comes no further than its first portions."""
    for key, body in merges:
        frame = {"type": MERGE, "operation": "merge", "reference": key, "body": {"Kind": "1", "Month": "2030-06", **body}}
        desk.shop.site.drop(json.dumps(frame), suffix=".json")
    it_is(desk.shop.daemon, desk.today)
    desk.shop.turns(lambda: all(stands(desk, key) for key, _ in merges))


def order(desk: Counting, word: str, id_: str) -> None:
    carry_out(desk.shop.daemon.site, {"do": word, "ids": [id_]}, who="test", why="a test wants it")


def stands(desk: Counting, key: str) -> str:
    return str(((desk.shop.site.document(MERGE, key) or {}).get("business_status") or {}).get("text", ""))


def slots(desk: Counting) -> list[str]:
    """The references of all merges that the calendar began, as they are now."""
    with desk.shop.daemon.journal.search() as records:
        found = [m.reference or "" for m in records.list_messages([], limit=1000) if m.type == MERGE]
    return sorted(each.removeprefix(f"{MERGE}-merge-") for each in found if each.startswith(MERGE))


def test_while_a_month_is_being_merged_the_calendar_begins_no_other_merge_of_it(desk: Counting) -> None:
    notes = [desk.note("2030-06-03", buyer=buyer) for buyer in "ABC"]
    desk.today = "2030-06-30T12:00:00"
    begins(desk, ("M-1", {}))
    assert stands(desk, "M-1") != "已生成"
    it_is(desk.shop.daemon, "2030-07-01T03:00:00")

    for _ in range(3):
        desk.shop.daemon.slots.turn()
    assert slots(desk) == []
    day_by_day(desk, "2030-07-01", "2030-07-02")
    assert (slots(desk), desk.words(NOTE, *notes)) == ([], ["已汇总"] * 3)


def test_what_that_merge_left_is_merged_in_the_same_hour(desk: Counting) -> None:
    taken, other = desk.note("2030-06-03", buyer="A"), desk.note("2030-06-04", buyer="B")
    desk.today = "2030-06-30T12:00:00"
    begins(desk, ("M-1", {"Buyer": "A"}))
    it_is(desk.shop.daemon, "2030-07-01T03:00:00")
    desk.shop.daemon.slots.turn()
    assert slots(desk) == []

    day_by_day(desk, "2030-07-01")
    assert desk.words(NOTE, taken, other) == ["已汇总"] * 2
    assert slots(desk) == ["1-2030-06-2030-07-01"]


def test_a_merge_of_another_month_or_kind_and_one_that_is_held_keep_nobody_waiting(desk: Counting) -> None:
    note = desk.note("2030-06-03")
    desk.note("2030-06-03", kind="2")
    desk.today = "2030-06-30T12:00:00"
    begins(desk, ("M-1", {"Month": "2030-05"}), ("M-2", {"Kind": "2"}), ("M-3", {"Buyer": "B"}))
    with desk.shop.daemon.journal.search() as records:
        held = next(m.id for m in records.list_messages([], limit=100) if m.reference == "M-3")
    order(desk, "hold", held)

    it_is(desk.shop.daemon, "2030-07-01T03:00:00")
    desk.shop.daemon.slots.turn()
    assert slots(desk) == ["1-2030-06-2030-07-01"]
    order(desk, "give-up", held)
    day_by_day(desk, "2030-07-01")
    assert desk.words(NOTE, note) == ["已汇总"]


def test_december_is_merged_within_its_year_or_by_nobody(desk: Counting) -> None:
    desk.today = "2030-12-20T12:00:00"
    early, other = desk.note("2030-12-03"), desk.note("2030-12-03", kind="2")
    day_by_day(desk, "2030-12-25")
    assert merges(desk) == []
    day_by_day(desk, "2030-12-26")
    assert desk.words(NOTE, early, other) == ["已汇总", "已签收"]

    late = desk.note("2030-12-28")
    desk.shop.stop()
    day_by_day(desk, "2031-01-01", "2031-01-02")
    assert desk.words(NOTE, late, other) == ["已签收", "已汇总"]
    desk.today = "2031-01-03T12:00:00"
    ranged = desk.send(MERGE, "merge", {"Kind": "1", "First": "2030-12-01", "Last": "2030-12-31"})
    assert [row["why"] for row in desk.result(ranged)["rows"]] == ["不能跨年度汇总"]
