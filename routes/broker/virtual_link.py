"""A connection to what the library makes a broker of: lists of Redis, or the memory of this process, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from kombu.transport import virtual

from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.queueing import OutgoingMessage, PublishResult, QueueDepth, QueueMessage
from tongguan.routes.broker.link import PERSISTENT, KombuLink


class _PackedMessage(virtual.Message):
    """A message that stays as it came: the library would unpack what says that it is compressed, however large it grows."""

    def __init__(self, payload: Any, channel: Any = None, **more: Any) -> None:
        headers = dict(payload.get("headers") or {})
        self.packed_as = str(headers.pop("compression", "") or "")
        super().__init__({**payload, "headers": headers}, channel=channel, **more)  # type: ignore[no-untyped-call]


class VirtualLink(KombuLink):
    """What the library makes a broker of: the memory of this process, for tests."""

    def _made_channel(self) -> Any:
        channel = super()._made_channel()
        channel.Message = _PackedMessage
        return channel

    def depth(self, queue: str) -> QueueDepth | None:
        with self._explained():
            return QueueDepth(self._channel._size(queue), 1 if self._consuming else 0)

    def _take(self, message: Any) -> None:
        self._keep(of_virtual(self._queue, message, message.delivery_tag))

    def get(self, queue: str) -> QueueMessage | None:
        with self._explained():
            message = self._channel.basic_get(queue, no_ack=False)
            return None if message is None else of_virtual(queue, message, message.delivery_tag)

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        with self._explained():
            for message in messages:
                self._channel.basic_ack(message.tag)

    def publish(
        self, messages: Sequence[OutgoingMessage], *, until: Callable[[], bool] = lambda: False
    ) -> Sequence[PublishResult]:
        results = list[PublishResult]()
        with self._explained():
            for each in messages:
                told = {"message_id": each.message_id or new_id(), "delivery_mode": PERSISTENT}
                told |= {name: value for name in ("correlation_id", "reply_to") if (value := getattr(each, name))}
                message = self._channel.prepare_message(
                    each.body,
                    content_type=each.content_type,
                    content_encoding=each.content_encoding or "binary",
                    headers=dict(each.headers),
                    properties=told,
                )
                results.append(self._put(message, each))
        return results

    def _put(self, message: Any, each: OutgoingMessage) -> PublishResult:
        self._channel.basic_publish(message, exchange=each.exchange, routing_key=each.routing_key)
        return PublishResult.CONFIRMED

    def _end(self, raw: Any) -> None:
        with contextlib.suppress(Exception):
            self._transport.close_connection(raw)


def of_virtual(queue: str, message: Any, tag: Any) -> QueueMessage:
    told = message.properties
    body = message.body
    return QueueMessage(
        queue=queue,
        tag=tag,
        body=body if isinstance(body, bytes) else str(body or "").encode("utf-8", "surrogateescape"),
        content_type=message.content_type or "",
        content_encoding=message.content_encoding or "",
        compression=message.packed_as,
        message_id=str(told.get("message_id") or ""),
        reply_to=str(told.get("reply_to") or ""),
        correlation_id=str(told.get("correlation_id") or ""),
        redelivered=bool((message.delivery_info or {}).get("redelivered") or message.headers.get("redelivered")),
        headers=message.headers,
    )
