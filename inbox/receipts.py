"""Receipts from authorities: a long poll for each account on each route.

Promises that the cursor moves only together with the receipts before it, in one call of the port; that one account's
trouble never stops another's poll; that nothing is asked for again before the last page was taken. Reads no receipt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar

from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.errors import Deferred, StationBroken

LONGEST_PAUSE_SECONDS = 60.0
#: an endpoint that answers an empty page sooner than this does not wait for receipts: then we do
SOON_SECONDS = 1.0

T = TypeVar("T")
P = ParamSpec("P")


class Page(Protocol):
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
    async def poll(self, account: str, after: str, *, limit: int, wait: timedelta) -> Page: ...


class Intake(Protocol):
    """Where receipts go; called from the door's own threads, for one account never twice at once."""

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
        self._polls: list[asyncio.Task[None]] = []
        self._hands: ThreadPoolExecutor | None = None
        self._troubles: dict[str, str] = {}
        self._told_well = False
        self._telling = asyncio.Lock()

    def start(self) -> None:
        self._hands = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"receipts-{self._route.name}")
        self._route.call(self._begin()).result()

    def stop(self) -> None:
        """Drop the open polls; a page that is being delivered is delivered to its end. May be repeated."""
        try:
            self._route.call(self._end()).result()
        except (CancelledError, StationBroken):
            self._polls = []  # the wire has stopped and taken the polls along
        if self._hands is not None:
            self._hands.shutdown(wait=True)

    def poll_once(self, wait: timedelta = timedelta(0)) -> int:
        """Poll each account once, here and now; how many receipts were delivered. Deferred when a route has no page."""
        delivered = 0
        for account, code in self._accounts.items():
            after = self._intake.cursor(self._route.name, account)
            page = self._route.call(self._route.poll(code, after, limit=self._limit, wait=wait)).result()
            self._deliver(account, page, after)
            delivered += len(page.receipts)
        return delivered

    async def _begin(self) -> None:
        self._polls = [asyncio.create_task(self._keep_polling(*account)) for account in self._accounts.items()]

    async def _end(self) -> None:
        polls, self._polls = self._polls, []
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

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
        """Fetch and deliver one page; whether nothing came."""
        after = await self._aside(self._intake.cursor, self._route.name, account)
        page = await self._route.poll(code, after, limit=self._limit, wait=self._wait)
        await self._aside(self._deliver, account, page, after)
        return not page.receipts or page.next == after

    def _deliver(self, account: str, page: Page, after: str) -> None:
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
        """Run what may block in a thread of the door: the loop belongs to all routes."""
        assert self._hands is not None
        return await asyncio.get_running_loop().run_in_executor(self._hands, lambda: work(*args, **kwargs))

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
