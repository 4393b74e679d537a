"""What a decision may know of its moment, beside the message, the answer and the journal: read once, before the decisions of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tongguan.gateway.journal.port import Numbers
from tongguan.gateway.model.lane import ClosedLane, Lane


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of the gateway: a decision reads no clock, lane, folder or counter but these."""

    now: int  #: by the machine's clock, milliseconds since the epoch: what waits, and until when
    business: int  #: by the business clock: whatever is dated
    numbers: Numbers
    closed: Mapping[Lane, ClosedLane] = field(default_factory=dict)
    #: what was wrong, at the last look, with each secret of an account, by its reference; None: nothing
    secrets: Mapping[str, Mapping[str, tuple[str, str] | None]] = field(default_factory=dict)
    #: what authorities told today, path to value, by the question that it answers
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def shut(self, lane: Lane | None) -> str | None:
        """What a message in this lane waits for from the start; None while the lane is open."""
        return waits_for(self.closed, lane)


def waits_for(closed: Mapping[Lane, ClosedLane], lane: Lane | None) -> str | None:
    """What a message in this lane waits for, as far as it is the lane; None while that is open."""
    row = closed.get(lane) if lane is not None else None
    return row.waits_for if row is not None else None
