"""What nobody could read goes to the queue `tongguan.dead`, as it came, with the reasons as headers; and back from there.

Promises: a message is in its own queue or in that one at every moment, for a while perhaps in both; what is sent back is what came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tongguan.gateway.model.errors import BrokerBroken, Fault, short
from tongguan.gateway.model.queueing import (
    DEAD,
    SUBMISSIONS,
    BrokerLink,
    MessageBroker,
    OutgoingMessage,
    PublishResult,
    QueueMessage,
)
from tongguan.gateway.system import clock, times
from tongguan.inbox.queues.submission import MOST_HEADERS

_OURS = "tongguan-"  #: begins the names of our headers
_PACKED = "compression"
_MOST_FAULTS = 20
_MOST_TEXT = 2000  #: characters of a text in a header
_MOST_NUMBER = 1 << 63
MOST_LISTED = 1000  #: dead letters that are looked at in one go, where none are named


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """One of the queue `tongguan.dead`, as it is listed."""

    id: str
    queue: str  #: where it came; empty when somebody else has put it there
    at: str
    reason: str  #: the codes
    zh: str
    en: str
    size_bytes: int


def bury(
    broker: MessageBroker, dead: Sequence[tuple[QueueMessage, Sequence[Fault]]], *, until: Callable[[], bool] = lambda: False
) -> None:
    """Have the broker keep these among the dead; BrokerBroken when it may not have.

    By a connection of its own, for the broker reads nothing from one that publishes while it is short of memory; then `until` is asked.
    """
    link = broker.connect("dead letters")
    try:
        link.declare_queue(DEAD)
        results = link.publish([_letter(message, faults) for message, faults in dead], until=until)
    finally:
        link.close()
    if any(result is not PublishResult.CONFIRMED for result in results):
        raise BrokerBroken(f"消息服务器不收 {DEAD} 的消息", f"the broker takes nothing for {DEAD}")


def _letter(message: QueueMessage, faults: Sequence[Fault]) -> OutgoingMessage:
    told = {
        "queue": message.queue,
        "at": times.show(clock.now_ms()),
        "reason": " ".join(dict.fromkeys(fault.code for fault in faults)),
        "text-zh": "；".join(f"{fault.path} {fault.zh}".strip() for fault in faults[:_MOST_FAULTS])[:_MOST_TEXT],
        "text-en": "; ".join(f"{fault.path} {fault.en}".strip() for fault in faults[:_MOST_FAULTS])[:_MOST_TEXT],
        "compression": message.compression,
    }
    return OutgoingMessage(
        message.body,
        DEAD,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        message_id=message.message_id or hashlib.sha256(message.queue.encode() + message.body).hexdigest()[:32],
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        headers={**_kept(message.headers), **{_OURS + name: value for name, value in told.items()}},
    )


def _kept(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The sender's own headers, unless they are so large that the message could not be sent on.

    Those that are no texts and no numbers are told as text. A library of whoever looks at it would unpack what says that it is compressed, however large it grows: that is told by a header of ours.
    """
    if len(repr(headers)) > MOST_HEADERS:
        return {f"{_OURS}headers-left-out": len(headers)}
    names = [name for name in headers if isinstance(name, str) and not name.startswith(_OURS) and name != _PACKED]
    return {name: value if _plain(value := headers[name]) else short(repr(value)) for name in names}


def _plain(value: Any) -> bool:
    """Does it surely go out again as it came in?"""
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < _MOST_NUMBER)


def listed(link: BrokerLink, ids: Collection[str] = ()) -> list[DeadMessage]:
    """What lies among the dead, the oldest first; where none are named, only so many. It stays there: the end of the link gives it back."""
    return [letter for letter, _ in _each(link, ids)]


def drop(link: BrokerLink, ids: Collection[str]) -> list[DeadMessage]:
    """Have the broker forget these; those that it has forgotten."""
    gone = []
    for letter, message in _each(link, ids):
        link.acknowledge([message])
        gone.append(letter)
    return gone


def send_back(link: BrokerLink, ids: Collection[str] = ()) -> tuple[list[DeadMessage], list[DeadMessage]]:
    """Put these (all, where none are named) into the queues that they came from: those that went, and those that stay."""
    went, stay = [], []
    for letter, message in _each(link, ids):
        if (
            not letter.queue.startswith(SUBMISSIONS)
            or link.publish([_back(message, letter.queue)])[0] is not PublishResult.CONFIRMED
        ):
            stay.append(letter)
            continue
        link.acknowledge([message])
        went.append(letter)
    return went, stay


def _each(link: BrokerLink, ids: Collection[str]) -> Iterator[tuple[DeadMessage, QueueMessage]]:
    """Those of these ids among all that lie there now; where none are named, the oldest."""
    depth = link.depth(DEAD)
    waiting = depth.messages if depth is not None else 0
    for _ in range(waiting if ids else min(waiting, MOST_LISTED)):
        message = link.get(DEAD)
        if message is None:
            return
        letter = _listed(message)
        if not ids or letter.id in ids:
            yield letter, message


def _listed(message: QueueMessage) -> DeadMessage:
    def told(name: str) -> str:
        return str(message.headers.get(_OURS + name) or "")

    return DeadMessage(
        message.message_id, told("queue"), told("at"), told("reason"), told("text-zh"), told("text-en"), len(message.body)
    )


def _back(message: QueueMessage, queue: str) -> OutgoingMessage:
    headers = {name: value for name, value in message.headers.items() if not name.startswith(_OURS)}
    if packed := str(message.headers.get(f"{_OURS}compression") or ""):
        headers[_PACKED] = packed
    return OutgoingMessage(
        message.body,
        queue,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        headers=headers,
    )
