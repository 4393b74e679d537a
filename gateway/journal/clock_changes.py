"""The wall clock was set, forward or back: what waits is moved with it, so that all wait as long as they were meant to.

Due times, probes and deadlines are times of the wall clock in the journal. Whoever claims looks first whether that clock has gone as
far as the machine's steady one; where it has not, all of them are moved by the difference, in one commit. Across a restart the two are compared
with what a marker says; after a restart of the machine the steady clock began anew: then only a wall clock that went back is seen, by
what was committed last. Promises nothing about what was stamped: times of the past stay as they were.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from sqlalchemy import and_, delete, func, insert, not_, select, update
from sqlalchemy.sql.elements import ColumnElement

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.rows import decoded
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.history import GATEWAY
from tongguan.gateway.journal.writing.writer import Group, Writer
from tongguan.gateway.system import clock

LEAST_MS = 2000  #: what differs by less is no jump: slewing, or a reading that was held up
KEEP_MS = 60_000  #: the marker is written anew so often: only after a restart of the machine its age matters
_MOST_TWICE = 20
_DAY_MS = 86_400_000
_AWAY_MS = 30 * _DAY_MS  #: a machine may be off for so long, or its clock be wrong: nothing says which
STEADY_MS = 600_000  #: without another jump for so long the clock is trusted again
_MARKER = digests.CLOCK


@dataclass(frozen=True, slots=True)
class _Reading:
    """Both clocks at one moment."""

    wall: int
    steady: int
    boot: str

    @classmethod
    def now(cls) -> _Reading:
        return cls(clock.now_ms(), clock.steady_ms(), clock.boot())

    def jump_to(self, later: _Reading) -> int | None:
        """How much further the wall clock went than real time did; None when the steady clocks cannot be compared."""
        passed = later.steady - self.steady
        if not self.boot or self.boot != later.boot or passed < 0:
            return None
        return later.wall - self.wall - passed

    def after(self, later: _Reading) -> _Reading:
        """The later moment with the wall clock as it would be, had nobody set it; what was too little to count is kept so."""
        return _Reading(self.wall + later.steady - self.steady, later.steady, later.boot)


class Timekeeper:
    """Made by the journal; any thread may `look`. `moved` hears by how much waits were moved, once that is committed."""

    def __init__(self, writer: Writer, run: str, moved: Callable[[int], None]) -> None:
        self._writer, self._run, self._moved = writer, run, moved
        self._lock = threading.Lock()
        self._base = _Reading.now()
        self._entry = 0  #: of the history, when the clock was last looked at and right
        self._kept_at = 0
        self._jumps: deque[tuple[int, int]] = deque()  #: steady moment, milliseconds
        self._twice: list[tuple[int, int]] = []  #: spans of the wall clock that came twice, as it was set back
        self.even_since = 0  #: a moment of the wall clock: what it stamped earlier may be of any age, as it was set by days then
        self.count = 0  #: of jumps in this run
        self.seen = 0  #: the latest that the wall clock is known to have said, where no steady clock tells what passed since

    def begin(self, group: Group) -> None:
        """Compare with what an earlier run left behind."""
        now = _Reading.now()
        connection, m = group.connection, tables.marker.c
        kept = connection.execute(select(m.value).where(m.name == _MARKER)).scalar()
        known = decoded(kept, "marker clock") if kept else {}
        self._twice = [(since, until) for since, until in known.pop("twice", ())]
        self.even_since = known.pop("even_since", 0)
        before = _Reading(**known) if known else None
        jump = before.jump_to(now) if before else None
        if jump is None:
            last = connection.execute(select(tables.move.c.at).order_by(tables.move.c.n.desc()).limit(1)).scalar() or 0
            self.seen = max(last, before.wall if before else 0)
            jump = min(0, now.wall - self.seen)
            if self.seen and now.wall - self.seen > _AWAY_MS:
                self.even_since = now.wall
        elif before is not None and abs(jump) < LEAST_MS:
            now = before.after(now)
        self._set(group, now, jump if abs(jump) >= LEAST_MS else 0)

    def look(self) -> None:
        """Move what waits if the wall clock has jumped. Cheap as long as it has not."""
        entry, now = self._writer.entry, _Reading.now()
        if abs(self._base.jump_to(now) or 0) < LEAST_MS:
            self._entry = entry
            if now.steady - self._kept_at < KEEP_MS:
                return
        with self._lock:
            jump = self._base.jump_to(now) or 0
            if abs(jump) >= LEAST_MS:
                self._writer.submit(lambda group: self._set(group, now, jump))
            elif now.steady - self._kept_at >= KEEP_MS:
                self._writer.submit(lambda group: self._set(group, self._base.after(now), 0), durable=False)

    def unsteady(self) -> int:
        """By how much the wall clock jumped lately, all jumps together; 0 when it did not, or is back where it was."""
        while self._jumps and clock.steady_ms() - self._jumps[0][0] > STEADY_MS:
            self._jumps.popleft()
        together = sum(jump for _, jump in self._jumps)
        return together if abs(together) >= LEAST_MS else 0

    def came_twice(self, moment: int) -> bool:
        """Was the clock set back over this moment? Then a time like it says nothing of what came first."""
        return any(since <= moment <= until for since, until in self._twice)

    def _set(self, group: Group, now: _Reading, jump: int) -> None:
        if jump:
            _move(group, jump, but=self._right(now.wall, jump))
        even_since = now.wall if abs(jump) >= _DAY_MS else self.even_since
        twice = [*self._twice, (now.wall, now.wall - jump)][-_MOST_TWICE:] if jump < 0 else self._twice
        connection, m = group.connection, tables.marker.c
        value = orjson.dumps(
            {"wall": now.wall, "steady": now.steady, "boot": now.boot, "twice": twice, "even_since": even_since}
        ).decode()
        connection.execute(delete(tables.marker).where(m.name == _MARKER))
        connection.execute(insert(tables.marker).values(name=_MARKER, value=value))
        group.after.append(lambda: self._is_set(now, jump, twice, even_since))

    def _right(self, now: int, jump: int) -> ColumnElement[bool]:
        """Messages that were written since the last look by the clock as it is now."""
        m, move = tables.message.c, tables.move.c
        since = select(move.message_id).where(and_(move.run == self._run, move.entry > self._entry))
        return and_(m.id.in_(since), func.abs(m.updated_at - now) < func.abs(m.updated_at - (now - jump)))

    def _is_set(self, now: _Reading, jump: int, twice: list[tuple[int, int]], even_since: int) -> None:
        self._base, self._kept_at, self._twice, self.even_since = now, now.steady, twice, even_since
        if jump:
            self._jumps.append((now.steady, jump))
            self.count += 1
            self._moved(jump)


def _move(group: Group, jump: int, *, but: ColumnElement[bool]) -> None:
    """All waits by the jump."""
    m, n, lane = tables.message, tables.notification, tables.lane
    for column in (m.c.due_at, m.c.deadline_at):
        waits = update(m).where(and_(column.is_not(None), not_(but)))
        group.connection.execute(waits.values({column: column + jump}))
    waiting = update(n).where(n.c.next_at.is_not(None))  # when it came counts too: it is given up so long after
    group.connection.execute(waiting.values(next_at=n.c.next_at + jump, at=n.c.at + jump))
    group.connection.execute(update(lane).where(lane.c.probe_at.is_not(None)).values(probe_at=lane.c.probe_at + jump))
    moved = select(m).where(m.c.deadline_at.is_not(None)).execution_options(yield_per=1000)
    group.left += digests.records(digests.MOVED["message"], group.connection.execute(moved).mappings())
    told = select(n).where(n.c.next_at.is_not(None)).execution_options(yield_per=1000)
    group.left += digests.records_of("notification", group.connection.execute(told).mappings())
    group.tell(GATEWAY, "clock", None, "moved", who=GATEWAY, why=f"the clock jumped by {jump} ms: what waits was moved with it")
