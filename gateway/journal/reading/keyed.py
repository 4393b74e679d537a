"""What is kept of documents for merging them: by pool and month, by what has them in hand, and what became of them.

Promises: always in the order of keys, then of days, then of numbers; in portions, so that nothing grows with the month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tongguan.gateway.document.lines import PART
from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.rows import sums_of
from tongguan.gateway.journal.reading.lookups import Lookups
from tongguan.gateway.journal.reading.restrictions import Restriction
from tongguan.gateway.model.record import record

KeyedPlace = tuple[bytes, str, str, str]
"""Where a document stands: its key, its day, its number, its id."""
BEGINNING: KeyedPlace = (b"", "", "", "")
_PLACE = ("key", "day", "number", "id")
_HEAD = len(statements.KEYED_HEAD)  #: columns before the sums
_LOWS = _HEAD + len(statements.HEAD_SUMS[0])
_BEHIND = _LOWS + len(statements.HEAD_SUMS[1])
_TOTALS = len(statements.TOTALS[1])
_PORTION = 32  #: documents that are read at once: with their lines they stay near the processor
_PAGE = 1000  #: rows without contents that are read at once
KeyedRow = tuple[Any, ...]
"""A line: its key, then its sums."""


@record
class KeyedHead:
    """What a document is merged by; sums are whole numbers of their last decimal, in the order of its profile."""

    key: bytes
    day: str
    number: str
    id: str
    rates: str
    merge: str | None
    count: int  #: of its lines
    sums: tuple[int, ...]
    totals: tuple[int, ...]  #: of each sum of its lines, what they come to together

    @property
    def place(self) -> KeyedPlace:
        return self.key, self.day, self.number, self.id


@dataclass(frozen=True, slots=True)
class KeyedInMonth:
    """One of a month's, with what its document is now."""

    head: KeyedHead
    version: int
    status: str


@record
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


@record
class StandingDocument:
    """Where a document stands, without its content; pool, month, day and number as far as they are kept of it."""

    id: str
    account: str
    key: str
    status: str
    party: str  #: credit code of the client that it is for; empty: its account's own
    pool: str | None  #: None: nothing is kept of it
    month: int
    day: str
    number: str


@record
class OpenMessage:
    """A message that an enterprise waits for, and which document it is about."""

    id: str
    operation: str
    state: str
    document_id: str | None
    document: str


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
        limit: int = 400,
    ) -> list[KeyedInMonth]:
        """The first of a pool and month behind a place whose documents satisfy `where` (as for `list_documents`)."""
        place = dict(zip(_PLACE, after, strict=True))
        wanted = {"account": account, "type": type_, "pool": pool, "month": month, "most": limit, **place}
        rows = self._connection.execute(statements.KEYED.where(*where), wanted)
        return [KeyedInMonth(_head((*row[:_HEAD], *row[_HEAD + 2 :])), row[_HEAD], row[_HEAD + 1]) for row in rows]

    def kept(self, ids: Iterable[str]) -> set[str]:
        """Of which of these documents something is kept."""
        return {id_ for (id_,) in self._of(statements.KEPT, ids)}

    def months_of(self, account: str, type_: str, pool: str) -> list[int]:
        """The months of which something is kept in a pool, in their order."""
        found, wanted = list[int](), {"account": account, "type": type_, "pool": pool}
        while (month := statements.NEXT_MONTH.value(self._connection, after=found[-1] if found else -1, **wanted)) is not None:
            found.append(month)
        return found

    def standing(self, account: str, type_: str, statuses: Iterable[str]) -> Iterator[StandingDocument]:
        """All living documents in these statuses; read in portions while it goes on."""
        for status in statuses:
            after, full = 0, True
            while full:
                wanted = {"account": account, "type": type_, "status": status, "after": after, "most": _PAGE}
                rows = statements.STANDING.rows(self._connection, **wanted)
                yield from map(_standing, rows)
                after, full = rows[-1][0] if rows else 0, len(rows) == _PAGE

    def standing_of(self, ids: Iterable[str]) -> dict[str, StandingDocument]:
        """The same of given documents, deleted ones too."""
        return {found.id: found for found in map(_standing, self._of(statements.STANDING_OF, ids))}

    def values_reserved(self, document_id: str, kinds: Iterable[str], most: int) -> list[tuple[str, str]]:
        """Of what a document has reserved in these kinds the first: kind and value, of so many values at most."""
        wanted = {"document_id": document_id, "most": most}
        found = {kind: statements.SOME_RESERVED_BY.column(self._connection, kind=kind, **wanted) for kind in kinds}
        first = set(sorted(dict.fromkeys(value for values in found.values() for value in values))[:most])
        return [(kind, value) for kind, values in found.items() for value in values if value in first]

    def reserved_by_type(self, kind: str, type_: str) -> dict[str, tuple[str, str]]:
        """What documents of a type have reserved in a kind: of each value the key and the status of the document."""
        rows = statements.RESERVED_BY_TYPE.rows(self._connection, kind=kind, type=type_)
        return {value: (key, status) for value, key, status in rows}

    def open_of_type(self, account: str, type_: str) -> Iterator[OpenMessage]:
        """The account's open submissions of a type, oldest first."""
        after, full = 0, True
        while full:
            rows = statements.OPEN_OF_TYPE.rows(self._connection, account=account, type=type_, sequence=after, most=_PAGE)
            for _, id_, operation, state, document_id, key in rows:
                yield OpenMessage(id_, operation, state, document_id, key or "")
            after, full = rows[-1][0] if rows else 0, len(rows) == _PAGE

    def keyed_in_hand(self, merge: str, *, after: KeyedPlace = BEGINNING) -> Iterator[KeyedWithLines]:
        """All that something has in hand, behind a place: read in portions while it goes on."""
        while True:
            place = dict(zip(_PLACE, after, strict=True))
            found = statements.KEYED_IN_HAND.rows(self._connection, merge=merge, most=_PORTION, **place)
            if not found:
                return
            after = found[-1][: len(_PLACE)]
            last = {f"last_{name}": value for name, value in zip(_PLACE, after, strict=True)}
            heads = list(map(_head, found))
            wide, sums = any(total >= PART for head in heads for total in head.totals), max(len(head.totals) for head in heads)
            lines = statements.WIDE_LINES_IN_HAND if wide else statements.LINES_IN_HAND
            rows = lines[sums].rows(self._connection, merge=merge, **place, **last)
            if wide:
                rows = [(row[0], *sums_of(row[1 : 1 + sums], row[1 + sums :])) for row in rows]
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


def _standing(row: tuple[Any, ...]) -> StandingDocument:
    _, id_, account, key, status, party, pool, month, day, number = row
    return StandingDocument(id_, account, key, status, party or "", pool, month or 0, day or "", number or "")


def _head(row: tuple[Any, ...]) -> KeyedHead:
    key, day, number, id_, rates, merge, count = row[:_HEAD]
    sums = sums_of(row[_HEAD:_LOWS], row[_LOWS:_BEHIND])
    return KeyedHead(key, day, number, id_, rates, merge, count, sums, sums_of(row[_BEHIND:-_TOTALS], row[-_TOTALS:]))
