"""Requests waiting for a place in flight: joined from any thread, worked off on the wire's loop.

Promises that each request is settled exactly once, whatever happens, also when wire or line are closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import NamedTuple

from yarl import URL

from tongguan.gateway.model.errors import in_both
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.http_session import Connections, TrackedBody, unanswered
from tongguan.routes.reply import HttpAnswer, Reply

MOST_BYTES = 8_000_000


class WireRequest(NamedTuple):
    """One request; `body` None: a GET. `settle` is called on the wire's thread and must be short."""

    wire_id: str
    url: URL
    body: bytes | None
    read: Callable[[HttpAnswer], Reply]
    settle: Callable[[Reply], None]


class RequestBatch:
    """Replies in the order of their places; `done` wakes the one who waits only once, with the last of them."""

    def __init__(self, size: int) -> None:
        self.done: Future[None] = Future()
        self.replies = [Reply("later")] * size
        self._left = size

    def put(self, place: int, reply: Reply) -> None:
        self.replies[place] = reply
        self._left -= 1
        if not self._left:
            self.done.set_result(None)


class RequestQueue:
    """At most `in_flight` requests at once; the others wait in the order in which they joined."""

    def __init__(self, wire: EventLoop, connections: Connections, in_flight: int) -> None:
        self._wire = wire
        self._connections = connections
        self._in_flight = in_flight
        self._waiting: deque[WireRequest] = deque()
        self._woken = False
        self._closed = False
        self._workers: set[asyncio.Task[None]] = set()

    def join(self, requests: Iterable[WireRequest]) -> None:
        """Take requests; one call across threads for all that joined since the line was last looked at."""
        self._waiting.extend(requests)
        if self._woken:
            return
        self._woken = True
        if not self._wire.soon(self._staff):
            self._turn_away()

    async def close(self) -> None:
        """Settle what hangs and what waits; what joins later is turned away."""
        self._closed = True
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._turn_away()

    def _staff(self) -> None:
        # Lowered before the line is looked at: whoever joins later wakes us again, whoever joined before is seen.
        self._woken = False
        if self._closed:
            self._turn_away()
        for _ in range(min(len(self._waiting), self._in_flight - len(self._workers))):
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._leave)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        # A request may have joined after the worker found the line empty and before it was counted out.
        if self._waiting and not worker.cancelled() and not self._closed and not self._woken:
            self._staff()

    def _turn_away(self) -> None:
        self._woken = False
        while self._waiting:
            try:
                request = self._waiting.popleft()
            except IndexError:  # another thread turned the last one away
                return
            request.settle(Reply("later", why=in_both("没有发出：路线已关闭", "nothing was sent: the route is closed")))

    async def _work(self) -> None:
        while self._waiting:
            request = self._waiting.popleft()
            sealed = None if request.body is None else TrackedBody(request.body)
            try:
                reply = request.read(await self._exchange(request, sealed))
            except asyncio.CancelledError as stop:
                request.settle(unanswered(sealed, stop))
                raise
            except Exception as trouble:  # a request that is never settled would block a station for good
                reply = unanswered(sealed, trouble)
            request.settle(reply)

    async def _exchange(self, request: WireRequest, sealed: TrackedBody | None) -> HttpAnswer:
        if sealed is None:
            return await self._connections.get(request.url, most=MOST_BYTES)
        return await self._connections.post(request.url, request.wire_id, sealed, most=MOST_BYTES)
