"""What is kept of documents for merging them: by pool and month, by what has them in hand, and what became of them.

Promises: always in the order of keys, then of days, then of numbers; in portions, so that nothing grows with the month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.rows import sums_of
from tongguan.gateway.journal.reading.lookups import Lookups
from tongguan.gateway.journal.reading.restrictions import Restriction

KeyedPlace = tuple[bytes, str, str, str]
"""Where a document stands: its key, its day, its number, its id."""
BEGINNING: KeyedPlace = (b"", "", "", "")
_PLACE = ("key", "day", "number", "id")
_PORTION = 400  #: documents that are read at once
KeyedRow = tuple[Any, ...]
"""A line: its key, then of each sum the high and the low part."""


@dataclass(frozen=True, slots=True)
class KeyedHead:
    """What a document is merged by; sums are whole numbers of their last decimal, in the order of its profile."""

    key: bytes
    day: str
    number: str
    id: str
    rates: str
    merge: str | None
    count: int
    sums: tuple[int, ...]

    @property
    def place(self) -> KeyedPlace:
        return self.key, self.day, self.number, self.id


@dataclass(frozen=True, slots=True)
class KeyedInMonth:
    """One of a month's, with what its document is now."""

    head: KeyedHead
    version: int
    status: str


@dataclass(frozen=True, slots=True)
class KeyedWithLines:
    """One that is in hand, with its lines in their order."""

    head: KeyedHead
    rows: Sequence[KeyedRow]


@dataclass(frozen=True, slots=True)
class RelatedDocument:
    """That a document became part of another one: byte n of `places` is the line there that its line n went into."""

    whole_id: str
    part_id: str
    places: bytes
    alive: bool  #: the whole has not come to nothing


class KeyedDocuments(Lookups):
    """One moment of the journal, asked for what is to be merged and what was."""

    def keyed_of(
        self,
        account: str,
        type_: str,
        *,
        pool: str,
        month: int,
        where: Sequence[Restriction] = (),
        after: KeyedPlace = BEGINNING,
        limit: int = _PORTION,
    ) -> list[KeyedInMonth]:
        """The first of a pool and month behind a place whose documents satisfy `where` (as for `list_documents`)."""
        place = dict(zip(_PLACE, after, strict=True))
        wanted = {"account": account, "type": type_, "pool": pool, "month": month, "most": limit, **place}
        rows = self._connection.execute(statements.KEYED.where(*where), wanted)
        head = len(statements.KEYED_HEAD)
        return [KeyedInMonth(_head((*row[:head], *row[head + 2 :])), row[head], row[head + 1]) for row in rows]

    def kept(self, ids: Iterable[str]) -> set[str]:
        """Of which of these documents something is kept."""
        return {id_ for (id_,) in self._of(statements.KEPT, ids)}

    def months_of(self, account: str, type_: str, pool: str) -> list[int]:
        """The months of which something is kept in a pool, in their order."""
        found, wanted = list[int](), {"account": account, "type": type_, "pool": pool}
        while (month := statements.NEXT_MONTH.value(self._connection, after=found[-1] if found else -1, **wanted)) is not None:
            found.append(month)
        return found

    def keyed_in_hand(self, merge: str, *, after: KeyedPlace = BEGINNING) -> Iterator[KeyedWithLines]:
        """All that something has in hand, behind a place: read in portions while it goes on."""
        while True:
            place = dict(zip(_PLACE, after, strict=True))
            heads = [_head(row) for row in statements.KEYED_IN_HAND.rows(self._connection, merge=merge, most=_PORTION, **place)]
            if not heads:
                return
            after = heads[-1].place
            last = {f"last_{name}": value for name, value in zip(_PLACE, after, strict=True)}
            rows = statements.LINES_IN_HAND.rows(self._connection, merge=merge, **place, **last)
            begin = 0
            for head in heads:
                yield KeyedWithLines(head, rows[begin : begin + head.count])
                begin += head.count

    def became(self, part_ids: Iterable[str]) -> list[RelatedDocument]:
        """What these documents became part of."""
        return self._related("part_id", part_ids)

    def came_of(self, whole_ids: Iterable[str]) -> list[RelatedDocument]:
        """What became these documents, of each in its order."""
        return self._related("whole_id", whole_ids)

    def _related(self, column: str, ids: Iterable[str]) -> list[RelatedDocument]:
        rows = self._of(statements.RELATIONS[column], ids)
        return [RelatedDocument(whole, part, places, bool(alive)) for whole, part, places, alive in rows]


def _head(row: Sequence[Any]) -> KeyedHead:
    key, day, number, id_, rates, merge, count, *sums = row
    return KeyedHead(key, day, number, id_, rates, merge, count, sums_of(sums))
