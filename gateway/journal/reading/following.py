"""What those ask who follow the whole history, whoever's it is: what moved behind a cursor, what it was about, what came through a queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.rows import RowDamaged, decoded, facts_of, receipt_of
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.keyed import KeyedDocuments
from tongguan.gateway.journal.reading.lookups import AnswerMade, AnswerRow, answer_of
from tongguan.gateway.model.document import Receipt
from tongguan.gateway.model.queueing import QueueDelivery
from tongguan.gateway.model.record import record


@record
class MoveLine:
    """A move as the history tells it."""

    run: str
    entry: int
    at: int
    message_id: str
    document_id: str | None
    step: str
    was: str | None
    state: str
    documents: Sequence[tuple[str, str, int]]  #: id, status, version
    receipts: Sequence[tuple[str, str, str]]  #: authority, id, code


@record
class MovedMessage:
    """Of a message what never changes, or only once when it is read."""

    id: str
    kind: str
    account: str
    type: str
    operation: str
    reference: str | None
    document: str | None
    document_id: str | None
    batch: str | None


@record
class MovedDocument:
    """Of a document what names it."""

    id: str
    account: str
    type: str
    key: str
    numbers: Mapping[str, str]


class Following(KeyedDocuments):
    """One moment of the journal, asked by whoever follows its history."""

    def end(self) -> Cursor:
        """The end of the history."""
        runs = statements.NEWEST_RUNS.rows(self._connection)
        return Cursor(max((number for number, *_ in runs), default=0), {run: entry for _, run, entry in runs})

    def runs_behind(self, cursor: Cursor) -> list[tuple[str, int]]:
        """The runs that have, or may have, something behind a cursor, with their numbers, in the order in which they began."""
        rows = statements.RUNS_BEHIND.rows(self._connection, newest=cursor.newest, values=[*cursor.entries] or [""])
        return sorted(set(rows), key=itemgetter(1))

    def moves_behind(self, cursor: Cursor, limit: int) -> tuple[list[MoveLine], Cursor]:
        """What moved behind a cursor, whole entries of the history, about `limit` moves; and the cursor behind them."""
        found: list[MoveLine] = []
        end, entries = self.end(), dict(cursor.entries)
        for run, number in self.runs_behind(cursor):
            lines = self._whole_entries(run, entries.get(run, 0), limit - len(found))
            found += lines
            if lines:
                entries[run] = lines[-1].entry
            if len(found) >= limit:
                kept = {r: entry for r, entry in entries.items() if r == run or r in end.entries}
                return found, Cursor(max(number, cursor.newest), kept)
        return found, end

    def _whole_entries(self, run: str, entry: int, limit: int) -> list[MoveLine]:
        """The next moves of a run, to the end of the entry with which they are `limit` or more."""
        rows = statements.MOVES_BEHIND.rows(self._connection, run=run, entry=entry, most=limit)
        if len(rows) >= limit:
            rows = [row for row in rows if row[0] < rows[-1][0]]
            last = rows[-1][0] if rows else entry
            rows += statements.MOVES_OF_NEXT_ENTRY.rows(self._connection, run=run, entry=last)
        return list(self._nouns(partial(_move_line, run), rows))

    def first_entry_since(self, run: str, at: int) -> int:
        """The first entry of a run that was not written before a moment; one behind its last where all were. Where the clock
        was set back meanwhile, some near that."""
        low, high = 1, (statements.LAST_ENTRY.value(self._connection, run=run) or 0) + 1
        while low < high:
            middle = (low + high) // 2
            written = statements.ENTRY_AT.value(self._connection, run=run, entry=middle)
            low, high = (low, middle) if written is None or written >= at else (middle + 1, high)
        return low

    def has_entry(self, run: str, entry: int) -> bool:
        return statements.ENTRY_AT.value(self._connection, run=run, entry=entry) is not None

    def moved_messages(self, ids: Iterable[str]) -> dict[str, MovedMessage]:
        return {row[0]: MovedMessage(*row) for row in self._of(statements.MOVED_MESSAGES, ids)}

    def moved_documents(self, ids: Iterable[str]) -> dict[str, MovedDocument]:
        return {d.id: d for d in self._nouns(_moved_document, self._of(statements.MOVED_DOCUMENTS, ids))}

    def event_counts(self, ids: Iterable[str]) -> dict[str, int]:
        """How many events were told of each of these documents."""
        return dict(self._of(statements.EVENT_COUNTS, ids))

    def has_deliveries(self) -> bool:
        """Did anything ever come through a queue?"""
        return bool(statements.A_DELIVERY.rows(self._connection, after=""))

    def deliveries_about(self, ids: Iterable[str]) -> dict[str, list[QueueDelivery]]:
        """By submission: who is to be answered about it through a queue: who sent it, or the batch it is an item of, or the same again."""
        found: dict[str, dict[str, QueueDelivery]] = {}
        for about, *row in self._of(statements.DELIVERIES_ABOUT, ids):
            found.setdefault(about, {})[row[0]] = QueueDelivery(*row)
        return {about: list(each.values()) for about, each in found.items()}

    def receipts_named(self, names: Sequence[tuple[str, str]]) -> list[Receipt]:
        """Receipts by authority and id."""
        ids: dict[str, list[str]] = {}
        for authority, id_ in names:
            ids.setdefault(authority, []).append(id_)
        rows = (row for authority, each in ids.items() for row in self._of(statements.RECEIPTS_NAMED, each, authority=authority))
        return list(self._nouns(receipt_of, rows))

    def answers_made(self, message_ids: Iterable[str]) -> dict[str, list[AnswerMade]]:
        """By message, what it was answered, in order; also what is not in InBox yet."""
        found: dict[str, list[AnswerMade]] = {}
        for row in self._of(statements.ANSWERS_MADE, message_ids):
            found.setdefault(row[0], []).append(AnswerMade(*row))
        return found

    def answers_under(self, account: str, files: Iterable[str]) -> dict[str, AnswerRow]:
        """An account's answers by their names."""
        return {answer.file: answer for answer in map(answer_of, self._of(statements.ANSWERS_UNDER, files, account=account))}


def _move_line(run: str, row: Sequence[Any]) -> MoveLine:
    entry, at, message_id, document_id, line = row
    what = f"a move of message {message_id}"
    _, step, was, state, _, _, documents, _, receipts, *_ = facts_of(line, what)
    try:
        changed = [(str(id_), str(status), int(version)) for id_, status, version in documents]
        told = [(str(authority), str(id_), str(code)) for authority, id_, code in receipts]
    except (TypeError, ValueError) as wrong:
        raise RowDamaged(what) from wrong
    return MoveLine(run, entry, at, message_id, document_id, step, was, state, changed, told)


def _moved_document(row: Sequence[Any]) -> MovedDocument:
    id_, account, type_, key, numbers = row
    known = decoded(numbers, f"document {id_}")
    if not isinstance(known, dict):
        raise RowDamaged(f"document {id_}", id_)
    return MovedDocument(id_, account, type_, key, known)
