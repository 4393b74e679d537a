"""Events: what moved, told to whoever listens at the exchange `tongguan.events`.

An event for each state that a commit leaves a submission in, and one for each document that a commit changes. Their ids and numbers
follow from the history: told again, an event is the same, and those of one document are numbered without gaps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import orjson

from tongguan.gateway.journal.reading.following import MovedDocument, MovedMessage, MoveLine
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.message import FINAL, Kind
from tongguan.gateway.model.queueing import EVENTS, BrokerLink, OutgoingMessage, PublishResult
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.system import clock
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.queues.history_teller import GONE
from tongguan.outbox.status.files import StatusContext
from tongguan.outbox.status.render import SCHEMA, encoded, show, status_named

NAME = "events"  #: of the thread, and of its cursor
CHANGED = "changed"  #: the last word of the key where a document moved
UNREAD, BATCH = "GW.unread", "GW.batch"  #: in place of a type: what could not be read, and what only carries others
_MOST_COUNTED = 5_000  #: documents whose count is kept in mind


@record
class Happened:
    """What an event tells of: a submission's state, or a document's status, as a commit left it."""

    id: str
    line: MoveLine
    subject: str  #: by which it is numbered: the document's id; the message's where it has no document
    document_id: str | None
    state: str  #: of the submission; `changed` where it is the document that moved
    status: str = ""  #: of the document
    version: int = 0
    receipts: tuple[tuple[str, str, str], ...] = ()  #: authority, id, code


def happened(lines: Iterable[MoveLine], submissions: Container[str]) -> list[Happened]:
    """What moves of whole entries come to, in their order: of several in one entry the last one, as nobody saw the others.

    `submissions`: the ids of those among the messages that are; receipts have no events of their own.
    """
    found: dict[tuple[str, int, str, bool], Happened] = {}
    for line in lines:
        if line.message_id in submissions and line.was != line.state:
            subject = line.document_id or line.message_id
            _put(found, line.message_id, Happened("", line, subject, line.document_id, line.state))
        for document, status, version in line.documents:
            _put(found, document, Happened("", line, document, document, CHANGED, status, version, tuple(line.receipts)))
    return list(found.values())


def _put(found: dict[tuple[str, int, str, bool], Happened], about: str, what: Happened) -> None:
    line, moved = what.line, what.state == CHANGED
    key = (line.run, line.entry, about, moved)
    before = found.pop(key, None)
    receipts = (*before.receipts, *what.receipts) if before is not None else what.receipts
    id_ = derived_id("event", line.run, str(line.entry), about, CHANGED if moved else "state")
    found[key] = replace(what, id=id_, receipts=receipts)


class EventWriter:
    """Makes the messages of events; the same moves, with the same numbers, make the same ones but for what is known of a document by now."""

    def __init__(self, context: StatusContext) -> None:
        self._context = context

    def happened(self, records: Search, lines: Sequence[MoveLine]) -> tuple[list[Happened], Mapping[str, MovedMessage]]:
        """What there is to tell, and the messages that it is about."""
        messages = records.moved_messages({line.message_id for line in lines})
        submissions = {id_ for id_, message in messages.items() if message.kind == Kind.SUBMISSION}
        return happened(lines, submissions), messages

    def written(
        self, records: Search, events: Sequence[Happened], messages: Mapping[str, MovedMessage], numbers: Sequence[int]
    ) -> list[OutgoingMessage]:
        """Each event with its number; those of documents that cannot be read are left out."""
        documents = records.moved_documents({each.document_id for each in events if each.document_id is not None})
        made = []
        for event, number in zip(events, numbers, strict=True):
            message = messages.get(event.line.message_id)
            document = documents.get(event.document_id or "")
            if document is not None or event.state != CHANGED:
                made.append(self._message(event, number, message, document))
        return made

    def _message(
        self, event: Happened, number: int, message: MovedMessage | None, document: MovedDocument | None
    ) -> OutgoingMessage:
        moved = event.state == CHANGED
        named = document if moved else message
        assert named is not None
        type_ = named.type or (BATCH if message is not None and message.operation == "batch" else UNREAD)
        submitted = message if message is not None and message.kind == Kind.SUBMISSION else None
        profile, language = self._context.profile(type_), self._context.language(named.account)
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "event_id": event.id,
            "sequence": number,
            "kind": "document" if moved else "message",
            "at": show(event.line.at),
            "account": named.account,
            "environment": self._context.environment,
            "type": type_,
            "document": document.key if document is not None else message.document if message is not None else None,
            "state": event.state,
            "message_id": submitted.id if submitted is not None else None,
            "reference": submitted.reference if submitted is not None else None,
            "operation": submitted.operation or None if submitted is not None else None,
            "numbers": document.numbers if document is not None else {},
        }
        if moved:
            receipts = [{"authority": authority, "id": id_, "code": code} for authority, id_, code in event.receipts]
            status = status_named(event.status, profile, language)
            content |= {"version": event.version, "business_status": status, "receipts": receipts}
        else:
            content |= {"final": event.state in FINAL, "batch": message.batch if message is not None else None}
        return OutgoingMessage(
            encoded(content),
            routing_key=f"{named.account}.{key_of(type_)}.{event.state}",
            exchange=EVENTS,
            message_id=event.id,
            must_route=False,
            ordered_by=event.subject,
        )


def key_of(type_: str) -> str:
    """The two words in the middle of a key."""
    system, _, document = type_.partition(".")
    return f"{system}.{document.replace('.', '-') or '-'}"


class Events:
    """Tells of every move, and numbers the events of each document."""

    name = NAME
    pauses: Sequence[float] = (0.2, 0.5, 1.0, 2.0, 4.0)

    def __init__(self, context: StatusContext, alerts: Alerts) -> None:
        self._writer, self._alerts = EventWriter(context), alerts
        self._counts: dict[str, int] = {}  # told so far, of documents that were looked up
        self._page: Counter[str] = Counter()  # prepared, and perhaps not told
        self._refused_since, self._refused_at = "", 0.0  # when what was refused first moved; when some was last, 0: none

    def declare(self, link: BrokerLink) -> None:
        link.declare_events()

    def prepare(self, records: Search, lines: Sequence[MoveLine]) -> Sequence[OutgoingMessage]:
        events, messages = self._writer.happened(records, lines)
        unknown = {event.subject for event in events} - self._counts.keys()
        self._counts.update(dict.fromkeys(unknown, 0) | records.event_counts(unknown))
        self._page = Counter()
        numbers = []
        for event in events:
            self._page[event.subject] += 1
            numbers.append(self._counts[event.subject] + self._page[event.subject])
        return self._writer.written(records, events, messages, numbers)

    def passed(self) -> Mapping[str, int]:
        counts = {subject: self._counts[subject] + count for subject, count in self._page.items()}
        self._counts.update(counts)
        self._page.clear()
        return counts

    def told(self, messages: Sequence[OutgoingMessage], results: Sequence[PublishResult]) -> None:
        refused = [m for m, result in zip(messages, results, strict=True) if result is PublishResult.REJECTED]
        if refused:
            self._refused(min(str(orjson.loads(message.body)["at"]) for message in refused))

    def _refused(self, at: str) -> None:
        """A queue that is bound to them lacks some: the broker does not say which one."""
        if not self._refused_at or at < self._refused_since:
            self._refused_since = at
        self._refused_at = clock.monotonic()
        since = self._refused_since
        text = in_both(
            f"接收事件的某个队列拒收（已满？），自 {since} 起缺事件；别的队列照常收到",
            f"a queue that is bound to the events takes no more (is it full?) and lacks some since {since}; the others have them",
        )
        self._alerts.tell("event-queue", text, do=f"tongguan events replay --since {since} --queue NAME")

    def kept(self) -> None:
        if len(self._counts) > _MOST_COUNTED:
            self._counts.clear()

    def trouble(self, zh: str, en: str) -> None:
        text = in_both(f"事件暂时发不出：{zh}", f"events wait: {en}")
        self._alerts.tell("events", text, do="tongguan queues")

    def well(self) -> None:
        self._alerts.over("events")

    def look(self) -> None:
        """That some were refused is no trouble any more once none was for a while."""
        if self._refused_at and clock.monotonic() - self._refused_at > GONE:
            self._refused_at = 0.0
            self._alerts.over("event-queue")
