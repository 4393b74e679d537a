"""Publishing by AMQP: many messages are on their way to the broker at once, and each is answered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import amqp
from amqp import spec

from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.queueing import OutgoingMessage, PublishResult
from tongguan.routes.broker.amqp_frames import published
from tongguan.routes.broker.link import PERSISTENT

_OPTIONAL = ("correlation_id", "reply_to", "content_encoding")  #: properties that a message may do without


@dataclass(slots=True)
class _Sent:
    """A message on its way."""

    place: int
    size_bytes: int


class Confirms:
    """A channel on which each message is answered by the broker; many are on their way at once."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_select()
        channel.events["basic_ack"].add(lambda tag, multiple: self._told(tag, multiple, PublishResult.CONFIRMED))
        channel.events["basic_nack"].add(lambda tag, multiple: self._told(tag, multiple, PublishResult.REJECTED))
        channel.events["basic_return"].add(self._returned)
        self._number = 0
        self._open: dict[int, _Sent] = {}
        self._by_id: dict[str, int] = {}
        self._results: list[PublishResult] = []
        self._back: set[int] = set()
        self._frames: list[bytes] = []
        self.open_bytes = 0

    @property
    def open(self) -> int:
        return len(self._open)

    def begin(self) -> None:
        self._open.clear()
        self._by_id.clear()
        self._back.clear()
        self._frames.clear()
        self._results, self.open_bytes = [], 0

    def results(self) -> list[PublishResult]:
        return [PublishResult.RETURNED if n in self._back else result for n, result in enumerate(self._results)]

    def send(self, message: OutgoingMessage) -> None:
        self._number += 1
        place, id_ = len(self._results), message.message_id or new_id()
        self._results.append(PublishResult.REJECTED)
        self._open[self._number] = _Sent(place, len(message.body))
        self._by_id[id_] = place
        self.open_bytes += len(message.body)
        if message.headers:  # the library's to write
            self.flush()
            self._send_alone(message, id_)
            return
        most = self._channel.connection.frame_max
        self._frames += published(self._channel.channel_id, message, id_, most=most)

    def flush(self) -> None:
        """Let go what was put together."""
        if self._frames:
            frames, self._frames = b"".join(self._frames), []
            self._channel.connection.transport.write(frames)
            self._channel.connection.bytes_sent += 1  # what its heartbeats go by

    def _send_alone(self, message: OutgoingMessage, id_: str) -> None:
        more = {name: told for name in _OPTIONAL if (told := getattr(message, name))}
        content = amqp.Message(
            message.body,
            content_type=message.content_type,
            delivery_mode=PERSISTENT,
            application_headers=dict(message.headers),
            message_id=id_,
            **more,
        )
        # Not `basic_publish`: that looks for a blocked broker before each message by a read which spins in the middle of a frame.
        self._channel.send_method(
            spec.Basic.Publish, "Bssbb", (0, message.exchange, message.routing_key, message.must_route, False), content
        )

    def _told(self, tag: int, multiple: bool, result: PublishResult) -> None:
        tags = list(takewhile(lambda n: n <= tag, self._open)) if multiple else [tag]
        for each in tags:
            if (sent := self._open.pop(each, None)) is not None:
                self._results[sent.place] = result
                self.open_bytes -= sent.size_bytes

    def _returned(self, _error: Any, _exchange: str, _routing_key: str, message: Any) -> None:
        place = self._by_id.get(str(message.properties.get("message_id") or ""))
        if place is not None:
            self._back.add(place)
