"""The wire protocol of the endpoints over HTTP(S): many requests in flight on one pool of kept connections a route.

Promises that an item never raises, that replies keep the order of the items, and that `later` is only said of a message
that was surely not taken. Never repeats a request by itself.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from yarl import URL

from tongguan.gateway.model.errors import Deferred, StationBroken, in_both
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.settings import Route
from tongguan.routes import trust
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.http_session import NO_ANSWER, Connections, TooMuch, Unusable, reason
from tongguan.routes.reply import ReceiptPage, Reply, read_page, reply_to_ask, reply_to_post
from tongguan.routes.request_queue import MOST_BYTES, RequestBatch, RequestQueue, WireRequest

#: of a page that holds one receipt only: it must come through, or it would stop all that come after it
MOST_BYTES_ALONE = 64_000_000

T = TypeVar("T")


class HttpsRoute:
    """A route to one endpoint. Methods without `async` are for station threads; any thread may call them."""

    def __init__(self, name: str, settings: Route, home: Path, wire: EventLoop) -> None:
        self.name = name
        self._wire = wire
        address = trust.address(name, settings)
        self._base = str(address).rstrip("/")
        self._messages = self._url("/v1/messages")
        self._queries = self._url("/v1/queries")
        self._connections = Connections(
            tls=trust.tls(name, settings, home) if address.scheme == "https" else None,
            token=trust.token(name, settings, home),
            timeout_seconds=settings.timeout.total_seconds(),
        )
        self._line = RequestQueue(wire, self._connections, settings.in_flight)
        wire.at_stop(self._end)

    def send_many(self, items: Sequence[tuple[str, bytes]]) -> list[Reply]:
        """Send sealed messages, as many at once as `in_flight`; replies in the order of `items`."""
        return self._post_many(self._messages, items)

    def query_many(self, items: Sequence[tuple[str, bytes]]) -> list[Reply]:
        """Send queries, as many at once as `in_flight`; replies in the order of `items`."""
        return self._post_many(self._queries, items)

    def _post_many(self, url: URL, items: Sequence[tuple[str, bytes]]) -> list[Reply]:
        if not items:
            return []
        batch = RequestBatch(len(items))
        self._line.join(
            WireRequest(wire_id, url, body, reply_to_post, partial(batch.put, place))
            for place, (wire_id, body) in enumerate(items)
        )
        batch.done.result()
        return batch.replies

    def submit_ask(self, wire_id: str) -> Future[Reply]:
        """Ask whether a message is known: `receipt`, `unknown`, or no answer (`later`, `lost`), which leaves the doubt.

        The future never fails and cannot be cancelled; its callbacks run on the wire's thread: keep them short.
        """
        future: Future[Reply] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled: it will be settled
        self._line.join(
            (WireRequest(wire_id, self._url(f"/v1/messages/{_in_path(wire_id)}"), None, reply_to_ask, future.set_result),)
        )
        return future

    def healthy(self) -> bool:
        """Whether the endpoint answers its health call with 200: the one probe of a closed lane."""
        try:
            return self.call(self._connections.get(self._url("/v1/health"), most=MOST_BYTES)).result().status == 200
        except (CancelledError, StationBroken, *NO_ANSWER):
            return False

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine where this route's own run."""
        return self._wire.call(coroutine)

    async def poll(self, account: str, after: str, *, limit: int, wait: timedelta) -> ReceiptPage:
        """Fetch receipts behind the cursor `after`, waiting up to `wait` for the first; Deferred when there is no page.

        A page that is too large is asked for again in smaller pieces. For the wire's loop: see `call`.
        """
        try:
            while True:
                try:
                    return await self._page(account, after, limit, wait)
                except TooMuch:
                    if limit <= 1:
                        raise
                    limit = max(1, limit // 4)
        except NO_ANSWER as trouble:
            self._defer(reason(trouble), cause=trouble)

    async def _page(self, account: str, after: str, limit: int, wait: timedelta) -> ReceiptPage:
        seconds = max(0, -(-wait // timedelta(seconds=1)))  # whole ones, rounded up
        asked = f"account={quote(account, safe='')}&after={quote(after, safe='')}&limit={limit}&wait={seconds}"
        most = MOST_BYTES if limit > 1 else MOST_BYTES_ALONE
        answer = await self._connections.get(self._url(f"/v1/receipts?{asked}"), most=most, longer_seconds=seconds)
        if answer.status != 200:
            why = in_both(f"索取回执得到应答 {answer.status}", f"asked for receipts, answered {answer.status}")
            self._defer(why, after=answer.retry_after)
        page = read_page(answer.body)
        if page is None:
            raise Unusable("应答不是回执页", "answered something that is no page of receipts")
        return page

    def _url(self, place: str) -> URL:
        return URL(self._base + place, encoded=True)

    def _defer(self, why: str, *, after: timedelta | None = None, cause: BaseException | None = None) -> NoReturn:
        raise Deferred("route", after=after, closes=Lane(LaneKind.ROUTE, self.name), why=why) from cause

    async def _end(self) -> None:
        await self._line.close()
        await self._connections.close()


def _in_path(wire_id: str) -> str:
    """An id as one segment of a path; dots alone would be read as steps through folders, nothing as the list of all."""
    if not wire_id.strip("."):
        raise ValueError(f"{wire_id!r} is no message id")
    return quote(wire_id, safe="")
