"""Replies to who submitted through a queue: the status where a message ends or waits for a person, each receipt, each result.

Promises: in the order of the history for each submission, at least once, each with an id by which a second one is known. A reply queue that
is gone, full or not the account's own costs an alert and nothing else: the mailbox has every answer, and `tongguan answers … --again` sends
them once more.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import orjson

from tongguan.gateway.journal.history.history import AGAIN
from tongguan.gateway.journal.reading.following import MoveLine
from tongguan.gateway.journal.reading.lookups import AnswerMade, AnswerRow
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.message import FINAL, State
from tongguan.gateway.model.queueing import BrokerLink, OutgoingMessage, PublishResult, QueueDelivery, reply_queue_allowed
from tongguan.gateway.model.record import record
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import file_names
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.queues.history_teller import GONE
from tongguan.outbox.status.files import StatusContext, shown_status
from tongguan.outbox.status.render import SCHEMA, encoded
from tongguan.outbox.status.view import read_view

NAME = "replies"  #: of the thread, and of its cursor
MOST_CONTENT = 8_000_000  #: bytes of an answer that goes along; of a larger one it is told where it lies
_TOLD = {state.value for state in (*FINAL, State.HELD)}
_TYPES = {
    ".xml": "application/xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@record
class QueueReply:
    """What is to be told to one who submitted."""

    kind: str  #: status | receipt | result
    to: QueueDelivery
    about: str  #: the submission whose status goes along
    line: MoveLine  #: the move that it tells of
    file: str | None = None  #: the answer that it carries, by its name in InBox

    @property
    def id(self) -> str:
        """The same for the same reply, told again."""
        line = self.line
        return derived_id("reply", self.to.message_id, self.about, line.run, str(line.entry), self.kind, self.file or "")


class ReplyFinder:
    """Which replies a page of moves calls for."""

    def __init__(self, records: Search, lines: Sequence[MoveLine]) -> None:
        self._records, self._lines = records, lines if records.has_deliveries() else ()
        lines = self._lines
        named = list(dict.fromkeys((authority, id_) for line in lines for authority, id_, _ in line.receipts))
        self._receipts = {(receipt.authority, receipt.id): receipt for receipt in records.receipts_named(named)}
        about = {line.message_id for line in lines}
        about.update(receipt.message_id for receipt in self._receipts.values() if receipt.message_id)
        self._deliveries = records.deliveries_about(about)
        self._made = records.answers_made(self._deliveries)
        self._carried: set[tuple[str, str]] = set()
        self._to_come = {line.message_id for line in lines if line.was is None}

    def found(self) -> Iterator[QueueReply]:
        """In the order of the moves; at each the receipts, then the results, then the status."""
        for line in self._lines if self._deliveries else ():
            for authority, id_, _ in line.receipts:
                receipt = self._receipts.get((authority, id_))
                if receipt is not None and receipt.file is not None:
                    for to in self._here(receipt.message_id or ""):
                        yield QueueReply("receipt", to, receipt.message_id or "", line, receipt.file)
            self._to_come.discard(line.message_id)
            for to in self._here(line.message_id):
                if line.step == AGAIN or (line.state == State.REPEATED and line.was is None):
                    yield from self._everything(line, to)
                else:
                    yield from self._own(line, to)

    def _here(self, about: str) -> list[QueueDelivery]:
        """Who is to be told of it, and has come by now."""
        return [to for to in self._deliveries.get(about, ()) if to.message_id not in self._to_come]

    def _own(self, line: MoveLine, to: QueueDelivery) -> Iterator[QueueReply]:
        """What the submission itself came to at this move."""
        now = [made for made in self._made.get(line.message_id, ()) if made.at == line.at]
        for made in now:  # of two moves in one millisecond it is the first one's
            if made.kind == "result" and (to.message_id, made.file) not in self._carried:
                self._carried.add((to.message_id, made.file))
                yield QueueReply("result", to, line.message_id, line, made.file)
        if line.state in _TOLD and line.state != line.was:
            yield self._status(line, to, now)

    def _status(self, line: MoveLine, to: QueueDelivery, made: Iterable[AnswerMade]) -> QueueReply:
        """With the last technical response, if there is one."""
        file = next((each.file for each in reversed(list(made)) if each.kind == "technical"), None)
        return QueueReply("status", to, line.message_id, line, file)

    def _everything(self, line: MoveLine, to: QueueDelivery) -> Iterator[QueueReply]:
        """All that was answered so far: somebody has asked for it, or sent the same again."""
        message = self._records.message(line.message_id)
        first = (message.same_as if message is not None else None) or line.message_id
        for receipt in self._records.receipts_of_messages([first]).get(first, ()):
            if receipt.file is not None:
                yield QueueReply("receipt", to, line.message_id, line, receipt.file)
        made = self._records.answers_made([first]).get(first, [])
        yield from (QueueReply("result", to, line.message_id, line, each.file) for each in made if each.kind == "result")
        yield self._status(line, to, made)


class Replies:
    """Tells those who submitted through a queue."""

    name = NAME
    pauses: Sequence[float] = (0.2, 0.5, 1.0)

    def __init__(self, context: StatusContext, alerts: Alerts) -> None:
        self._context, self._alerts = context, alerts
        self._prepared: dict[str, QueueReply] = {}  # by their ids
        self._kept: dict[str, QueueReply] = {}  # of earlier pages, to be offered again
        self._gone: dict[str, float] = {}  # by account and queue: when a reply found it gone last

    def declare(self, link: BrokerLink) -> None:
        """QueueReply queues are their owners'."""

    def prepare(self, records: Search, lines: Sequence[MoveLine]) -> Sequence[OutgoingMessage]:
        accounts = self._context.mailboxes.keys()
        self._prepared = {}
        for reply in ReplyFinder(records, lines).found():
            if reply_queue_allowed(reply.to.account, reply.to.reply_to, accounts):
                self._prepared[reply.id] = reply
            else:
                self._not_there(reply, "不属于该账户", "is not this account's")
        statuses = self._statuses(records)
        return [
            self._message(id_, reply, statuses.get(reply.about, b"{}"), self._content(records, reply))
            for id_, reply in self._prepared.items()
        ]

    def _statuses(self, records: Search) -> dict[str, bytes]:
        """How each submission stands that is told of."""
        found: dict[str, bytes] = {}
        about: dict[str, set[str]] = defaultdict(set)
        for reply in self._prepared.values():
            about[reply.to.account].add(reply.about)
        for account, ids in about.items():
            view = read_view(records, account, ids, ())
            found.update((id_, shown_status(view.messages[id_], view, self._context)) for id_ in ids if id_ in view.messages)
            unreadable = (ids - view.messages.keys()) & {reply.about for reply in self._prepared.values()}
            found.update((id_, encoded({"schema": SCHEMA, "message_id": id_, "account": account})) for id_ in unreadable)
        return found

    def _content(self, records: Search, reply: QueueReply) -> dict[str, Any] | None:
        if reply.file is None:
            return None
        answer = records.answers_under(reply.to.account, [reply.file]).get(reply.file)
        return _shown_content(answer) if answer is not None else None  # a print that was kept long enough is gone

    def _message(self, id_: str, reply: QueueReply, status: bytes, content: dict[str, Any] | None) -> OutgoingMessage:
        told = {"schema": SCHEMA, "reply_id": id_, "kind": reply.kind, "status": orjson.Fragment(status), "content": content}
        to = reply.to
        return OutgoingMessage(
            encoded(told),
            routing_key=to.reply_to,
            message_id=id_,
            correlation_id=to.correlation_id,
            ordered_by=f"{to.message_id} {reply.about}",
        )

    def passed(self) -> Mapping[str, int]:
        self._kept |= self._prepared
        self._prepared = {}
        return {}

    def told(self, messages: Sequence[OutgoingMessage], results: Sequence[PublishResult]) -> None:
        for message, result in zip(messages, results, strict=True):
            reply = self._prepared.pop(message.message_id, None) or self._kept.pop(message.message_id)
            if result is PublishResult.RETURNED:
                self._not_there(reply, "已不存在", "is gone")
            elif result is PublishResult.REJECTED:
                self._not_there(reply, "拒收（已满？）", "takes no more (is it full?)")
            else:
                self._there(f"{reply.to.account} {reply.to.reply_to}")

    def _not_there(self, reply: QueueReply, zh: str, en: str) -> None:
        account, queue, about = reply.to.account, reply.to.reply_to, f"{reply.to.account} {reply.to.reply_to}"
        self._gone[about] = clock.monotonic()
        text = in_both(
            f"账户 {account} 的答复队列 {queue} {zh}：答复在信箱中",
            f"the reply queue {queue} of account {account} {en}: the mailbox has the answers",
        )
        self._alerts.tell("reply-queue", text, do=f"tongguan answers {reply.about} --again", about=about)

    def _there(self, about: str) -> None:
        if self._gone.pop(about, None) is not None:
            self._alerts.over("reply-queue", about)

    def kept(self) -> None:
        """Nothing is counted."""

    def trouble(self, zh: str, en: str) -> None:
        text = in_both(f"答复暂时发不出，信箱照常：{zh}", f"replies wait, mailboxes do not: {en}")
        self._alerts.tell("replies", text, do="tongguan queues")

    def well(self) -> None:
        self._alerts.over("replies")

    def look(self) -> None:
        """A queue to which nobody has replied for a while is no trouble any more."""
        for about in [about for about, at in list(self._gone.items()) if clock.monotonic() - at > GONE]:
            self._there(about)


def _shown_content(answer: AnswerRow) -> dict[str, Any]:
    """An answer as a reply carries it, or says where it lies."""
    name = file_names.shown(answer.file)
    told: dict[str, Any] = {"name": name, "content_type": _TYPES.get(PurePath(name).suffix.lower(), "application/octet-stream")}
    if len(answer.content) <= MOST_CONTENT:
        return {**told, "body_base64": b64encode(answer.content).decode()}
    size, sha256 = len(answer.content), hashlib.sha256(answer.content).hexdigest()
    return {**told, "size_bytes": size, "sha256": sha256, "fetch": {"folder": "InBox", "file": name}}
