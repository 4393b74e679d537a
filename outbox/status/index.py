"""The pages of a mailbox as a whole: `index.json` (what is open, what was answered, what is ignored) and `heartbeat.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tongguan.gateway.journal.reading.lookups import AnswerRow
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.message import Kind
from tongguan.gateway.system import clock, file_names, times
from tongguan.outbox.alerts import Problem
from tongguan.outbox.status.file_writer import FileWriter
from tongguan.outbox.status.files import StatusContext
from tongguan.outbox.status.render import SCHEMA, encoded, open_line

#: answers are listed so long
SEVEN_DAYS_MS = 7 * 86_400_000
#: open messages and answers are listed to this number each, so that the page costs the same in a year
MOST_LISTED = 1000


class Index:
    """An account's `index.json`; remembers the lines of answers, which never change."""

    def __init__(self, account: str, writer: FileWriter, context: StatusContext) -> None:
        self._account, self._writer, self._context = account, writer, context
        self._lines: dict[int, dict[str, Any]] = {}
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
        recent = records.recent_answers(self._account, now - SEVEN_DAYS_MS, MOST_LISTED)
        page = {
            "schema": SCHEMA,
            "updated_at": times.show(now),
            "environment": self._context.environment,
            "open": [open_line(message) for message in records.open_messages(self._account, MOST_LISTED)],
            "answers": self._answers(records, recent),
            "ignored": ignored,
            "paused": paused,
        }
        self._writer.page("index.json", encoded(page))
        self._written = beside

    def _answers(self, records: Search, recent: Sequence[AnswerRow]) -> list[dict[str, Any]]:
        new = [row for row in recent if row.id not in self._lines]
        documents = records.heads({row.document_id for row in new if row.kind == "receipt" and row.document_id})
        # A receipt is a message of its own: what the enterprise knows is the submission that it answers.
        answered = {receipt.file: receipt.message_id for receipt in records.receipts_around((), documents) if receipt.message_id}
        asked = {row.id: answered.get(row.file, row.message_id) for row in new}
        messages = records.messages(set(asked.values()))
        for row in new:
            message, document = messages.get(asked[row.id]), documents.get(row.document_id or "")
            ours = message is not None and message.kind is Kind.SUBMISSION
            self._lines[row.id] = {
                "file": file_names.shown(row.file),
                "message_id": asked[row.id],
                "reference": message.reference if message is not None and ours else None,
                "document": message.document if message is not None and ours else document.key if document else None,
                "number": row.number,
                "kind": row.kind,
                "at": times.show(row.at),
            }
        self._lines = {row.id: self._lines[row.id] for row in recent}
        return list(self._lines.values())


def heartbeat(problems: Sequence[Problem], context: StatusContext) -> bytes:
    """The page, the same for every account, that says that the gateway lives and what is wrong."""
    page = {
        "schema": SCHEMA,
        "at": times.show(clock.now_ms()),
        "version": context.version,
        "environment": context.environment,
        "ok": not problems,
        "problems": [{"code": p.code, "text": p.text, "since": times.show(p.since), "do": p.do} for p in problems],
        "cards": [],
        "routes": [],
        "deadlines": [],
        **context.health(),
    }
    return encoded(page)
