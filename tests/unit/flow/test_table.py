"""The flow's table: it says what docs/architecture.md shows, and no lane or state is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

from tongguan.gateway.flow.table import DOOR, FLOW
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import State

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"


def drawn() -> dict[str, tuple[set[str], set[str]]]:
    """The page's table: lane to the states that it takes up and may leave."""
    rows = re.findall(r"(?m)^\| (a file|`\w+`) \|([^|]*)\|([^|]*)\|[^|]*\|[^|]*\|$", PAGE.read_text("utf-8"))
    return {
        lane.strip("`"): (set(re.findall(r"`(\w+)`", takes)), set(re.findall(r"`(\w+)`", leaves))) for lane, takes, leaves in rows
    }


def test_the_page_shows_the_table() -> None:
    told = {str(kind): ({*map(str, entry.takes)}, {*map(str, entry.leads_to)}) for kind, entry in FLOW.items()}

    assert drawn() == {"a file": (set(), {*map(str, DOOR)}), **told}


def test_every_kind_of_lane_that_holds_messages_has_its_step() -> None:
    assert set(FLOW) == set(LaneKind) - {LaneKind.ACCOUNT}


def test_every_state_is_reached_by_a_step_or_by_a_persons_order() -> None:
    by_order = {State.HELD, State.STOPPED, State.GIVEN_UP}

    assert set(State) == DOOR.union(*(entry.leads_to for entry in FLOW.values())) | by_order


def test_a_lane_is_its_kind_and_its_name_wherever_it_is_stored() -> None:
    lane = Lane(LaneKind.CARD, "a:b")

    assert (lane, lane.kind, lane.name) == ("card:a:b", LaneKind.CARD, "a:b")
    assert (Lane("read"), Lane("read").kind, Lane("read").name) == (LaneKind.READ, "read", "")


def test_a_merge_alone_rests_behind_its_turns() -> None:
    assert {kind for kind, entry in FLOW.items() if entry.pace().rests} == {LaneKind.MERGE}
