"""Lanes: a closed one costs nothing and holds up nobody else."""

from __future__ import annotations

from journals import Database, comes, stored, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.lane import ClosedLane, Lane


def closed(name: str) -> ClosedLane:
    return ClosedLane(Lane(name), "pin", "wrong PIN", 1, None, "tongguan card pin c")


def keys(journal: Journal, *lanes: str) -> tuple[str, ...]:
    claim = journal.claim("s", lanes, limit=99)
    return claim.keys if claim else ()


def test_nobody_claims_from_a_closed_lane_and_its_messages_stay_as_they_are(journal: Journal) -> None:
    written(journal, comes(submission("m", lane=Lane("card:c"))))
    before = stored(journal, "m")
    journal.close_lane(closed("card:c"))
    with journal.search() as records:
        moves = records.moves("m")

    assert keys(journal, "card:c") == ()
    assert stored(journal, "m") == before
    assert [move.state for move in moves] == ["received"]


def test_opening_a_lane_makes_its_messages_due_and_wakes_its_station(journal: Journal) -> None:
    written(journal, comes(submission("m", lane=Lane("card:c"))))
    journal.close_lane(closed("card:c"))
    before = stored(journal, "m")
    journal.bell("card:c").clear()
    journal.open_lane(Lane("card:c"))

    assert journal.bell("card:c").is_set()
    assert keys(journal, "card:c") == ("m",)
    assert stored(journal, "m") == before


def test_other_lanes_keep_going(journal: Journal) -> None:
    written(journal, comes(submission("m", lane=Lane("card:c"))), comes(submission("n", lane=Lane("card:d"))))
    journal.close_lane(closed("card:c"))

    assert keys(journal, "card:c", "card:d") == ("n",)


def test_a_closed_lane_stays_closed_across_restarts(database: Database) -> None:
    first = database.open()
    first.close_lane(closed("card:c"))
    first.close()
    second = database.open()

    assert second.lanes == {"card:c": closed("card:c")}
    second.close()


def test_a_paused_account_is_skipped_and_the_others_are_served(journal: Journal) -> None:
    written(journal, comes(submission("m", account="a")), comes(submission("n", account="b")))
    journal.close_lane(closed("account:a"))

    assert keys(journal, "read") == ("n",)
    journal.open_lane(Lane("account:a"))
    assert keys(journal, "read") == ("m",)


def test_a_lane_is_served_in_order_of_time_whatever_else_waits(journal: Journal) -> None:
    written(journal, *(comes(submission(f"{lane}{n}", lane=lane, due_at=n + 1)) for n in range(3) for lane in "ab"))

    assert keys(journal, "a", "b") == ("a0", "b0", "a1", "b1", "a2", "b2")


def test_of_several_lanes_those_longest_due_come_first(journal: Journal) -> None:
    written(journal, *(comes(submission(f"a{n}", lane=Lane("a"), due_at=100 + n)) for n in range(5)))
    written(journal, comes(submission("b", lane=Lane("b"), due_at=1)))
    claim = journal.claim("s", ["a", "b"], limit=2)

    assert claim and set(claim.keys) == {"b", "a0"}
