"""What all connections to a broker have in common.

A link is one thread's, and useless after whatever error it raised. Nothing here unpacks or decodes what came.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tongguan.gateway.model.errors import BrokerBroken
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.queueing import EVENTS, QueueMessage
from tongguan.gateway.system import clock
from tongguan.routes.broker.explanation import explanation

_MOST_KEPT = 2_000_000  #: bytes of messages that nobody has asked for yet, with which no more are read
_GLANCE = 0.001  #: seconds in which what is there already is read; zero would spin in the middle of a frame
PERSISTENT = 2  #: delivery mode
TURN = 1.0  #: seconds between two looks at the heartbeat while something is waited for


class KombuLink:
    """What both kinds of connection have in common."""

    def __init__(self, place: str, connection: Any, timeout: float) -> None:
        self._place, self._timeout = place, timeout
        self._connection, self._transport = connection, connection.transport
        self._raw: Any = None
        self._errors = (*self._transport.connection_errors, *self._transport.channel_errors, OSError)
        self._came: deque[QueueMessage] = deque()
        self._came_bytes = 0
        self._consuming = ""
        self._lost = self._begun = False
        self.blocked = ""
        with self._explained():
            self._raw = self._transport.establish_connection()
            self._channel = self._made_channel()
        self._begun = True

    def _made_channel(self) -> Any:
        return self._transport.create_channel(self._raw)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever goes wrong at the broker ends this link, and is told in words."""
        try:
            yield
        except BrokerBroken:
            self._lose()
            raise
        except self._transport.channel_errors as wrong:  # the connection is well
            self.close()
            raise explanation(self._place, wrong, begun=self._begun) from None
        except self._errors as wrong:
            self._lose()
            raise explanation(self._place, wrong, begun=self._begun) from None
        except (AttributeError, TypeError, ValueError, KeyError) as wrong:
            # The library meets its own closed connection so, or an answer that is none.
            self._lose()
            raise explanation(self._place, wrong, begun=self._begun) from wrong

    def _lose(self) -> None:
        """End it without a word: nobody may be there to answer."""
        self._lost = True
        self.close()

    @property
    def unacknowledged(self) -> int:
        return len(self._came)

    def declare_queue(self, name: str) -> None:
        with self._explained():
            self._declare(name)

    def _declare(self, name: str) -> None:
        self._channel.queue_declare(queue=name, durable=True, auto_delete=False)

    def delete_queue(self, name: str) -> None:
        with self._explained():
            self._channel.queue_delete(queue=name)

    def declare_submissions(self, queue: str) -> None:
        with self._explained():
            self._declare(queue)
            self._lead_to(queue)

    def _lead_to(self, queue: str) -> None:
        self._channel.exchange_declare(exchange=queue, type="direct", durable=True, auto_delete=False)
        self._channel.queue_bind(queue=queue, exchange=queue, routing_key=queue)

    def declare_events(self) -> None:
        with self._explained():
            self._channel.exchange_declare(exchange=EVENTS, type="topic", durable=True, auto_delete=False)

    def consume(self, queue: str, *, prefetch: int) -> None:
        with self._explained():
            self._channel.basic_qos(0, prefetch, False)
            self._consuming = new_id()
            self._channel.basic_consume(queue, no_ack=False, callback=self._take, consumer_tag=self._consuming)
            self._queue = queue

    def cancel(self) -> None:
        if self._consuming:
            with self._explained():
                self._channel.basic_cancel(self._consuming)
            self._consuming = ""

    def receive(self, *, most: int, most_bytes: int, wait: float) -> Sequence[QueueMessage]:
        with self._explained():
            if not self._came:
                self._drain_until(lambda: bool(self._came), clock.monotonic() + wait)
            came: list[QueueMessage] = []
            size = 0
            while len(came) < most and size < most_bytes and (self._came or self._drain(_GLANCE)):
                if self._came:
                    came.append(self._came.popleft())
                    size += len(came[-1].body)
            self._came_bytes -= size
            return came

    def _keep(self, message: QueueMessage) -> None:
        self._came.append(message)
        self._came_bytes += len(message.body)

    def _drain_until(self, done: Callable[[], bool], end: float) -> bool:
        """Take what the broker says until it is `done`; False when the time is over before."""
        while not done():
            left = end - clock.monotonic()
            if left <= 0:
                return False
            self._drain(min(left, TURN))
            self._heartbeat()
        return True

    def _drain(self, seconds: float) -> bool:
        try:
            self._transport.drain_events(self._raw, timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _heartbeat(self) -> None:
        pass

    def beat(self) -> None:
        """More than some messages are not read meanwhile: a broker that has more to say waits, and is alive."""
        with self._explained():
            while (few := self._came_bytes < _MOST_KEPT) and self._drain(_GLANCE):
                pass
            if few:
                self._heartbeat()
            else:
                self._say_alive()

    def _say_alive(self) -> None:
        pass

    def close(self) -> None:
        raw, self._raw = self._raw, None
        self._came.clear()
        self._came_bytes = 0
        if raw is not None:
            self._end(raw)
        with contextlib.suppress(Exception):
            self._connection.release()

    def _take(self, message: Any) -> None:
        raise NotImplementedError

    def _end(self, raw: Any) -> None:
        raise NotImplementedError
