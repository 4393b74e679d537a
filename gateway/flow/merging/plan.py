"""Which documents become one, and which of their lines: a pure function of what is kept of them, in its order.

Promises: a document stays whole; one whole has documents of one key, and lines of each key once; it is closed only before a document with
which it would have too many lines, or a sum beyond its field; sums are exact. What is remembered is the whole that is being made, and
never the month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add

from tongguan.gateway.document.lines import PART
from tongguan.gateway.journal.reading.keyed import KeyedHead, KeyedWithLines
from tongguan.gateway.model.outcome import RelatedPart
from tongguan.gateway.profile.lines import MOST_ROWS


@dataclass(frozen=True, slots=True)
class SumField:
    """What a field takes of sums that are whole numbers of their last decimal: of `scale` decimals."""

    scale: int
    digits: int  #: of the field, all together
    places: int  #: its decimals

    def takes(self, value: int) -> bool:
        fraction = self.scale
        while fraction and value % 10 == 0:
            value, fraction = value // 10, fraction - 1
        return fraction <= self.places and value < 10**self.digits

    @property
    def surely(self) -> int:
        """Whatever is less is taken."""
        return 10**self.digits if self.places >= self.scale else 0


@dataclass(frozen=True, slots=True)
class WholeLimits:
    """What fits into one whole: so many lines, and sums in the order of the type that is merged."""

    lines: int
    head_sums: tuple[SumField, ...]
    line_sums: tuple[SumField, ...]


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """A line of a whole: the first that went into it (document, and line from 0), and the sums of all."""

    first_id: str
    first_line: int
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
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
        if document.head.key != key:
            yield from (open_[name].closed() for name in sorted(open_))
            key, made, open_ = document.head.key, {}, {}
        name = apart(document.head)
        whole, lines = open_.get(name), _Lines(document.rows, len(limits.line_sums))
        if whole is None or not whole.takes(document.head, lines):
            if whole is not None:
                yield whole.closed()
            made[name] = made.get(name, 0) + 1
            whole = open_[name] = _Whole(key, name, made[name], limits)
            whole.fits = whole.takes(document.head, lines)
        whole.add(document.head, lines)
        if not whole.fits:
            yield open_.pop(name).closed()
    yield from (open_[name].closed() for name in sorted(open_))


class _Lines:
    """The lines of one document by columns: their keys, and of each sum their values."""

    def __init__(self, rows: Sequence[Sequence[object]], sums: int) -> None:
        columns: list[tuple[int, ...]] = list(zip(*rows, strict=True)) or [()] * (1 + 2 * sums)
        self.keys: tuple[bytes, ...] = columns[0]  # type: ignore[assignment]
        self.values: list[Sequence[int]] = []
        for n in range(1, 1 + 2 * sums, 2):
            highs, lows = columns[n], columns[n + 1]
            self.values.append([high * PART + low for high, low in zip(highs, lows, strict=True)] if any(highs) else lows)
        self.totals = [sum(values) for values in self.values]


class _Whole:
    """One that is being made."""

    fits = True

    def __init__(self, key: bytes, apart: str, number: int, limits: WholeLimits) -> None:
        self._key, self._apart, self._number, self._limits = key, apart, number, limits
        self._places: dict[bytes, int] = {}  #: of each key of a line
        self._firsts: list[tuple[str, int]] = []
        self._sums = (0,) * len(limits.head_sums)
        self._values: list[list[int]] = [[0] for _ in limits.line_sums]  #: of each sum, by the places of lines
        self._totals = [0] * len(limits.line_sums)  #: of all lines together: no line has more
        self._parts: list[RelatedPart] = []

    def takes(self, head: KeyedHead, lines: _Lines) -> bool:
        """Does a document fit?"""
        limits = self._limits
        if len(self._places) + len(set(lines.keys).difference(self._places)) > limits.lines:
            return False
        if not all(field.takes(value) for field, value in zip(limits.head_sums, map(add, self._sums, head.sums), strict=True)):
            return False
        every = zip(limits.line_sums, self._totals, lines.totals, strict=True)
        return all(
            total + more < field.surely or self._each_fits(field, n, lines) for n, (field, total, more) in enumerate(every)
        )

    def _each_fits(self, field: SumField, n: int, lines: _Lines) -> bool:
        """Does each line that gets more of a sum still fit?"""
        after: dict[bytes, int] = {}
        for key, value in zip(lines.keys, lines.values[n], strict=True):
            after[key] = after.get(key, self._values[n][self._places.get(key, 0)]) + value
        return all(map(field.takes, after.values()))

    def add(self, head: KeyedHead, lines: _Lines) -> None:
        places, known = self._places, len(self._places)
        ats = [places.setdefault(key, len(places) + 1) for key in lines.keys]
        if len(places) > known:
            self._know(head.id, ats, known)
        for values, more in zip(self._values, lines.values, strict=True):
            for at, value in zip(ats, more, strict=True):
                values[at] += value
        self._totals = list(map(add, self._totals, lines.totals))
        self._sums = tuple(map(add, self._sums, head.sums))
        self._parts.append(RelatedPart(head.id, bytes(ats)))

    def _know(self, id_: str, ats: Sequence[int], known: int) -> None:
        """Room for the lines that are new."""
        for line, at in enumerate(ats):
            if at > known:
                known = at
                self._firsts.append((id_, line))
                for values in self._values:
                    values.append(0)

    def closed(self) -> PlannedWhole:
        sums = zip(*(values[1:] for values in self._values), strict=True)
        lines = tuple(PlannedLine(*first, each) for first, each in zip(self._firsts, sums, strict=True))
        return PlannedWhole(self._key, self._apart, self._number, tuple(self._parts), lines, self._sums, self.fits)
