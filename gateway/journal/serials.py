"""Numbers that the gateway gives: leased from the journal in blocks ahead of need, so that a step takes them from memory.

Promises: no number is given twice, by any run, also when the journal is lost and its anchor is not: a block is used once the anchor
knows it. What a block still holds at a clean stop goes back; a crash leaves a gap of a block at most. `take` never waits for the journal.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Self

from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.errors import Deferred, StationBroken, in_both
from tongguan.gateway.system import clock
from tongguan.gateway.system.threads import WorkMark

_LEAST, _MOST = 10, 1000
_OF_A_SERIES = 5000  #: a block is this part of all numbers that a series has
_AGAIN = 0.5  #: seconds
_SOON = timedelta(milliseconds=50)
NumberRange = tuple[int, int]
"""The first number, and the one after the last."""
Submit = Callable[[Callable[[Group], None]], object]


def block_size(digits: int) -> int:
    """So many numbers are leased at a time of a series with so many digits."""
    fitting: int = 10**digits // _OF_A_SERIES
    return max(_LEAST, min(_MOST, fitting))


class Serials:
    """The series of one run; threads share it. `submit` writes, `safe` makes what was written outlive the journal."""

    def __init__(self, submit: Submit, safe: Callable[[], None]) -> None:
        self._submit, self._safe = submit, safe
        self._lock = threading.Lock()
        self._free: dict[str, deque[NumberRange]] = {}  #: series to what is left of its blocks
        self._wanted: dict[str, int] = {}  #: series to its digits
        self._asked = threading.Condition(self._lock)
        self._leasing = threading.Lock()
        self._served = self._resting = self._over = False
        self.known: dict[str, int] = {}  #: series to the first number that no block holds

    def take(self, series: str, *, digits: int = 9) -> int:
        """The next number. Raises Deferred when none is in hand: more are on the way."""
        with self._lock:
            found = self._next(series)
            self._look_ahead(series, digits)
        if found is None:
            why = in_both(f"{series} 的后续编号正在取", f"the next numbers of {series} are on the way")
            raise Deferred("numbers", after=_SOON, why=why)
        return found

    def lend(self, series: str, digits: int, count: int) -> list[NumberRange]:
        """Up to so many numbers for somebody who gives them; fewer, or none, when no more are in hand."""
        lent: list[NumberRange] = []
        with self._lock:
            blocks = self._free.get(series)
            while blocks and count and not self._over:
                start, end = blocks.popleft()
                first_left = min(end, start + count)
                lent.append((start, first_left))
                count -= first_left - start
                if first_left < end:
                    blocks.appendleft((first_left, end))
            self._look_ahead(series, digits)
        return lent

    def take_back(self, left: Mapping[str, Sequence[NumberRange]]) -> None:
        """What was lent, and not given, is the next to be given."""
        with self._lock:
            for series, ranges in left.items():
                self._free.setdefault(series, deque()).extendleft(reversed(ranges))

    def _look_ahead(self, series: str, digits: int) -> None:
        if self._left(series) <= block_size(digits) // 2:
            self._wanted[series] = digits
            self._asked.notify()

    def at_hand(self) -> Self:
        """These, after what is wanted was leased where no thread does that."""
        if not self._served:
            self.lease()
        return self

    def _next(self, name: str) -> int | None:
        blocks = self._free.get(name)
        if not blocks or self._over:
            return None
        following, end = blocks.popleft()
        if following + 1 < end:
            blocks.appendleft((following + 1, end))
        return following

    def _left(self, name: str) -> int:
        return sum(end - start for start, end in self._free.get(name, ()))

    def want(self, series: Iterable[tuple[str, int]]) -> None:
        """Lease ahead: (name, digits) of series that will be asked for."""
        with self._lock:
            self._wanted.update({name: digits for name, digits in series if not self._free.get(name)})
            self._asked.notify()

    def serve(self, pulse: WorkMark) -> None:
        """Lease what is wanted, in a thread of its own, until `rest` or `end`; while the journal cannot be written it is wanted still."""
        self._served, self._resting = True, False
        try:
            while not self._over and not self._resting:
                with self._lock:
                    if not self._wanted and not self._over and not self._resting:
                        self._asked.wait()
                try:
                    with pulse:
                        self.lease()
                except StationBroken:
                    clock.pause(_AGAIN)
        finally:
            self._served = False

    def lease(self) -> None:
        """Lease what is wanted, one commit for all; raises what the journal raises."""
        with self._leasing:
            with self._lock:
                wanted = {} if self._over else dict(self._wanted)
            if not wanted:
                return
            blocks: dict[str, tuple[int, int]] = {}

            def write(group: Group) -> None:
                for name, digits in wanted.items():
                    blocks[name] = _lease(group, name, block_size(digits))

            self._submit(write)
            self.known.update({name: end for name, (_, end) in blocks.items()})
            self._safe()
            with self._lock:
                for name, block in blocks.items():
                    self._free.setdefault(name, deque()).append(block)
                    self._wanted.pop(name, None)

    def rest(self) -> None:
        """Let `serve` return; it may be called again."""
        with self._lock:
            self._resting = True
            self._asked.notify_all()

    def end(self) -> None:
        """Nothing is given or leased any more."""
        with self._leasing, self._lock:
            self._over = True
            self._asked.notify_all()

    def give_back(self, group: Group) -> None:
        """What is left at the end of each series, unless somebody leased after us. Only after `end`."""
        for name, blocks in self._free.items():
            start, end = blocks[-1] if blocks else (0, 0)
            for before in reversed(list(blocks)[:-1]):
                start = before[0] if before[1] == start else start
            back = {"name": name, "mine": end, "next": start}
            if start < end and statements.GIVE_BACK.write(group.connection, back):
                group.left += digests.records_of("serial", [{"name": name, "next": start}])
                self.known[name] = start


def _lease(group: Group, name: str, size: int) -> tuple[int, int]:
    end = int(statements.LEASE.value(group.connection, name=name, size=size))
    group.left += digests.records_of("serial", [{"name": name, "next": end}])
    return end - size, end
