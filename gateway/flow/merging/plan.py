"""Which documents become one, and which of their lines: a pure function of what is kept of them, in its order.

Promises: a document stays whole; one whole has documents of one key, and lines of each key once; it is closed only before a document with
which it would have too many lines, or a sum beyond its field; sums are exact. What is remembered is the whole that is being made, and
never the month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import add, itemgetter, lt

from tongguan.gateway.journal.reading.keyed import KeyedHead, KeyedRow, KeyedWithLines
from tongguan.gateway.model.outcome import RelatedPart
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.sections.lines import MOST_ROWS


@dataclass(frozen=True, slots=True)
class SumField:
    """What a field takes of sums that are whole numbers of their last decimal: of `scale` decimals."""

    scale: int
    digits: int  #: of the field, all together
    places: int  #: its decimals
    surely: int = field(init=False)  #: whatever is less is taken

    def __post_init__(self) -> None:
        object.__setattr__(self, "surely", 10**self.digits if self.places >= self.scale else 1)

    def takes(self, value: int) -> bool:
        if value < self.surely:
            return True
        fraction = self.scale
        while fraction and value % 10 == 0:
            value, fraction = value // 10, fraction - 1
        return fraction <= self.places and value < 10**self.digits


@dataclass(frozen=True, slots=True)
class WholeLimits:
    """What fits into one whole: so many lines, and sums in the order of the type that is merged."""

    lines: int
    head_sums: tuple[SumField, ...]
    line_sums: tuple[SumField, ...]


@record
class PlannedLine:
    """A line of a whole: the first that went into it (document, and line from 0), and the sums of all."""

    first_id: str
    first_line: int
    sums: tuple[int, ...]


@record
class PlannedWhole:
    """Documents that become one: the `number`th (from 1) of its key, and of what is `apart` there."""

    key: bytes
    apart: str
    number: int
    parts: tuple[RelatedPart, ...]
    lines: tuple[PlannedLine, ...]
    sums: tuple[int, ...]
    fits: bool  #: not where a single document has too much for any whole

    @property
    def name(self) -> str:
        """What tells it from all others of the same merge, at each making."""
        return f"{self.key.hex()}:{self.apart}:{self.number}"


def plan(
    documents: Iterable[KeyedWithLines], limits: WholeLimits, *, apart: Callable[[KeyedHead], str] = lambda head: ""
) -> Iterator[PlannedWhole]:
    """The wholes that documents become which come in the order of their keys, then of their places in it.

    `apart`: documents of one key are parted by it as well. Wholes of a key come together, each as soon as it is closed.
    """
    if not 0 < limits.lines <= MOST_ROWS:
        raise ValueError(f"{limits.lines} lines")
    key, made, open_ = b"", dict[str, int](), dict[str, _Whole]()
    for document in documents:
        head, rows = document.head, document.rows
        if head.key != key:
            yield from (open_[name].closed() for name in sorted(open_))
            key, made, open_ = head.key, {}, {}
        name, keys = apart(head), list(map(_key_of, rows))
        whole = open_.get(name)
        if whole is None or not whole.takes(head, rows, keys):
            if whole is not None:
                yield whole.closed()
            made[name] = made.get(name, 0) + 1
            whole = open_[name] = _Whole(key, name, made[name], limits)
            whole.fits = whole.takes(head, rows, keys)
        whole.add(head, rows, keys)
        if not whole.fits:
            yield open_.pop(name).closed()
    yield from (open_[name].closed() for name in sorted(open_))


_key_of = itemgetter(0)
_MOST_ROWS = 20_000  #: that are remembered before they are added up


class _Whole:
    """One that is being made."""

    fits = True

    def __init__(self, key: bytes, apart: str, number: int, limits: WholeLimits) -> None:
        self._key, self._apart, self._number, self._limits = key, apart, number, limits
        self._places: dict[bytes, int] = {}  #: of each key of a line
        self._firsts: list[tuple[str, int]] = []
        self._rows: dict[bytes, list[KeyedRow]] = {}  #: by key: not added up yet
        self._remember: dict[bytes, Callable[[KeyedRow], None]] = {}  #: by key: how one more is put there
        self._remembered = 0
        self._sums: tuple[int, ...] = (0,) * len(limits.head_sums)
        self._totals: tuple[int, ...] = (0,) * len(limits.line_sums)  #: of all lines together: no line has more
        #: with the document that was asked about last: keys that are not here yet, sums and totals
        self._fresh, self._with = set[bytes](), (self._sums, self._totals)
        self._parts: list[RelatedPart] = []
        self._surely = [tuple(of.surely for of in each) for each in (limits.head_sums, limits.line_sums)]

    def takes(self, head: KeyedHead, rows: Sequence[KeyedRow], keys: list[bytes]) -> bool:
        """Does a document fit?"""
        limits = self._limits
        self._fresh = set(keys).difference(self._places)
        self._with = sums, totals = tuple(map(add, self._sums, head.sums)), tuple(map(add, self._totals, head.totals))
        if len(self._places) + len(self._fresh) > limits.lines:
            return False
        if not all(map(lt, sums, self._surely[0])) and not all(of.takes(s) for of, s in zip(limits.head_sums, sums, strict=True)):
            return False
        if all(map(lt, totals, self._surely[1])):
            return True
        return all(
            total < of.surely or self._each_fits(of, n, rows)
            for n, (of, total) in enumerate(zip(limits.line_sums, totals, strict=True))
        )

    def _each_fits(self, of: SumField, n: int, rows: Sequence[KeyedRow]) -> bool:
        """Does each line that gets more of a sum still fit?"""
        self._add_up()
        after: dict[bytes, int] = {}
        for row in rows:
            before = after.get(row[0])
            if before is None:
                before = sum(known[n + 1] for known in self._rows.get(row[0], ()))
            after[row[0]] = before + row[n + 1]
        return all(map(of.takes, after.values()))

    def add(self, head: KeyedHead, rows: Sequence[KeyedRow], keys: list[bytes]) -> None:
        """One that was asked about a moment ago."""
        if self._fresh:
            self._know(head.id, keys)
        for remember, row in zip(map(self._remember.__getitem__, keys), rows, strict=True):
            remember(row)
        self._remembered += len(rows)
        if self._remembered > _MOST_ROWS:
            self._add_up()
        self._sums, self._totals = self._with
        self._parts.append(RelatedPart(head.id, bytes(map(self._places.__getitem__, keys))))

    def _know(self, id_: str, keys: Sequence[bytes]) -> None:
        """Room for the lines that are new."""
        for line, key in enumerate(keys):
            if key not in self._places:
                self._places[key] = len(self._places) + 1
                self._firsts.append((id_, line))
                self._rows[key] = []
                self._remember[key] = self._rows[key].append

    def _add_up(self) -> None:
        """One row for each line."""
        for key, rows in self._rows.items():
            rows[:] = [(key, *map(sum, islice(zip(*rows, strict=True), 1, None)))]
        self._remembered = 0

    def closed(self) -> PlannedWhole:
        self._add_up()
        sums = (row[1 : 1 + len(self._totals)] for (row,) in self._rows.values())
        lines = tuple(PlannedLine(*first, each) for first, each in zip(self._firsts, sums, strict=True))
        return PlannedWhole(self._key, self._apart, self._number, tuple(self._parts), lines, self._sums, self.fits)
