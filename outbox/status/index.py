"""The pages of a mailbox as a whole: `index.json` (what is open, what was answered, what is ignored) and `heartbeat.json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import orjson

from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import in_language
from tongguan.gateway.model.message import EARLIER, OPEN, Message
from tongguan.gateway.model.record import record
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import file_names
from tongguan.outbox.alerts import Problem
from tongguan.outbox.status.file_writer import FileWriter
from tongguan.outbox.status.files import StatusContext
from tongguan.outbox.status.render import SCHEMA, encoded, open_line

#: answers are listed so long
SEVEN_DAYS_MS = 7 * 86_400_000
#: open messages and answers are listed to this number each, so that the page costs the same in a year
MOST_LISTED = 1000
#: and of more open messages so many are known
_MOST_KNOWN = 2 * MOST_LISTED


class OpenMessages:
    """The lines of an account's open messages, kept as they are written; those told of change, the others are not read again.

    Of very many only the first are known, more than are listed, so that the rest is read only now and then.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._lines: dict[str, _OpenLine] | None = None  # None: to be read
        self._last: int | None = None  # the sequence number up to which all are known; None: all are

    def forget(self) -> None:
        """Something may have moved that is not told of."""
        self._lines = None

    def told(self, messages: Iterable[Message], unreadable: Iterable[str] = ()) -> None:
        """These submissions stand as they are here, and of others nothing can be read any more."""
        if self._lines is None:
            return
        for message in messages:
            if message.state not in OPEN:
                self._lines.pop(message.id, None)
            elif self._last is None or message.sequence <= self._last:
                self._lines[message.id] = _open_line(message)
        for id_ in unreadable:
            self._lines.pop(id_, None)
        if len(self._lines) > 2 * _MOST_KNOWN:
            self._know(sorted(self._lines.values(), key=attrgetter("sequence"))[:_MOST_KNOWN], whole=False)

    def written(self, records: Search) -> list[bytes]:
        """The lines of the page, oldest first."""
        if self._lines is None or (self._last is not None and len(self._lines) < MOST_LISTED):
            found = records.open_messages(self._account, _MOST_KNOWN)
            whole = len(found) < _MOST_KNOWN and not records.leave_out_damaged()
            self._know(map(_open_line, found), whole=whole)
        # The commit that lets the next message of a document go changes what that one waits for without telling of it.
        if waiting := [line.message_id for line in self._first() if line.waits]:
            current = records.messages(waiting)
            self.told(current.values(), unreadable=[id_ for id_ in waiting if id_ not in current])
        return [line.text for line in self._first()]

    def _first(self) -> list[_OpenLine]:
        return sorted((self._lines or {}).values(), key=attrgetter("sequence"))[:MOST_LISTED]

    def _know(self, lines: Iterable[_OpenLine], *, whole: bool) -> None:
        self._lines = {line.message_id: line for line in lines}
        self._last = None if whole else max((line.sequence for line in self._lines.values()), default=0)


@record
class _OpenLine:
    """An open message in the page."""

    sequence: int
    message_id: str
    waits: bool  #: for an earlier message of its document
    text: bytes


def _open_line(message: Message) -> _OpenLine:
    return _OpenLine(message.sequence, message.id, message.waiting_for == EARLIER, _to_keep(open_line(message)))


class Index:
    """An account's `index.json`; remembers its lines."""

    def __init__(self, account: str, writer: FileWriter, context: StatusContext) -> None:
        self._account, self._writer, self._context = account, writer, context
        self.open = OpenMessages(account)
        self._answers: dict[int, bytes] = {}  # they never change
        self._written: tuple[Any, Any] | None = None

    def stale(self) -> bool:
        """Whether what the journal does not tell of has changed: ignored files, a pause."""
        return self._beside() != self._written

    def _beside(self) -> tuple[Any, Any]:
        return self._writer.mailbox.ignored(self._context.language(self._account)), self._context.paused(self._account)

    def write(self, records: Search) -> None:
        now = clock.now_ms()
        records.leave_out_damaged()  # who tells of the messages says so
        ignored, paused = beside = self._beside()
        page = {
            "schema": SCHEMA,
            "updated_at": times.show(now),
            "environment": self._context.environment,
            "open": _listed(self.open.written(records)),
            "answers": _listed(self._recent(records, now)),
            "ignored": ignored,
            "paused": paused,
        }
        self._writer.page("index.json", encoded(page))
        self._written = beside

    def _recent(self, records: Search, now: int) -> Iterable[bytes]:
        """The lines of what was answered lately, newest first."""
        ids = records.recent_answers(self._account, now - SEVEN_DAYS_MS, MOST_LISTED)
        new = records.answers_numbered([id_ for id_ in ids if id_ not in self._answers])
        received = [row for row in new if row.kind == "receipt" and row.document_id]
        documents = records.heads({row.document_id for row in received if row.document_id})
        # A receipt is a message of its own: what the enterprise knows is the submission that it answers.
        answered = {receipt.file: receipt.message_id for receipt in records.receipts_around((), documents) if receipt.message_id}
        asked = {row.id: answered.get(row.file, row.message_id) for row in new}
        ours = records.references(asked.values())
        for row in new:
            document = documents.get(row.document_id or "")
            reference, key = ours.get(asked[row.id], (None, document.key if document is not None else None))
            line = {
                "file": file_names.shown(row.file),
                "message_id": asked[row.id],
                "reference": reference,
                "document": key,
                "number": row.number,
                "kind": row.kind,
                "at": times.show(row.at),
            }
            self._answers[row.id] = _to_keep(line)
        self._answers = {id_: self._answers[id_] for id_ in ids}
        return self._answers.values()


def _to_keep(line: Any) -> bytes:
    """A line encoded, in no more memory than it needs: what comes from orjson holds on to the 4 KB that it was written into."""
    return bytes(memoryview(encoded(line)))


def _listed(lines: Iterable[bytes]) -> orjson.Fragment:
    return orjson.Fragment(b"[" + b",".join(lines) + b"]")


def _problem(problem: Problem, language: str) -> dict[str, Any]:
    """`text` in the gateway's language, `texts` in each: who looks may want the other one."""
    shown = {"code": problem.code, "about": problem.about, "text": in_language(problem.text, language)}
    texts = {each: in_language(problem.text, each) for each in ("zh", "en")}
    return {**shown, "texts": texts, "since": times.show(problem.since), "do": problem.do}


def heartbeat(problems: Sequence[Problem], context: StatusContext) -> bytes:
    """The page, the same for every account, that says that the gateway lives and what is wrong."""
    page = {
        "schema": SCHEMA,
        "at": times.show(clock.now_ms()),
        "version": context.version,
        "environment": context.environment,
        "ok": not problems,
        "problems": [_problem(p, context.language("")) for p in problems],
        "cards": [],
        "routes": [],
        "deadlines": [],
        **context.health(),
    }
    return encoded(page)
