"""What is looked for in the whole journal: lists, pages, tallies, sums, and what waits to be done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, select

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.rows import DIMENSIONS, PART, Order, decoded, document_of, facts_of, message_of, order_of
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.following import Following
from tongguan.gateway.journal.reading.lookups import AnswerRow, answer_of
from tongguan.gateway.journal.reading.restrictions import ORDERS, Restriction
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import Message, State

_PAGE = 5000  #: moves
_MOST_FOUND = 1000  #: messages with one reference or number
_WHOLE = 1 << 62  #: behind every move of an entry


@dataclass(frozen=True, slots=True)
class CountedSum:
    """What one month's documents add up to in one commodity and unit; quantity and amount in millionths."""

    month: int
    commodity: str
    unit: str
    name: str
    quantity: int
    amount: int
    documents: int  #: that have this commodity
    documents_of_category: int  #: counted in the first commodity of its category: adds up over a category's commodities


@dataclass(frozen=True, slots=True)
class PeriodSum:
    """What the documents of a period that say one thing add up to in one unit; quantity and amount in millionths."""

    value: str
    unit: str
    name: str  #: of one of their commodities
    quantity: int
    amount: int
    documents: int
    lines: int


class Search(Following):
    """One moment of the journal as it is stored: what views, the command line and the daemon's looks ask of it, and no decision."""

    def documents_after(self, id_: str, limit: int) -> list[Document]:
        """Documents in the order of their ids, deleted ones too."""
        return [document_of(row) for row in statements.DOCUMENTS_AFTER.rows(self._connection, id=id_, most=limit)]

    def codes_waited_for(self) -> list[tuple[str, str]]:
        """Types and codes of the receipts that wait for their code to be known."""
        found, type_, code = list[tuple[str, str]](), "", ""
        while rows := (
            statements.NEXT_CODE.rows(self._connection, type=type_, code=code)
            or statements.NEXT_CODED.rows(self._connection, type=type_)
        ):
            type_, code = rows[0][0], rows[0][1] or ""
            found.append((type_, code))
        return found

    def waiting_for_code(self, type_: str, code: str, sequence: int, limit: int) -> list[Message]:
        """The receipts that wait for this code, in the order in which they came, behind a sequence number."""
        wanted = {"type": type_, "code": code, "sequence": sequence, "most": limit}
        return [message_of(row) for row in statements.OF_CODE.rows(self._connection, **wanted)]

    def waiting_for_clock(self, sequence: int, limit: int) -> list[Message]:
        """The receipts in quarantine that another time of ours might believe, in the order in which they came, behind a sequence number."""
        wanted = {"state": State.QUARANTINED.value, "sequence": sequence, "most": limit}
        return [message_of(row) for row in statements.OF_CLOCK.rows(self._connection, **wanted)]

    def needed(self) -> list[str]:
        """What held messages need to be in the settings."""
        found = list[str]()
        while (needs := statements.NEXT_NEED.value(self._connection, after=found[-1] if found else "")) is not None:
            found.append(needs)
        return found

    def held_for(self, needs: str, sequence: int, limit: int) -> list[Message]:
        """The messages held for that, in the order in which they came, behind a sequence number."""
        rows = statements.OF_NEED.rows(self._connection, needs=needs, sequence=sequence, most=limit)
        return [message_of(row) for row in rows]

    def lanes_in_use(self, kind: str) -> list[Lane]:
        """The lanes of a kind (those with a name) in which messages wait."""
        beginning, found = f"{kind}:", list[Lane]()
        wanted = {"after": beginning, "end": f"{beginning}~"}
        while (name := statements.NEXT_LANE.value(self._connection, **wanted)) is not None:
            found.append(Lane(name))
            wanted["after"] = name
        return found

    def newest_of_name(self, account: str, names: Sequence[str]) -> dict[str, str]:
        """File name to the id of the newest message that came under it."""
        return dict(self._of(statements.NAMES, names, account=account))

    def succeeded(self, documents: Iterable[Document]) -> set[str]:
        """Of these documents the deleted ones whose key another has by now: their ids."""
        by_place: dict[tuple[str, str], dict[str, list[str]]] = {}
        for gone in (d for d in documents if d.deleted):
            by_place.setdefault((gone.account, gone.type), {}).setdefault(gone.key, []).append(gone.id)
        return {
            id_
            for (account, type_), ids in by_place.items()
            for (key,) in self._of(statements.LIVING_KEYS, ids, account=account, type=type_)
            for id_ in ids[key]
        }

    def moves_after(self, account: str, cursor: Cursor) -> Iterator[list[tuple[str, str | None]]]:
        """What moved behind a cursor, of one account's messages and documents: message and document, a page at a time."""
        for run, _ in self.runs_behind(cursor):
            entry, n = cursor.entries.get(run, 0), _WHOLE
            while rows := statements.MOVES_OF.rows(self._connection, account=account, run=run, entry=entry, n=n, most=_PAGE):
                yield [(message_id, document_id) for *_, message_id, document_id in rows]
                entry, n = rows[-1][:2]

    def unwritten_answers(self, account: str, limit: int) -> list[AnswerRow]:
        """Answers that are not in their account's InBox yet, oldest first."""
        return [answer_of(row) for row in statements.UNWRITTEN.rows(self._connection, most=limit, account=account)]

    def accounts_with_unwritten(self) -> set[str]:
        """Accounts that have answers which are not in InBox yet."""
        return set(statements.WAITING_ACCOUNTS.column(self._connection))

    def answers_after(self, account: str, cursor: Cursor) -> list[str]:
        """The names of an account's answers that were made after a cursor and marked as written; perhaps some made before it."""
        ends = cursor.entries.items()
        began = min((statements.ENTRY_AT.value(self._connection, run=run, entry=entry) or 0 for run, entry in ends), default=0)
        return statements.ANSWERS_SINCE.column(self._connection, account=account, since=began + 1)

    def recent_answers(self, account: str, since: int, limit: int = 1000) -> list[int]:
        """The numbers of those that are in InBox, or were; newest first."""
        return statements.RECENT.column(self._connection, account=account, since=since, most=limit)

    def answers_numbered(self, ids: Iterable[int]) -> list[AnswerRow]:
        """These answers, without contents."""
        return [AnswerRow(*row) for row in self._of(statements.ANSWERS, ids)]

    def references(self, ids: Iterable[str]) -> dict[str, tuple[str | None, str | None]]:
        """Of these submissions: reference, and key of the document."""
        return {id_: (reference, document) for id_, reference, document in self._of(statements.REFERENCES, ids)}

    def open_messages(self, account: str, limit: int) -> list[Message]:
        """The account's open submissions, oldest first."""
        return list(self._nouns(message_of, statements.OPEN.rows(self._connection, account=account, most=limit)))

    def in_state(self, state: State, limit: int) -> list[Message]:
        """Messages in a state, oldest first."""
        return [message_of(row) for row in statements.IN_STATE.rows(self._connection, state=state.value, most=limit)]

    def overdue(self, now: int, limit: int) -> list[Message]:
        return [message_of(row) for row in statements.OVERDUE.rows(self._connection, now=now, most=limit)]

    def noted(self, states: Iterable[State], limit: int) -> list[Message]:
        """Messages in these states that bear a note for a person, oldest note first."""
        rows = (row for s in states for row in statements.NOTED.rows(self._connection, state=s.value, most=limit))
        return sorted(map(message_of, rows), key=lambda message: message.hold_since or 0)[:limit]

    def oldest(self, state: State) -> int | None:
        """When the oldest message in a state came."""
        came: int | None = statements.OLDEST.value(self._connection, state=state.value)
        return came

    def find(self, text: str, account: str | None = None) -> list[Message]:
        """Messages by message id, reference, or any official number of their document, newest last; of very many the newest."""
        wanted = {"text": text, "most": _MOST_FOUND}
        if account:
            rows = statements.FOUND_OF.rows(self._connection, account=account, **wanted)
        else:
            rows = statements.FOUND.rows(self._connection, **wanted)
        found = {row[0]: message_of(row) for row in rows}.values()
        return sorted(found, key=lambda message: message.sequence)[-_MOST_FOUND:]

    def list_messages(self, where: Sequence[Restriction], *, limit: int, offset: int = 0) -> list[Message]:
        """The newest submissions that satisfy `where`, newest first; the first `offset` of them are passed over."""
        m = tables.message.c
        of_kind = and_(m.kind == "submission", *where)
        query = select(tables.message).where(of_kind).order_by(m.sequence.desc()).limit(limit).offset(offset)
        return [message_of(row) for row in self._all(query)]

    def count_messages(self, where: Sequence[Restriction]) -> int:
        """How many submissions satisfy `where`."""
        counted = select(func.count()).select_from(tables.message).where(and_(tables.message.c.kind == "submission", *where))
        return self._connection.execute(counted).scalar() or 0

    def list_documents(
        self, where: Sequence[Restriction], *, offset: int, limit: int, order: str = "-created"
    ) -> tuple[int, list[Document]]:
        """How many documents satisfy `where`, and one page of them, by one of `ORDERS` (`-`: backwards)."""
        d, column = tables.document.c, ORDERS[order.removeprefix("-")]
        condition = and_(d.deleted == literal_column("0"), *where)
        total = self._connection.execute(select(func.count()).select_from(tables.document).where(condition)).scalar() or 0
        query = (
            select(tables.document)
            .where(condition)
            .order_by(column.desc() if order.startswith("-") else column, d.id)
            .offset(offset)
            .limit(limit)
        )
        return total, [document_of(row) for row in self._all(query)]

    def counted(
        self, account: str, type_: str, *, first: int, last: int, where: Mapping[int, str] | None = None
    ) -> list[CountedSum]:
        """Exact sums of the counted lines of these months (`202601` to `202611`), each dimension of `where` (by its place) having its
        value."""
        wanted = {"account": account, "type": type_, "first": first, "last": last}
        rows = self._connection.execute(statements.COUNTED.where(*_dimensions(where or {})), wanted)
        return [_sum(row) for row in rows]

    def counted_by(
        self, dimension: int | None, account: str, type_: str, *, months: tuple[int, int], where: Mapping[int, str]
    ) -> list[PeriodSum]:
        """The same of the first to the last of these months together, grouped by the dimension at a place; None: by commodity."""
        column = "commodity" if dimension is None else DIMENSIONS[dimension]
        wanted = {"account": account, "type": type_, "first": months[0], "last": months[1]}
        rows = self._connection.execute(statements.COUNTED_BY[column].where(*_dimensions(where)), wanted)
        return [_period_sum(row) for row in rows]

    def tally(self) -> list[tuple[str, str, str, int]]:
        """(account, kind, state, count) of all messages."""
        t = tables.tally.c
        return [tuple(row) for row in self._connection.execute(select(t.account, t.kind, t.state, t.count).where(t.count > 0))]

    def lanes(self) -> dict[Lane, ClosedLane]:
        found = [replace(ClosedLane(*row), name=Lane(row[0])) for row in self._all(select(tables.lane))]
        return {lane.name: lane for lane in found}

    def spans(self, first: str, last: str) -> list[float]:
        """Milliseconds between two steps of each message that has both."""
        began: dict[str, int] = {}
        spans: list[float] = []
        for at, line in self._connection.execute(select(tables.move.c.at, tables.move.c.line).order_by(tables.move.c.n)):
            message_id, step = facts_of(line, "a move")[:2]
            if step == first:
                began.setdefault(message_id, at)
            elif step == last and message_id in began:
                spans.append(at - began.pop(message_id))
        return spans

    def marker(self, name: str) -> str | None:
        value: str | None = statements.MARKER.value(self._connection, name=name)
        return value

    def orders_done(self, limit: int) -> list[Order]:
        """The last orders that were carried out."""
        o = tables.order.c
        query = select(tables.order).where(o.done_at.is_not(None)).order_by(o.at.desc()).limit(limit)
        return list(self._nouns(order_of, self._all(query)))

    def order_result(self, id_: str) -> tuple[int | None, Any]:
        o = tables.order.c
        row = self._connection.execute(select(o.done_at, o.result).where(o.id == id_)).first()
        return (None, None) if row is None else (row[0], decoded(row[1], f"order {id_}") if row[1] else None)


def _dimensions(where: Mapping[int, str]) -> list[ColumnElement[bool]]:
    return [tables.counted.c[DIMENSIONS[place]] == value for place, value in where.items()]


def _period_sum(row: Sequence[Any]) -> PeriodSum:
    value, unit, name, *sums = row
    high, low, amount_high, amount_low, documents, lines = map(int, sums)
    return PeriodSum(value, unit, name, high * PART + low, amount_high * PART + amount_low, documents, lines)


def _sum(row: Sequence[Any]) -> CountedSum:
    """PostgreSQL sums to decimals, SQLite to integers."""
    month, commodity, unit, name, *sums = row
    high, low, amount_high, amount_low, documents, of_category = map(int, sums)
    quantity, amount = high * PART + low, amount_high * PART + amount_low
    return CountedSum(month, commodity, unit, name, quantity, amount, documents, of_category)
