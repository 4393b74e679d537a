"""What goes through a broker's queues: messages that come, messages that leave, and what the gateway asks of a connection.

Only `routes/broker/` knows the library behind it; doors, replies and events are given what is promised here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tongguan.gateway.model import characters
from tongguan.gateway.model.record import record

OWN = "tongguan."  #: how names of the gateway's queues and exchanges begin
SUBMISSIONS = "tongguan.submit."  #: before the account's name: the queue of what it submits
DEAD = "tongguan.dead"  #: the queue of what nobody could read
EVENTS = "tongguan.events"  #: the exchange of events
REPLY = "tongguan.reply."  #: before the account's name: its own queues of replies
_MOST_BYTES = 255  #: of a name in AMQP


@record
class QueueDelivery:
    """How a message came through a queue, kept for its answers and to know the same delivery again."""

    message_id: str
    account: str
    key: str  #: what the same delivery has again; empty: nothing tells it
    reply_to: str = ""  #: as given; empty: nobody waits
    correlation_id: str = ""  #: as given


def may_be_named(queue: str) -> bool:
    """Can a queue have this name? A broker takes 255 bytes, and whoever reads it must see all of it."""
    return 0 < len(queue.encode("utf-8", "replace")) <= _MOST_BYTES and characters.unprintable(queue) is None


def reply_queue_allowed(account: str, reply_to: str, accounts: Collection[str]) -> bool:
    """May answers to this account go to this queue? Not to one that is the gateway's, nor to one whose name has another of the
    `accounts` between its dots; who may read any other is said by the broker's permissions."""
    parts = reply_to.split(".")
    if len(reply_to.encode("utf-8", "replace")) > _MOST_BYTES or any(part in accounts and part != account for part in parts):
        return False
    return not reply_to.startswith(OWN) or (reply_to + ".").startswith(f"{REPLY}{account}.")


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message as the broker handed it over; until it is acknowledged it is the broker's."""

    queue: str
    tag: Any  #: by which the connection acknowledges it
    body: bytes
    content_type: str = ""
    content_encoding: str = ""
    compression: str = ""  #: of a library's own header: nothing here unpacks it
    message_id: str = ""
    reply_to: str = ""
    correlation_id: str = ""
    redelivered: bool = False  #: the broker knows that somebody had it before
    headers: Mapping[str, Any] = field(default_factory=dict)
    readable: bool = True  #: its properties and headers, so that nothing but its body is known


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to be published; kept by the broker across its restart."""

    body: bytes
    routing_key: str
    exchange: str = ""  #: the default one leads to the queue of the routing key
    content_type: str = "application/json"
    content_encoding: str = ""
    message_id: str = ""
    correlation_id: str = ""
    reply_to: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    must_route: bool = True  #: without a queue it comes back; an event may have nobody who listens
    ordered_by: str = (
        ""  #: those with the same must come in order, also where a queue refuses some (`publish_in_order`); empty: as may be
    )


class PublishResult(StrEnum):
    """What became of a message that was published."""

    CONFIRMED = "confirmed"  #: the broker has it for good
    RETURNED = "returned"  #: there is no such queue, so nobody has it
    REJECTED = "rejected"  #: the broker does not take it: its queue is full, say
    KEPT_BACK = "kept back"  #: it was not published: one that must come before it was rejected (`publish_in_order`)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much waits in a queue, and how many take from it."""

    messages: int
    consumers: int | None  #: None: the broker does not know


class BrokerLink(Protocol):
    """A connection of one thread. Whatever it raises is BrokerBroken: then it is closed, and another one is needed."""

    @property
    def blocked(self) -> str:
        """Why the broker takes no messages at the moment (it lacks memory or disk); empty while it does."""

    @property
    def unacknowledged(self) -> int:
        """How many messages are here that the broker may not forget yet."""

    def declare_queue(self, name: str) -> None:
        """See that a queue is there: durable, replicated where the broker can. One that is there already stays as it is."""

    def delete_queue(self, name: str) -> None:
        """Take a queue away, with what is in it."""

    def declare_submissions(self, queue: str) -> None:
        """The same, and an exchange of the same name that leads to it: there a broker checks who may write to it and to no other."""

    def declare_events(self) -> None:
        """See that the exchange of events is there."""

    def depth(self, queue: str) -> QueueDepth | None:
        """None where there is no such queue."""

    def consume(self, queue: str, *, prefetch: int) -> None:
        """Have messages sent here, so many at most that are not acknowledged."""

    def cancel(self) -> None:
        """Have no more sent; what is here may still be acknowledged."""

    def receive(self, *, most: int, most_bytes: int, wait: float) -> Sequence[QueueMessage]:
        """What is there, in order: waits for the first one, and for no other; ends at `most` messages, or with the one that reaches `most_bytes`.

        Keeps the connection alive: to be called every few seconds.
        """

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """The broker may forget these."""

    def get(self, queue: str) -> QueueMessage | None:
        """The next one of a queue, unacknowledged until it is told or the connection ends."""

    def publish(self, messages: Sequence[OutgoingMessage], *, until: Callable[[], bool] = ...) -> Sequence[PublishResult]:
        """Publish, many on their way at once; returns when the broker has answered for each, in order.

        While the broker is blocked it is waited for, as long as `until` is false. BrokerBroken: nobody knows which of them it has.
        """

    def beat(self) -> None:
        """Keep the connection alive while nothing else is asked of it: to be called every few seconds."""

    def close(self) -> None:
        """End it, and raise nothing."""


class MessageBroker(Protocol):
    """Where the settings say that the broker is."""

    def connect(self, purpose: str) -> BrokerLink:
        """A connection of its own, shown at the broker with its purpose; BrokerBroken says why there is none, and what to do."""
