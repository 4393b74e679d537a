"""A connection to RabbitMQ, or whatever speaks AMQP 0-9-1."""

from __future__ import annotations

import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import amqp
from amqp import serialization, spec

from tongguan.gateway.model.errors import BrokerBroken, in_both
from tongguan.gateway.model.queueing import DEAD, OutgoingMessage, PublishResult, QueueDepth, QueueMessage
from tongguan.gateway.system import clock
from tongguan.routes.broker.amqp_confirms import Confirms
from tongguan.routes.broker.amqp_frames import AROUND
from tongguan.routes.broker.link import TURN, KombuLink

_WINDOW, _WINDOW_BYTES = 256, 4_000_000  #: on their way to the broker before its answers are waited for
_PIECE = 16_384  #: bytes that are read at once: the library would ask the system three times for each frame
_CONFIRM = 2  #: times `timeout`: for a broker to write to its disks what was published
_GOODBYE = 1.0  #: seconds that it is waited for at the end
_UNREADABLE = "unreadable"  #: in place of all properties
_ANY = 1_000_000_000  #: times that a message is handed out


class AmqpLink(KombuLink):
    """RabbitMQ, or whatever speaks AMQP 0-9-1."""

    def __init__(self, place: str, connection: Any, timeout: float) -> None:
        self._outgoing: Confirms | None = None
        self._unacknowledged: deque[int] = deque()
        super().__init__(place, connection, timeout)
        _read_in_pieces(self._raw.transport)
        self._raw.on_blocked, self._raw.on_unblocked = self._block, self._unblock

    @property
    def unacknowledged(self) -> int:
        return len(self._unacknowledged)

    def _block(self, reason: str) -> None:
        self.blocked = in_both("消息服务器缺内存或磁盘，暂不收报文", "the broker lacks memory or disk, and takes no messages")

    def _unblock(self) -> None:
        self.blocked = ""

    def _made_channel(self) -> Any:
        channel = super()._made_channel()
        channel.auto_decode = False  # bytes stay bytes, whatever encoding they say they have
        return channel

    def _declare(self, name: str) -> None:
        """Declare it. Where that is not allowed, or it is there in another shape, it is enough that it is there."""
        channel = self._made_channel()
        try:
            channel.queue_declare(queue=name, durable=True, auto_delete=False, arguments=_shape(name))
        except (amqp.AccessRefused, amqp.PreconditionFailed):
            if self._depth(name) is None:
                raise
        else:
            channel.close()

    def _lead_to(self, queue: str) -> None:
        """Where that is not allowed, or something else has the name, there is the queue."""
        channel = self._made_channel()
        try:
            channel.exchange_declare(exchange=queue, type="direct", durable=True, auto_delete=False)
            channel.queue_bind(queue=queue, exchange=queue, routing_key=queue)
        except (amqp.AccessRefused, amqp.PreconditionFailed):
            return
        channel.close()

    def depth(self, queue: str) -> QueueDepth | None:
        with self._explained():
            return self._depth(queue)

    def _depth(self, queue: str) -> QueueDepth | None:
        channel = self._made_channel()
        try:
            told = channel.queue_declare(queue=queue, passive=True)
        except amqp.NotFound:
            return None
        channel.close()
        return QueueDepth(told.message_count, told.consumer_count)

    def _take(self, message: Any) -> None:
        self._unacknowledged.append(message.delivery_tag)
        self._keep(_of_amqp(self._queue, message))

    def get(self, queue: str) -> QueueMessage | None:
        with self._explained():
            message = self._channel.basic_get(queue, no_ack=False)
            if message is None:
                return None
            self._unacknowledged.append(message.delivery_tag)
            return _of_amqp(queue, message)

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """In one frame where nothing older is left out."""
        tags = {message.tag for message in messages}
        with self._explained():
            last = 0
            while self._unacknowledged and self._unacknowledged[0] in tags:
                last = self._unacknowledged.popleft()
                tags.discard(last)
            if last:
                self._channel.basic_ack(last, multiple=True)
            for tag in sorted(tags):
                self._unacknowledged.remove(tag)
                self._channel.basic_ack(tag)

    def publish(
        self, messages: Sequence[OutgoingMessage], *, until: Callable[[], bool] = lambda: False
    ) -> Sequence[PublishResult]:
        with self._explained():
            if self._outgoing is None:
                self._outgoing = Confirms(self._made_channel())
            confirms = self._outgoing
            confirms.begin()
            for message in messages:
                if confirms.open >= _WINDOW or confirms.open_bytes >= _WINDOW_BYTES or self.blocked:
                    confirms.flush()
                    self._answered(confirms, _WINDOW // 2, _WINDOW_BYTES // 2, until)
                confirms.send(message)
            confirms.flush()
            self._answered(confirms, 0, 0, until)
            return confirms.results()

    def _answered(self, confirms: Confirms, most: int, most_bytes: int, until: Callable[[], bool]) -> None:
        """Wait for answers of the broker, until so many are open at most; for as long as it says that it takes none."""
        patience = self._timeout * _CONFIRM
        end = clock.monotonic() + patience
        while confirms.open > most or confirms.open_bytes > most_bytes or self.blocked:
            before = confirms.open
            self._drain(TURN)
            if confirms.open != before:
                end = clock.monotonic() + patience
            self._heartbeat()
            if self.blocked and not until():
                end = clock.monotonic() + patience
            elif self.blocked or clock.monotonic() > end:
                raise BrokerBroken(
                    f"消息服务器 {self._place} 没有确认收到报文",
                    f"the broker at {self._place} does not confirm what was published",
                )

    def _drain(self, seconds: float) -> bool:
        """With all that came in one piece: a wait costs four calls of the system, a frame that is there none."""
        transport, read = self._raw.transport, self._raw.blocking_read
        try:
            read(seconds)
            while _has_frame(transport._read_buffer):
                read(None)
        except TimeoutError:
            return False
        return True

    def _heartbeat(self) -> None:
        self._transport.heartbeat_check(self._raw)

    def _say_alive(self) -> None:
        self._raw.send_heartbeat()

    def _end(self, raw: Any) -> None:
        with contextlib.suppress(Exception):
            if raw.connected and not raw.is_closing and not self._lost:
                raw.sock.settimeout(_GOODBYE)
                raw.close()
        with contextlib.suppress(Exception):
            raw.collect()


def _read_in_pieces(transport: Any) -> None:
    """Have what the library buffers anyway come in pieces, not by the few bytes that it wants next.

    Where nothing comes for `[broker] timeout` in the middle of a frame, the library would ask the system again, for ever.
    """
    receive = transport._quick_recv

    def piece(wanted: int) -> bytes:
        try:
            return bytes(receive(max(wanted, _PIECE)))
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None

    transport._quick_recv = piece


def _has_frame(buffer: bytes) -> bool:
    """Is a whole frame there? Its size stands behind its kind and channel."""
    return len(buffer) >= AROUND and len(buffer) >= AROUND + int.from_bytes(buffer[3:7], "big")


def _shape(queue: str) -> dict[str, Any]:
    """What a queue is declared with: as little as can be, for whoever declares it too must say the same.

    What is dead is looked at as often as somebody likes: the broker, which drops what was handed out too often, must not count that.
    """
    return {"x-queue-type": "quorum"} | ({"x-delivery-limit": _ANY} if queue == DEAD else {})


def _read_properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """The properties of a message. The library ends the connection over some that it cannot read, whereupon the broker gives it out
    again, for ever: texts in no UTF-8, times beyond its calendar, tables in tables without end."""
    try:
        found: tuple[dict[str, Any], int] = serialization.decode_properties_basic(buffer, offset)
    except Exception:
        return {_UNREADABLE: True}, offset
    return found


serialization.PROPERTY_CLASSES[spec.Basic.CLASS_ID] = _read_properties


def _of_amqp(queue: str, message: Any) -> QueueMessage:
    told = message.properties
    headers = told.get("application_headers") or {}
    return QueueMessage(
        queue=queue,
        tag=message.delivery_tag,
        body=message.body if isinstance(message.body, bytes) else bytes(message.body or b""),
        content_type=told.get("content_type") or "",
        content_encoding=told.get("content_encoding") or "",
        compression=str(headers.get("compression") or ""),
        message_id=told.get("message_id") or "",
        reply_to=told.get("reply_to") or "",
        correlation_id=told.get("correlation_id") or "",
        redelivered=bool(message.delivery_info.get("redelivered")),
        headers=headers,
        readable=_UNREADABLE not in told,
    )
