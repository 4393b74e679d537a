"""Receipts from authorities: a long poll for each account on each route.

Promises that the cursor moves only together with the receipts before it, in one call of the port; that one account's
trouble never stops another's poll; that nothing is asked for again before the last page was taken. Reads no receipt.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeVar

from tongguan.gateway.model.errors import Deferred, StationBroken
from tongguan.gateway.system import clock
from tongguan.gateway.system.threads import Begin, WorkMark, begin_thread

LONGEST_PAUSE_SECONDS = 60.0
#: an endpoint that answers a page with nothing new sooner than this does not wait for receipts: then we do
SOON_SECONDS = 1.0
_STOP_SECONDS = 20.0
_MOST_SEEN = 1000  #: pages that are known again

T = TypeVar("T")
P = ParamSpec("P")


class PolledPage(Protocol):
    """Receipts in the order issued, and the cursor behind the last of them."""

    @property
    def receipts(self) -> tuple[bytes, ...]: ...
    @property
    def next(self) -> str: ...


class PolledRoute(Protocol):
    """A route that can be asked for receipts; `poll` raises Deferred when there is no page, and runs where `call` runs it."""

    @property
    def name(self) -> str: ...
    def call(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]: ...
    async def poll(self, account: str, after: str, *, limit: int, wait: timedelta) -> PolledPage: ...


class Intake(Protocol):
    """Where receipts go; called from the door's own thread, for one account never twice at once."""

    def cursor(self, route: str, account: str) -> str:
        """Say where to go on; read before each poll, as another gateway or a restore may have moved it. Empty: from the start."""

    def deliver(self, route: str, account: str, receipts: list[bytes], after: str, following: str) -> None:
        """Journal receipts and the cursor behind them in one transaction; receipts may come again."""

    def on_trouble(self, route: str, why: str) -> None:
        """Hear that polling fails; once for each new reason of an account."""

    def on_well(self, route: str) -> None:
        """Hear that no account's poll fails any more; also once after the first page."""


def pause_seconds(failures: int, chance: float) -> float:
    """The wait after so many failures in a row: doubling from half a second to a minute, shortened by up to half by `chance` (0…1)."""
    return min(LONGEST_PAUSE_SECONDS, 0.25 * 2.0 ** min(failures, 10)) * (1 - chance / 2)


