"""What the journal has of given messages and documents: bodies, receipts, items, moves, answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, Select, select

from tongguan.gateway.kernel import statements, tables
from tongguan.gateway.kernel.document import Document, Receipt
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.rows import document_head, message_of, receipt_of, unpack

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


def slices(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in parts that one statement can take."""
    whole = list(values)
    for start in range(0, len(whole), _SLICE):
        yield whole[start : start + _SLICE]


class Particulars:
    """One moment of the journal, asked about messages and documents that are known by their ids."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def body(self, message_id: str, role: str) -> bytes | None:
        frame = self._connection.execute(statements.BODY, {"message_id": message_id, "role": role}).scalar()
        return unpack(frame) if frame is not None else None

    def bodies(self, ids: Sequence[str], role: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for part in slices(ids):
            rows = self._connection.execute(statements.BODIES, {"values": part, "role": role})
            found.update({row[0]: unpack(row[1]) for row in rows})
        return found

    def sealed_of(self, messages: Sequence[Message]) -> dict[str, bytes]:
        """The sealed bytes of each message's present seal."""
        found: dict[str, bytes] = {}
        by_number: dict[int, list[str]] = defaultdict(list)
        for message in messages:
            by_number[message.seal_number].append(message.id)
        for number, ids in by_number.items():
            found.update(self.bodies(ids, f"sealed:{number}"))
        return found

    def heads(self, ids: Iterable[str]) -> dict[str, Document]:
        """Documents without their content and attachments: what a message's status shows of them."""
        found: dict[str, Document] = {}
        for part in slices(dict.fromkeys(ids)):
            rows = self._connection.execute(statements.HEADS, {"values": part}).mappings().all()
            found.update({row["id"]: document_head(row) for row in rows})
        return found

    def receipts_of_messages(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        return self._receipts("message_id", ids)

    def receipts_of_documents(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        return self._receipts("document_id", ids)

    def _receipts(self, column: str, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        found: dict[str, list[Receipt]] = defaultdict(list)
        for part in slices(dict.fromkeys(ids)):
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
        for part, documents in zip_longest(slices(dict.fromkeys(ids)), slices(dict.fromkeys(document_ids))):
            wanted = {"values": part or [""], "documents": documents or [""]}  # nothing is named by an empty text
            yield from self._connection.execute(query, wanted).mappings().all()

    def _messages_by(self, column: str, ids: Iterable[str]) -> dict[str, list[Message]]:
        found: dict[str, list[Message]] = defaultdict(list)
        for part in slices(dict.fromkeys(ids)):
            for row in self._connection.execute(statements.MESSAGES_BY[column], {"values": part}).mappings().all():
                found[row[column]].append(message_of(row))
        return dict(found)

    def moves(self, message_id: str) -> list[Move]:
        m = tables.move.c
        rows = self._connection.execute(select(tables.move).where(m.message_id == message_id).order_by(m.n)).mappings().all()
        moves = []
        for row in rows:
            line = orjson.loads(row["line"])
            facts = dict(zip(("step", "was", "state", "who", "why"), line[1:6], strict=True))
            moves.append(Move(row["n"], row["run"], row["entry"], row["at"], row["message_id"], row["document_id"], **facts))
        return moves

    def answers_of(self, message_id: str) -> list[AnswerRow]:
        a = tables.answer
        return [
            answer_of(row)
            for row in self._connection.execute(select(a).where(a.c.message_id == message_id).order_by(a.c.id)).mappings().all()
        ]


def answer_of(row: RowMapping) -> AnswerRow:
    values = {name: row[name] for name in ("id", "message_id", "document_id", "account", "kind", "file", "number", "at")}
    return AnswerRow(**values, content=unpack(row["content"]))
