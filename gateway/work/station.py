"""A station: takes what is due in its lanes, and does one batch at a turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tongguan.gateway.journal.port import Claim, WorkJournal
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import Step, run
from tongguan.gateway.work.moment import Moment

MOST = 128  #: messages in one batch
SPAN_SECONDS = 2.0  #: a batch is sized to about this much work


@dataclass(slots=True)
class Pace:
    """How many messages a lane does in the span of one claim, from what it did before."""

    most: int = MOST
    seconds_each: float = 0.05
    rests: float = 0.0  #: behind each turn so many times as long as it took: what it does can wait, others' messages cannot

    @property
    def size(self) -> int:
        return max(1, min(self.most, round(SPAN_SECONDS / max(self.seconds_each, 1e-4))))

    def did(self, count: int, seconds: float) -> None:
        self.seconds_each = 0.5 * self.seconds_each + 0.5 * seconds / max(count, 1)


def _nothing() -> None:
    """Most stations have nothing to look at."""


@dataclass(slots=True)
class Station:
    """One line of work. `turn` does one batch and says whether there was any."""

    name: str
    journal: WorkJournal
    lanes: tuple[Lane, ...]
    step: Step
    moment: Callable[[], Moment]
    closed: Callable[[Lane], ClosedLane]  #: the row of a lane that is found shut
    pace: Pace = field(default_factory=Pace)
    look: Callable[[], None] = _nothing  #: before each turn

    def turn(self) -> bool:
        self.look()
        claim = self.claim()
        if claim is not None:
            self.do(claim)
        return claim is not None

    def claim(self) -> Claim | None:
        """As much of what is due as it does at a turn."""
        return self.journal.claim(self.name, self.lanes, limit=self.pace.size)

    def do(self, claim: Claim) -> None:
        """Decide what is in this hand, and write it."""
        began = clock.monotonic()
        run(self.journal, self.step, claim, moment=self.moment, closed=self.closed)
        self.pace.did(len(claim.messages), clock.monotonic() - began)