class ReceiptDoor:
    """Polls one route for its accounts (name -> the code that the authority knows)."""

    def __init__(
        self, route: PolledRoute, accounts: Mapping[str, str], intake: Intake, *, wait: timedelta, limit: int = 100
    ) -> None:
        self._route = route
        self._accounts = dict(accounts)
        self._intake = intake
        self._wait = wait
        self._limit = limit
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()  #: of the thread that serves
        self._serving = threading.Lock()  #: held while one does
        self._stopping = False
        self._troubles: dict[str, str] = {}
        self._told_well = False
        self._telling = asyncio.Lock()
        self._seen: dict[int, None] = {}  #: hashes of the last pages, oldest first

    def start(self, begin: Begin = begin_thread) -> None:
        """Poll from now on; pages are delivered in a thread that `begin` makes and keeps going."""
        begin(f"receipts:{self._route.name}", self.serve)

    def stop(self) -> None:
        """Drop the open polls; a page that is being delivered is delivered to its end. May be repeated."""
        self._stopping = True
        self._work.put(None)
        if self._serving.acquire(timeout=_STOP_SECONDS):
            self._serving.release()

    def serve(self, pulse: WorkMark) -> None:
        """Keep all polls going until `stop`, and deliver what they bring; when it raised it may be called again."""
        with self._serving:
            self._work = SimpleQueue()
            polls: list[asyncio.Task[None]] = []
            try:
                if not self._stopping:
                    polls = self._route.call(self._begin()).result(timeout=_STOP_SECONDS)
                while not self._stopping and (work := self._work.get()) is not None:
                    with pulse:
                        work()
            finally:
                # After the wire has stopped, it has taken the polls along.
                with suppress(CancelledError, StationBroken, TimeoutError):
                    self._route.call(self._end(polls)).result(timeout=_STOP_SECONDS)

    async def _begin(self) -> list[asyncio.Task[None]]:
        polls = [asyncio.create_task(self._keep_polling(*account)) for account in self._accounts.items()]
        for poll in polls:
            poll.add_done_callback(self._poll_ended)
        return polls

    async def _end(self, polls: list[asyncio.Task[None]]) -> None:
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

    def _poll_ended(self, poll: asyncio.Task[None]) -> None:
        """None ends by itself: then the serving thread fails with what ended it, and begins all of them again."""
        if poll.cancelled():
            self._work.put(None)  # as we wished, or the wire has stopped
            return
        why = poll.exception()

        def fail() -> None:
            raise RuntimeError(f"a poll of {self._route.name} ended: {why!r}") from why

        self._work.put(fail)

    async def _keep_polling(self, account: str, code: str) -> None:
        failures = 0
        while True:
            began = clock.monotonic()
            try:
                idle = await self._poll(account, code)
            except Exception as trouble:  # an error of the journal too: without it the cursor stays, and nothing is lost
                failures += 1
                await self._tell_trouble(account, trouble)
                await asyncio.sleep(max(pause_seconds(failures, random.random()), _wished_seconds(trouble)))
                continue
            failures = 0
            await self._tell_well(account)
            took = clock.monotonic() - began
            if idle and took < SOON_SECONDS:
                await asyncio.sleep(max(self._wait.total_seconds() - took, 0.05))

    async def _poll(self, account: str, code: str) -> bool:
        """Fetch and deliver one page; whether nothing came, or only what came before: an endpoint whose cursors lead in a circle."""
        after = await self._aside(self._intake.cursor, self._route.name, account)
        page = await self._route.poll(code, after, limit=self._limit, wait=self._wait)
        await self._aside(self._deliver, account, page, after)
        return not page.receipts or page.next == after or self._came_before(account, page)

    def _came_before(self, account: str, page: PolledPage) -> bool:
        key = hash((account, page.receipts))
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        return False

    def _deliver(self, account: str, page: PolledPage, after: str) -> None:
        if page.receipts or page.next != after:
            self._intake.deliver(self._route.name, account, list(page.receipts), after, page.next)

    async def _tell_trouble(self, account: str, trouble: Exception) -> None:
        why = trouble.why if isinstance(trouble, Deferred) else f"{type(trouble).__name__}: {trouble}"
        async with self._telling:
            if self._troubles.get(account) != why:
                self._troubles[account] = why
                await self._aside_quietly(self._intake.on_trouble, self._route.name, why)

    async def _tell_well(self, account: str) -> None:
        if self._told_well and not self._troubles:
            return
        async with self._telling:
            was_in_trouble = self._troubles.pop(account, None) is not None
            if not self._troubles and (was_in_trouble or not self._told_well):
                self._told_well = await self._aside_quietly(self._intake.on_well, self._route.name)

    async def _aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what may block in the door's own thread: the loop belongs to all routes."""
        done: Future[T] = Future()

        def call() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(work(*args, **kwargs))
            except BaseException as error:
                done.set_exception(error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}"))
                if not isinstance(error, Exception):
                    raise

        self._work.put(call)
        return await asyncio.wrap_future(done)

    async def _aside_quietly(self, tell: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> bool:
        """As `_aside`, where an error must not end the poll: the port says its own troubles when it is next asked."""
        try:
            await self._aside(tell, *args, **kwargs)
        except Exception:
            return False
        return True


def _wished_seconds(trouble: Exception) -> float:
    """How long the endpoint asked us to stay away."""
    return trouble.after.total_seconds() if isinstance(trouble, Deferred) and trouble.after else 0.0
