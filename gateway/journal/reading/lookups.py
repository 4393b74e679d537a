"""What the journal has of given messages and documents: bodies, receipts, items, moves, answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.prepared import PreparedStatement
from tongguan.gateway.journal.database.rows import (
    RowDamaged,
    amount_of,
    document_and_json,
    document_head,
    document_of,
    facts_of,
    message_of,
    receipt_of,
    unpacked,
)
from tongguan.gateway.journal.history.history import is_subject
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.message import Message, State

_Noun = TypeVar("_Noun")
_Value = TypeVar("_Value", str, int)
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
class AnswerName:
    """What an answer is called; its content stays where it is."""

    id: int
    message_id: str
    kind: str
    file: str


@dataclass(frozen=True, slots=True)
class AnswerMade:
    """What a message was answered, and when."""

    message_id: str
    kind: str
    file: str
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


def slices(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """The values in parts that one statement can take."""
    whole = list(values)
    for start in range(0, len(whole), _SLICE):
        yield whole[start : start + _SLICE]


class Lookups:
    """One moment of the journal, asked about messages and documents that are known by their ids."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._damaged: dict[str, RowDamaged] | None = None

    def leave_out_damaged(self) -> dict[str, RowDamaged]:
        """From now on a row that cannot be read is left out, and stands in what this gives, by its id, instead of being raised."""
        self._damaged = {} if self._damaged is None else self._damaged
        return self._damaged

    def _all(self, query: Any, **values: Any) -> Sequence[Sequence[Any]]:
        return self._connection.execute(query, values).all()

    def _nouns(self, decode: Callable[[Any], _Noun], rows: Iterable[Sequence[Any]]) -> Iterator[_Noun]:
        for row in rows:
            try:
                yield decode(row)
            except RowDamaged as wrong:
                if self._damaged is None:
                    raise
                self._damaged[wrong.id] = wrong

    def _of(self, statement: PreparedStatement, values: Iterable[_Value], **more: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of each of these values, which may be more than one statement can take."""
        for part in slices(dict.fromkeys(values)):
            yield from statement.rows(self._connection, values=part, **more)

    def messages(self, ids: Iterable[str]) -> dict[str, Message]:
        return {m.id: m for m in self._nouns(message_of, self._of(statements.MESSAGES, ids))}

    def message(self, id_: str) -> Message | None:
        return self.messages([id_]).get(id_)

    def documents(self, ids: Iterable[str]) -> dict[str, Document]:
        return {d.id: d for d in self._nouns(document_of, self._of(statements.DOCUMENTS, ids))}

    def document(self, id_: str | None) -> Document | None:
        return self.documents([id_]).get(id_) if id_ else None

    def body(self, message_id: str, role: str) -> bytes | None:
        frame = statements.BODY.value(self._connection, message_id=message_id, role=role)
        return unpacked(frame, f"body {role} of message {message_id}") if frame is not None else None

    def bodies(self, ids: Sequence[str], role: str) -> dict[str, bytes]:
        rows = self._of(statements.BODIES, ids, role=role)
        return {id_: unpacked(frame, f"body of message {id_}") for id_, frame in rows}

    def documents_and_json(self, ids: Iterable[str]) -> Iterator[tuple[Document, bytes]]:
        """Documents, each with its content as JSON too: whoever shows it need not write it anew, nor keep it."""
        return self._nouns(document_and_json, self._of(statements.DOCUMENTS, ids))

    def heads(self, ids: Iterable[str]) -> dict[str, Document]:
        """Documents without their content and attachments: what a message's status shows of them."""
        return {d.id: d for d in self._nouns(document_head, self._of(statements.HEADS, ids))}

    def versions_moved(self, message_ids: Iterable[str]) -> dict[str, int]:
        """The versions of all documents that moves of these messages made or changed."""
        return dict(self._of(statements.VERSIONS_MOVED, message_ids))

    def receipts_of_messages(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        return self._receipts("message_id", ids)

    def receipts_of_documents(self, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        return self._receipts("document_id", ids)

    def _receipts(self, column: str, ids: Iterable[str]) -> dict[str, list[Receipt]]:
        found: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in self._nouns(receipt_of, self._of(statements.RECEIPTS_BY[column], ids)):
            found[getattr(receipt, column)].append(receipt)
        return dict(found)

    def has_receipt(self, authority: str, id_: str) -> bool:
        return bool(statements.KNOWS_RECEIPT.rows(self._connection, authority=authority, id=id_))

    def receipt_bytes(self, authority: str, id_: str, *, but: str) -> str | None:
        """SHA-256 of the bytes under which a receipt was first stored; None when no other message brought it."""
        first: str | None = statements.RECEIPT_BYTES.value(self._connection, reference=f"{authority}:{id_}", but=but)
        return first

    def held_by(self, document_ids: Iterable[str]) -> dict[str, dict[tuple[str, str], int]]:
        """What documents hold of licences: by document, by licence and line."""
        found: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        for document_id, licence_id, line, *parts in self._of(statements.TAKEN, document_ids):
            found[document_id][licence_id, line] = amount_of(*parts)
        return dict(found)

    def licences_used(self, licence_ids: Iterable[str]) -> dict[str, dict[str, int]]:
        """What documents hold of these licences together: by licence, by line."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for licence_id, line, *parts in self._of(statements.USED, licence_ids):
            found[licence_id][line] = amount_of(*parts)
        return dict(found)

    def rounds(self, document_id: str) -> list[tuple[int, str, int]]:
        """(round, the message that opened it, when) in order."""
        r = tables.round_.c
        rows = self._connection.execute(
            select(r.round, r.message_id, r.opened_at).where(r.document_id == document_id).order_by(r.round)
        )
        return [tuple(row) for row in rows]

    def item_states(self, batch: str) -> dict[State, int]:
        """How many items of a batch are in each state."""
        return {State(state): count for state, count in statements.ITEM_STATES.rows(self._connection, batch=batch)}

    def items(self, batch_ids: Iterable[str]) -> dict[str, list[Message]]:
        return self._messages_by("batch", batch_ids)

    def messages_of_documents(self, ids: Iterable[str]) -> dict[str, list[Message]]:
        return self._messages_by("document_id", ids)

    def around(self, ids: Iterable[str], document_ids: Iterable[str]) -> list[Message]:
        """These messages, what repeats them, and all messages of these documents, in order of sequence."""
        found = {m.id: m for m in self._nouns(message_of, self._around(statements.AROUND, ids, document_ids))}
        return sorted(found.values(), key=lambda message: message.sequence)

    def receipts_around(self, ids: Iterable[str], document_ids: Iterable[str]) -> list[Receipt]:
        """The receipts of these messages and of these documents, in their order."""
        rows = self._around(statements.RECEIPTS_AROUND, ids, document_ids)
        found = {(receipt.authority, receipt.id): receipt for receipt in self._nouns(receipt_of, rows)}
        return sorted(found.values(), key=lambda receipt: (receipt.issued_at, receipt.rank))

    def _around(self, query: PreparedStatement, ids: Iterable[str], document_ids: Iterable[str]) -> Iterator[Sequence[Any]]:
        for part, documents in zip_longest(slices(dict.fromkeys(ids)), slices(dict.fromkeys(document_ids))):
            wanted = {"values": part or [""], "documents": documents or [""]}  # nothing is named by an empty text
            yield from query.rows(self._connection, **wanted)

    def _messages_by(self, column: str, ids: Iterable[str]) -> dict[str, list[Message]]:
        found: dict[str, list[Message]] = defaultdict(list)
        for message in self._nouns(message_of, self._of(statements.MESSAGES_BY[column], ids)):
            found[getattr(message, column)].append(message)
        return dict(found)

    def moves(self, message_id: str) -> list[Move]:
        return list(self._nouns(_move_of, statements.MOVES.rows(self._connection, message_id=message_id)))

    def events(self, limit: int) -> list[Move]:
        """The last things that moved no message: what was about the gateway, or a lane."""
        rows = reversed(statements.EVENTS.rows(self._connection, most=limit))
        return [move for move in self._nouns(_move_of, rows) if is_subject(move.message_id)]

    def written_names(self, ids: Iterable[str]) -> list[AnswerName]:
        """The answers of these messages that are in InBox, or were."""
        return [AnswerName(*row) for row in self._of(statements.ANSWER_NAMES, ids)]

    def unwritten_names(self, account: str) -> list[AnswerName]:
        """Every answer of an account that is not marked as written."""
        return [AnswerName(*row) for row in statements.UNWRITTEN_NAMES.rows(self._connection, account=account)]

    def answers_of(self, message_id: str) -> list[AnswerRow]:
        return [answer_of(row) for row in statements.ANSWERS_OF.rows(self._connection, message_id=message_id)]


def _move_of(row: Sequence[Any]) -> Move:
    n, run, entry, at, message_id, document_id, line = row
    return Move(n, run, entry, at, message_id, document_id, *facts_of(line, f"move {n}")[1:6])


def answer_of(row: Sequence[Any]) -> AnswerRow:
    """Of a whole row, in the order of its columns."""
    id_, message_id, document_id, account, kind, file, content, number, at = row[:9]
    return AnswerRow(id_, message_id, document_id, account, kind, file, unpacked(content, f"answer {file}"), number, at)
