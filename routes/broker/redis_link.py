"""A connection to Redis. Messages are taken and given back without the library's help, published by it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import kombu.utils.json

from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.queueing import OutgoingMessage, PublishResult, QueueDepth, QueueMessage
from tongguan.gateway.system import clock
from tongguan.routes.broker.redis_take import RedisTaker
from tongguan.routes.broker.virtual_link import VirtualLink, of_virtual

_loads: Any = kombu.utils.json.loads  # untyped
LEASE = 60  #: seconds after which Redis hands out again what somebody who is gone had in hand
_LOOK = 5.0  #: seconds between two looks for such
_MOST_RESTORED = 1024  #: messages in one look
_POLL = 0.1  #: seconds between two looks into an empty list
#: what Redis says where it is about one key: it is no list; it is none that this user may write
_NOT_THIS_KEY = ("WRONGTYPE", "wrong kind of value", "access one of the keys", "access a key")


class RedisLink(VirtualLink):
    """Redis. Messages are taken and given back without the library's help, published by it."""

    def __init__(self, place: str, connection: Any, timeout: float) -> None:
        self._look_at = 0.0
        self._leads = ""
        super().__init__(place, connection, timeout)
        self._taker = RedisTaker(self._channel.client)

    @property
    def unacknowledged(self) -> int:
        return len(self._taker)

    def _lists(self, queue: str) -> list[str]:
        return [self._channel._q_for_pri(queue, priority) for priority in self._channel.priority_steps]

    def _declare(self, name: str) -> None:
        """There is nothing to be made; what has its name and is no list is told."""
        self._length(name)

    def _lead_to(self, queue: str) -> None:
        """The library would do it once a process; who empties the database takes it away."""
        channel = self._channel
        member = channel.sep.join((queue, "", queue))
        for key in (channel.keyprefix_queue % queue, channel.keyprefix_binding_permanent % queue):
            if not channel.client.sismember(key, member):
                channel.client.sadd(key, member)
        self._leads = queue

    def depth(self, queue: str) -> QueueDepth | None:
        with self._explained():
            return QueueDepth(self._length(queue), None)

    def _length(self, queue: str) -> int:
        told = self._channel.client.pipeline(transaction=False)  # in a transaction nothing is told where there is no room
        for each in self._lists(queue):
            told.llen(each)
        return sum(told.execute())

    def consume(self, queue: str, *, prefetch: int) -> None:
        self._queue, self._prefetch, self._consuming = queue, prefetch, new_id()

    def cancel(self) -> None:
        self._consuming = ""

    def receive(self, *, most: int, most_bytes: int, wait: float) -> Sequence[QueueMessage]:
        end = clock.monotonic() + wait
        with self._explained():
            while True:
                room = min(most, self._prefetch - len(self._taker))
                came = self._taken(self._queue, room, most_bytes)
                left = end - clock.monotonic()
                if came or left <= 0:
                    return came
                self._idle()
                clock.pause(min(left, _POLL))

    def get(self, queue: str) -> QueueMessage | None:
        with self._explained():
            return next(iter(self._taken(queue, 1, 1)), None)

    def _taken(self, queue: str, most: int, most_bytes: int) -> list[QueueMessage]:
        now = clock.now_ms() / 1000
        taken = self._taker.take(queue, self._lists(queue), now=now, most=most, most_bytes=most_bytes)
        return [self._read(queue, tag, raw) for tag, raw in taken]

    def _read(self, queue: str, tag: str, raw: bytes) -> QueueMessage:
        try:
            return of_virtual(queue, self._channel.Message(_loads(raw.decode()), channel=self._channel), tag)
        except (ValueError, KeyError, TypeError, AttributeError):  # no message of the library's: whoever takes it refuses it
            return QueueMessage(queue=queue, tag=tag, body=raw, readable=False)

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        if messages:
            with self._explained():
                self._taker.acknowledge([message.tag for message in messages])

    def _put(self, message: Any, each: OutgoingMessage) -> PublishResult:
        """What has the queue's name and is no list, or may not be written, is this message's trouble and no other's."""
        try:
            return super()._put(message, each)
        except self._transport.channel_errors + self._transport.connection_errors as wrong:
            if each.exchange or not any(sign in str(wrong) for sign in _NOT_THIS_KEY):
                raise
            return PublishResult.REJECTED

    def beat(self) -> None:
        with self._explained():
            self._channel.client.ping()

    def _idle(self) -> None:
        """Have what somebody who is gone had in hand come again, and the exchange lead here."""
        if clock.monotonic() >= self._look_at:
            self._look_at = clock.monotonic() + _LOOK
            self._taker.restore(before=clock.now_ms() / 1000 - LEASE, most=_MOST_RESTORED)
            if self._leads:
                self._lead_to(self._leads)

    def _end(self, raw: Any) -> None:
        with contextlib.suppress(Exception):  # else they come again when they were in hand for too long
            self._taker.give_back()
        super()._end(raw)
