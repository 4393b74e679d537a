"""What a step may read: one moment of the journal, plus the outcomes decided earlier in the same batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, RowMapping, Select, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from tongguan.gateway.kernel import statements, tables
from tongguan.gateway.kernel.document import Document, Receipt
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.rows import PART, document_head, document_of, message_of, receipt_of, unpack

T = TypeVar("T")

_SLICE = 400  #: most values of one IN list


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A file for InBox with the name it keeps."""

    id: int
    message_id: str
    document_id: str | None
    account: str
    kind: str
    file: str
    content: bytes
    number: str | None
    at: int


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
class Move:
    """One step of the history, as told by `tongguan timeline`."""

    n: int
    run: str
    entry: int
    at: int
    message_id: str
    document_id: str | None
    step: str
    was: str | None
    state: str
    who: str
    why: str


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


def _slices(values: Iterable[Any]) -> Iterable[list[Any]]:
    whole = list(values)
    for start in range(0, len(whole), _SLICE):
        yield whole[start : start + _SLICE]


class Records:
    """A read-only view; the same question gives the same answer for its whole life."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: dict[str, Message | None] = {}
        self._documents: dict[str, Document | None] = {}
        self._by_reference: dict[tuple[str, str], Message | None] = {}
        self._by_key: dict[tuple[str, str, str], Document | None] = {}
        self._by_number: dict[tuple[str, str], list[str]] = {}
        self._by_name: dict[tuple[str, str], Message | None] = {}
        self._freed: dict[tuple[str, str], Message | None] = {}
        self._reserved: dict[tuple[str, str], str | None] = {}
        self._ordered: dict[str, list[tuple[int, str]]] = {}
        self._opened: dict[str, Any] = {}

    def see(self, outcome: Outcome) -> None:
        """Let later decisions of the batch see this one."""
        for message in (outcome.message, *outcome.others):
            self._messages[message.id] = message
            if message.source is not None and message.batch is None:
                self._by_name[(message.account, message.source)] = message
            if message.holds_reference:
                self._by_reference[(message.account, message.reference or "")] = message
            if message.document_id in self._ordered:
                waiting = [w for w in self._ordered[message.document_id] if w[1] != message.id]
                if message.makes_others_wait:
                    waiting.append((message.sequence or 1 << 60, message.id))
                self._ordered[message.document_id] = waiting
        for document in outcome.documents:
            self._documents[document.id] = document
            key = (document.account, document.type, document.key)
            self._by_key[key] = None if document.deleted else document
        for number in outcome.numbers:
            self._by_number.setdefault((number.account, number.value), []).append(number.document_id)
        for gone in outcome.release:
            self._reserved[(gone.kind, gone.value)] = None
        for kept in outcome.reserve:
            self._reserved[(kept.kind, kept.value)] = kept.document_id
        for follow_on in outcome.follow_ons:
            self.see(follow_on)

    def messages(self, ids: Iterable[str]) -> dict[str, Message]:
        ids = list(dict.fromkeys(ids))
        for part in _slices(i for i in ids if i not in self._messages):
            rows = self._connection.execute(statements.MESSAGES, {"values": part}).mappings().all()
            self._messages.update(dict.fromkeys(part))
            self._messages.update({row["id"]: message_of(row) for row in rows})
        return {i: m for i in ids if (m := self._messages[i]) is not None}

    def unchanged(self, messages: Sequence[Message]) -> set[str]:
        """Which of these are still as they were when they were read: state, seal, deadline and moment of the last change."""
        as_read = {
            message.id: (message.state, message.seal_number, message.updated_at, message.deadline_at) for message in messages
        }
        same: set[str] = set()
        for part in _slices(as_read):
            rows = self._connection.execute(statements.MOMENTS, {"values": part})
            same.update(row[0] for row in rows if as_read[row[0]] == tuple(row[1:]))
        return same

    def message(self, id_: str) -> Message | None:
        return self.messages([id_]).get(id_)

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        ids = list(dict.fromkeys(ids))
        for part in _slices(i for i in ids if i not in self._documents):
            rows = self._connection.execute(statements.DOCUMENTS, {"values": part}).mappings().all()
            self._documents.update(dict.fromkeys(part))
            self._documents.update({row["id"]: document_of(row) for row in rows})
        return {i: d for i in ids if (d := self._documents[i]) is not None}

    def documents_after(self, id_: str, limit: int) -> list[Document]:
        """Documents in the order of their ids, deleted ones too."""
        rows = self._connection.execute(statements.DOCUMENTS_AFTER, {"id": id_, "most": limit}).mappings().all()
        return [document_of(row) for row in rows]

    def heads(self, ids: Iterable[str]) -> dict[str, Document]:
        """Documents without their content and attachments: what a message's status shows of them."""
        found: dict[str, Document] = {}
        for part in _slices(dict.fromkeys(ids)):
            rows = self._connection.execute(statements.HEADS, {"values": part}).mappings().all()
            found.update({row["id"]: document_head(row) for row in rows})
        return found

    def document(self, id_: str | None) -> Document | None:
        return self.documents([id_]).get(id_) if id_ else None

    def fetch_references(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read in one go the messages that hold these (account, reference), and the newest that had each and came to nothing."""
        grouped: dict[str, set[str]] = defaultdict(set)
        for account, reference in pairs:
            if (account, reference) not in self._by_reference:
                grouped[account].add(reference)
        for account, references in grouped.items():
            for part in _slices(references):
                for reference in part:
                    self._by_reference[(account, reference)] = None
                    self._freed.setdefault((account, reference), None)
                rows = self._connection.execute(statements.OF_REFERENCES, {"account": account, "values": part}).mappings().all()
                for message in map(message_of, rows):
                    known = self._by_reference if message.holds_reference else self._freed
                    known[(account, message.reference or "")] = message

    def holder_of(self, account: str, reference: str) -> Message | None:
        """The message that holds a reference now."""
        if (account, reference) not in self._by_reference:
            self.fetch_references([(account, reference)])
        return self._by_reference[(account, reference)]

    def fetch_freed(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read in one go the newest message of each (account, reference) that came to nothing."""
        grouped: dict[str, set[str]] = defaultdict(set)
        for account, reference in pairs:
            if (account, reference) not in self._freed:
                grouped[account].add(reference)
        for account, references in grouped.items():
            for part in _slices(references):
                self._freed.update({(account, r): None for r in part})
                for row in self._connection.execute(statements.FREED, {"account": account, "values": part}).mappings().all():
                    self._freed[(account, row["reference"])] = message_of(row)

    def last_freed(self, account: str, reference: str) -> Message | None:
        """The newest message that had this reference and came to nothing."""
        if (account, reference) not in self._freed:
            self.fetch_freed([(account, reference)])
        return self._freed[(account, reference)]

    def is_deleted(self, document_id: str) -> bool:
        """Did a document with this id live once and end?"""
        document = self.document(document_id)
        return document is not None and document.deleted

    def fetch_keys(self, keys: Iterable[tuple[str, str, str]]) -> None:
        grouped: dict[tuple[str, str], set[str]] = defaultdict(set)
        for account, type_, key in keys:
            if (account, type_, key) not in self._by_key:
                grouped[(account, type_)].add(key)
        for (account, type_), names in grouped.items():
            for part in _slices(names):
                wanted = {"account": account, "type": type_, "values": part}
                rows = self._connection.execute(statements.KEYS, wanted).mappings().all()
                found = {row["key"]: document_of(row) for row in rows}
                for name in part:
                    document = found.get(name)
                    self._by_key[(account, type_, name)] = document
                    if document is not None:
                        self._documents.setdefault(document.id, document)

    def document_of_key(self, account: str, type_: str, key: str) -> Document | None:
        """The living document with the ERP's own key."""
        if (account, type_, key) not in self._by_key:
            self.fetch_keys([(account, type_, key)])
        known = self._by_key[(account, type_, key)]
        return self.document(known.id) if known else None

    def has_document(self, account: str, type_: str, statuses: Collection[str]) -> bool:
        """Has the account a living document of this type in one of these statuses?"""
        rows = self._connection.execute(statements.IN_STATUS, {"account": account, "type": type_, "values": list(statuses)})
        ids = rows.scalars().all()
        seen = [d for d in self._documents.values() if d is not None and d.account == account and d.type == type_]
        return any(d.status in statuses and not d.deleted for d in (*self.documents(ids).values(), *seen))

    def documents_of_number(self, account: str, value: str) -> list[Document]:
        """Documents of the account that have this official number (hyphens and case as given)."""
        if (account, value) not in self._by_number:
            rows = self._connection.execute(statements.OF_NUMBER, {"value": value, "account": account})
            self._by_number[(account, value)] = [row[0] for row in rows]
        found = self.documents(self._by_number[(account, value)]).values()
        return [d for d in found if not d.deleted]

    def reserved_by(self, kind: str, value: str) -> str | None:
        """The document that has reserved a value."""
        if (kind, value) not in self._reserved:
            known = self._connection.execute(statements.RESERVED, {"kind": kind, "value": value})
            self._reserved[(kind, value)] = known.scalar()
        return self._reserved[(kind, value)]

    def fetch_ordered(self, document_ids: Iterable[str]) -> None:
        for part in _slices(d for d in dict.fromkeys(document_ids) if d not in self._ordered):
            self._ordered.update({d: [] for d in part})
            for row in self._connection.execute(statements.ORDERED, {"values": part}):
                self._ordered[row[0]].append((row[1], row[2]))

    def waits_for_earlier(self, message: Message) -> bool:
        """Is an earlier submission of the same document still on its way out?"""
        if message.document_id is None or not message.waits:
            return False
        self.fetch_ordered([message.document_id])
        mine = message.sequence or 1 << 61
        return any(sequence < mine and other != message.id for sequence, other in self._ordered[message.document_id])

    def body(self, message_id: str, role: str) -> bytes | None:
        frame = self._connection.execute(statements.BODY, {"message_id": message_id, "role": role}).scalar()
        return unpack(frame) if frame is not None else None

    def opened(self, message_id: str, read: Callable[[bytes], T]) -> T:
        """What `read` makes of a message's source, once for all the items of a batch."""
        if message_id not in self._opened:
            self._opened[message_id] = read(self.body(message_id, "source") or b"")
        found: T = self._opened[message_id]
        return found

    def bodies(self, ids: Sequence[str], role: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for part in _slices(ids):
            rows = self._connection.execute(statements.BODIES, {"values": part, "role": role})
            found.update({row[0]: unpack(row[1]) for row in rows})
        return found

    def fetch_names(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Read in one go the newest message of each (account, file name)."""
        grouped: dict[str, set[str]] = defaultdict(set)
        for account, name in pairs:
            if (account, name) not in self._by_name:
                grouped[account].add(name)
        for account, names in grouped.items():
            for part in _slices(names):
                self._by_name.update({(account, name): None for name in part})
                for row in self._connection.execute(statements.NEWEST, {"account": account, "values": part}).mappings().all():
                    self._by_name[(account, row["source"])] = message_of(row)

    def newest_under(self, account: str, name: str) -> Message | None:
        """The newest message that came under a file name."""
        if (account, name) not in self._by_name:
            self.fetch_names([(account, name)])
        return self._by_name[(account, name)]

    def newest_of_name(self, account: str, names: Sequence[str]) -> dict[str, str]:
        """File name to the id of the newest message that came under it."""
        newest: dict[str, str] = {}
        for part in _slices(names):
            rows = self._connection.execute(statements.NAMES, {"account": account, "values": part})
            newest.update({row[0]: row[1] for row in rows})
        return newest

    def sealed_of(self, messages: Sequence[Message]) -> dict[str, bytes]:
        """The sealed bytes of each message's present seal."""
        found: dict[str, bytes] = {}
        by_number: dict[int, list[str]] = defaultdict(list)
        for message in messages:
            by_number[message.seal_number].append(message.id)
        for number, ids in by_number.items():
            found.update(self.bodies(ids, f"sealed:{number}"))
        return found

    def receipts_of_messages(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        return self._receipts("message_id", ids)

    def receipts_of_documents(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        return self._receipts("document_id", ids)

    def _receipts(self, column: str, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        found: dict[str, list[Receipt]] = defaultdict(list)
        for part in _slices(dict.fromkeys(ids)):
            for row in self._connection.execute(statements.RECEIPTS_BY[column], {"values": part}).mappings().all():
                found[row[column]].append(receipt_of(row))
        return dict(found)

    def has_receipt(self, authority: str, id_: str) -> bool:
        return self._connection.execute(statements.KNOWS_RECEIPT, {"authority": authority, "id": id_}).first() is not None

    def receipt_bytes(self, authority: str, id_: str, *, but: str) -> str | None:
        """SHA-256 of the bytes under which a receipt was first stored; None when no other message brought it."""
        return self._connection.execute(statements.RECEIPT_BYTES, {"reference": f"{authority}:{id_}", "but": but}).scalar()

    def rounds(self, document_id: str) -> list[tuple[int, str, int]]:
        """(round, the message that opened it, when) in order."""
        r = tables.round_.c
        rows = self._connection.execute(
            select(r.round, r.message_id, r.opened_at).where(r.document_id == document_id).order_by(r.round)
        )
        return [tuple(row) for row in rows]

    def item_states(self, batch: str) -> dict[State, int]:
        """How many items of a batch are in each state."""
        return {State(state): count for state, count in self._connection.execute(statements.ITEM_STATES, {"batch": batch})}

    def items(self, batch_ids: Iterable[str]) -> dict[str, list[Message]]:
        return self._messages_by("batch", batch_ids)

    def repeats(self, ids: Iterable[str]) -> dict[str, list[Message]]:
        """Messages that came again, by the first one."""
        return self._messages_by("same_as", ids)

    def messages_of_documents(self, ids: Iterable[str]) -> dict[str, list[Message]]:
        return self._messages_by("document_id", ids)

    def around(self, ids: Iterable[str], document_ids: Iterable[str]) -> list[Message]:
        """These messages, what repeats them, and all messages of these documents, in order of sequence."""
        found = {row["id"]: message_of(row) for row in self._rows(statements.AROUND, ids, document_ids)}
        return sorted(found.values(), key=lambda message: message.sequence)

    def receipts_around(self, ids: Iterable[str], document_ids: Iterable[str]) -> list[Receipt]:
        """The receipts of these messages and of these documents, in their order."""
        found = {
            (row["authority"], row["id"]): receipt_of(row) for row in self._rows(statements.RECEIPTS_AROUND, ids, document_ids)
        }
        return sorted(found.values(), key=lambda receipt: (receipt.issued_at, receipt.rank))

    def _rows(self, query: Select[Any], ids: Iterable[str], document_ids: Iterable[str]) -> Iterator[RowMapping]:
        for part, documents in zip_longest(_slices(dict.fromkeys(ids)), _slices(dict.fromkeys(document_ids))):
            wanted = {"values": part or [""], "documents": documents or [""]}  # nothing is named by an empty text
            yield from self._connection.execute(query, wanted).mappings().all()

    def _messages_by(self, column: str, ids: Iterable[str]) -> dict[str, list[Message]]:
        found: dict[str, list[Message]] = defaultdict(list)
        for part in _slices(dict.fromkeys(ids)):
            for row in self._connection.execute(statements.MESSAGES_BY[column], {"values": part}).mappings().all():
                found[row[column]].append(message_of(row))
        return dict(found)

    def moves_after(self, n: int, limit: int) -> list[tuple[int, str, str | None]]:
        rows = self._connection.execute(statements.MOVES_AFTER, {"n": n, "most": limit})
        return [tuple(row) for row in rows]

    def moves(self, message_id: str) -> list[Move]:
        m = tables.move.c
        rows = self._connection.execute(select(tables.move).where(m.message_id == message_id).order_by(m.n)).mappings().all()
        moves = []
        for row in rows:
            line = orjson.loads(row["line"])
            facts = dict(zip(("step", "was", "state", "who", "why"), line[1:6], strict=True))
            moves.append(Move(row["n"], row["run"], row["entry"], row["at"], row["message_id"], row["document_id"], **facts))
        return moves

    def unwritten_answers(self, limit: int) -> list[AnswerRow]:
        rows = self._connection.execute(statements.UNWRITTEN, {"most": limit}).mappings().all()
        return [_answer(row) for row in rows]

    def answers_of(self, message_id: str) -> list[AnswerRow]:
        a = tables.answer
        return [
            _answer(row)
            for row in self._connection.execute(select(a).where(a.c.message_id == message_id).order_by(a.c.id)).mappings().all()
        ]

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

    def tally(self) -> list[tuple[str, str, str, int]]:
        """(account, kind, state, count) of all messages."""
        t = tables.tally.c
        return [tuple(row) for row in self._connection.execute(select(t.account, t.kind, t.state, t.count).where(t.count > 0))]

    def oldest(self, state: State) -> int | None:
        """When the oldest message in a state came."""
        m = tables.message.c
        return self._connection.execute(
            select(m.received_at).where(m.state == state.value).order_by(m.sequence).limit(1)
        ).scalar()

    def lanes(self) -> dict[str, Lane]:
        return {row["name"]: Lane(**row) for row in self._connection.execute(select(tables.lane)).mappings().all()}

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

    def list_messages(self, where: Sequence[ColumnElement[bool]], *, limit: int, newest_first: bool = True) -> list[Message]:
        m = tables.message.c
        order = m.sequence.desc() if newest_first else m.sequence
        query = select(tables.message).where(and_(m.kind == "submission", *where)).order_by(order).limit(limit)
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

    def in_state(self, state: State, limit: int) -> list[Message]:
        """Messages in a state, oldest first."""
        rows = self._connection.execute(statements.IN_STATE, {"state": state.value, "most": limit}).mappings().all()
        return [message_of(row) for row in rows]

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

    def overdue(self, now: int, limit: int) -> list[Message]:
        rows = self._connection.execute(statements.OVERDUE, {"now": now, "most": limit}).mappings().all()
        return [message_of(row) for row in rows]

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


def _answer(row: Any) -> AnswerRow:
    values = {name: row[name] for name in ("id", "message_id", "document_id", "account", "kind", "file", "number", "at")}
    return AnswerRow(**values, content=unpack(row["content"]))
