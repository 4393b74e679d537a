"""What is looked for in the whole journal: lists, pages, tallies, sums, and what waits to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import RowMapping, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from tongguan.gateway.kernel import statements, tables
from tongguan.gateway.kernel.document import Document
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.particulars import AnswerRow, Particulars, answer_of, slices
from tongguan.gateway.kernel.rows import PART, document_of, message_of


@dataclass(frozen=True, slots=True)
class Lane:
    """A closed lane: why, since when, when to probe next (None: a person must open it), the command to type."""

    name: str
    reason: str
    text: str
    since: int
    probe_at: int | None
    do: str


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


class Lists(Particulars):
    """One moment of the journal, searched by states, names, times and numbers."""

    def documents_after(self, id_: str, limit: int) -> list[Document]:
        """Documents in the order of their ids, deleted ones too."""
        rows = self._connection.execute(statements.DOCUMENTS_AFTER, {"id": id_, "most": limit}).mappings().all()
        return [document_of(row) for row in rows]

    def newest_of_name(self, account: str, names: Sequence[str]) -> dict[str, str]:
        """File name to the id of the newest message that came under it."""
        newest: dict[str, str] = {}
        for part in slices(names):
            rows = self._connection.execute(statements.NAMES, {"account": account, "values": part})
            newest.update({row[0]: row[1] for row in rows})
        return newest

    def moves_after(self, n: int, limit: int) -> list[tuple[int, str, str | None]]:
        rows = self._connection.execute(statements.MOVES_AFTER, {"n": n, "most": limit})
        return [tuple(row) for row in rows]

    def unwritten_answers(self, limit: int) -> list[AnswerRow]:
        rows = self._connection.execute(statements.UNWRITTEN, {"most": limit}).mappings().all()
        return [answer_of(row) for row in rows]

    def recent_answers(self, account: str, since: int, limit: int = 1000) -> list[AnswerRow]:
        """Newest first, without contents."""
        a = tables.answer.c
        columns = select(a.id, a.message_id, a.document_id, a.account, a.kind, a.file, a.number, a.at)
        rows = (
            self._connection.execute(columns.where(and_(a.account == account, a.at >= since)).order_by(a.at.desc()).limit(limit))
            .mappings()
            .all()
        )
        return [AnswerRow(**row, content=b"") for row in rows]

    def open_messages(self, account: str, limit: int) -> list[Message]:
        """The account's open submissions, oldest first; state by state, each in the order of its index."""
        found: list[Message] = []
        for state in (State.RECEIVED, State.CHECKED, State.SEALED, State.SENT, State.HELD):
            wanted = {"state": state.value, "account": account, "most": limit}
            found += [message_of(row) for row in self._connection.execute(statements.OPEN, wanted).mappings().all()]
        return sorted(found, key=lambda message: message.sequence)[:limit]

    def in_state(self, state: State, limit: int) -> list[Message]:
        """Messages in a state, oldest first."""
        rows = self._connection.execute(statements.IN_STATE, {"state": state.value, "most": limit}).mappings().all()
        return [message_of(row) for row in rows]

    def overdue(self, now: int, limit: int) -> list[Message]:
        rows = self._connection.execute(statements.OVERDUE, {"now": now, "most": limit}).mappings().all()
        return [message_of(row) for row in rows]

    def oldest(self, state: State) -> int | None:
        """When the oldest message in a state came."""
        m = tables.message.c
        return self._connection.execute(
            select(m.received_at).where(m.state == state.value).order_by(m.sequence).limit(1)
        ).scalar()

    def find(self, text: str, account: str | None = None) -> list[Message]:
        """Messages by message id, reference, or any official number of their document, newest last."""
        m, n = tables.message.c, tables.number.c
        documents = select(n.document_id).where(n.value == text).scalar_subquery()
        where: ColumnElement[bool] = or_(m.id == text, m.reference == text, m.document_id.in_(documents))
        if account:
            where = and_(where, m.account == account)
        return [
            message_of(r)
            for r in self._connection.execute(select(tables.message).where(where).order_by(m.sequence).limit(1000))
            .mappings()
            .all()
        ]

    def list_messages(self, where: Sequence[ColumnElement[bool]], *, limit: int) -> list[Message]:
        """The newest submissions that satisfy `where`, newest first."""
        m = tables.message.c
        query = select(tables.message).where(and_(m.kind == "submission", *where)).order_by(m.sequence.desc()).limit(limit)
        return [message_of(row) for row in self._connection.execute(query).mappings().all()]

    def list_documents(
        self, where: Sequence[ColumnElement[bool]], *, offset: int, limit: int, order: ColumnElement[Any] | None = None
    ) -> tuple[int, list[Document]]:
        """How many documents satisfy `where`, and one page of them, newest first unless `order` says otherwise."""
        d = tables.document.c
        condition = and_(d.deleted == 0, *where)
        total = self._connection.execute(select(func.count()).select_from(tables.document).where(condition)).scalar() or 0
        query = (
            select(tables.document)
            .where(condition)
            .order_by(d.created_at.desc() if order is None else order, d.id)
            .offset(offset)
            .limit(limit)
        )
        return total, [document_of(row) for row in self._connection.execute(query).mappings().all()]

    def counted(
        self, account: str, type_: str, *, first: int, last: int, where: Mapping[str, str] | None = None
    ) -> list[CountedSum]:
        """Exact sums of the counted lines of these months (`202601` to `202611`), each dimension of `where` having its value."""
        wanted = {"account": account, "type": type_, "first": first, "last": last}
        dimensions = [tables.counted.c[name] == value for name, value in (where or {}).items()]
        rows = self._connection.execute(statements.COUNTED.where(*dimensions), wanted)
        return [_sum(row) for row in rows.mappings()]

    def tally(self) -> list[tuple[str, str, str, int]]:
        """(account, kind, state, count) of all messages."""
        t = tables.tally.c
        return [tuple(row) for row in self._connection.execute(select(t.account, t.kind, t.state, t.count).where(t.count > 0))]

    def lanes(self) -> dict[str, Lane]:
        return {row["name"]: Lane(**row) for row in self._connection.execute(select(tables.lane)).mappings().all()}

    def spans(self, first: str, last: str) -> list[float]:
        """Milliseconds between two steps of each message that has both."""
        began: dict[str, int] = {}
        spans: list[float] = []
        for at, line in self._connection.execute(select(tables.move.c.at, tables.move.c.line).order_by(tables.move.c.n)):
            message_id, step = orjson.loads(line)[:2]
            if step == first:
                began.setdefault(message_id, at)
            elif step == last and message_id in began:
                spans.append(at - began.pop(message_id))
        return spans

    def marker(self, name: str) -> str | None:
        return self._connection.execute(statements.MARKER, {"name": name}).scalar()

    def order_result(self, id_: str) -> tuple[int | None, Any]:
        o = tables.order.c
        row = self._connection.execute(select(o.done_at, o.result).where(o.id == id_)).first()
        return (None, None) if row is None else (row[0], orjson.loads(row[1]) if row[1] else None)


def _sum(row: RowMapping) -> CountedSum:
    """PostgreSQL sums to decimals, SQLite to integers."""
    quantity, amount = (int(row[f"{name}_high"]) * PART + int(row[f"{name}_low"]) for name in ("quantity", "amount"))
    documents, of_category = int(row["first_of_commodity"]), int(row["first_of_category"])
    return CountedSum(row["month"], row["commodity"], row["unit"], row["name"], quantity, amount, documents, of_category)
