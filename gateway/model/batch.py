"""How many of how many items of a batch are done: one of which an item was refused is not simply accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tongguan.gateway.model.message import FINAL, State

ITEMS_COUNT = "items_count"  #: fact of a batch, as of its last move


def items_count(states: Mapping[State, int] | Iterable[State]) -> dict[str, Any]:
    """Of the items' states, each or counted: in all, done, come to nothing, open, and how many are in each."""
    counted = Counter(states)
    if repeated := counted.pop(State.REPEATED, 0):
        counted[State.ACCEPTED] += repeated
    total, done = sum(counted.values()), counted[State.ACCEPTED]
    failed = sum(counted[state] for state in FINAL - {State.ACCEPTED, State.REPEATED})
    each = {state.value: count for state, count in counted.items() if count}
    return {
        "total": total,
        "accepted": done,
        "failed": failed,
        "open": total - done - failed,
        "states": dict(sorted(each.items())),
    }
