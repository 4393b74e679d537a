"""What goes on between the calls: the flows are played when they are due, and who waits for receipts is woken."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress

import aiohttp

from tongguan.simulators.books.store import Course
from tongguan.simulators.customs.forwarding import forward
from tongguan.simulators.customs.made_documents import drop_expired
from tongguan.simulators.script.player import play
from tongguan.simulators.script.script import Step
from tongguan.simulators.server.office import Office
from tongguan.simulators.server.timer import Rounds, die

_LEASE = 15.0  #: seconds for handing a document to another authority
_AT_ONCE = 64


class Feed:
    """Where callers wait for receipts of an account."""

    def __init__(self, office: Office) -> None:
        self._store = office.store
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._closed = False

    async def receipts(self, account: str, after: int, limit: int, wait: float) -> list[tuple[int, bytes]]:
        """List receipts after a cursor with their cursors; wait so many seconds for the first."""
        deadline = time.monotonic() + wait
        news = asyncio.Event()
        self._waiting[account].add(news)
        try:
            while True:
                news.clear()
                found = self._store.feed(account, after, limit)
                left = deadline - time.monotonic()
                if found or left <= 0 or self._closed:
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), left)
        finally:
            self._waiting[account].discard(news)
            if not self._waiting[account]:
                del self._waiting[account]

    def tell(self, account: str) -> None:
        """Wake those who wait for an account's receipts."""
        for one in self._waiting.get(account, ()):
            one.set()

    def close(self) -> None:
        """Send everybody home."""
        self._closed = True
        for account in list(self._waiting):
            self.tell(account)


class Clockwork:
    """Play the flows of an authority."""

    def __init__(self, office: Office, feed: Feed) -> None:
        self._office = office
        self._feed = feed
        self._rounds = Rounds(office.clock)
        self.planned = self._rounds.planned
        self._handing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Play until cancelled. An error ends the process."""
        await self._rounds.run(self._turn, _LEASE / 2)

    async def _turn(self, client: aiohttp.ClientSession) -> float | None:
        store, over = self._office.store, drop_expired(self._office)
        told = set[str]()
        for course in store.due_courses(self._office.clock.now(), _AT_ONCE):
            step = Step(**course.steps[0])
            if step.forward:
                store.lend_course(course.id, self._office.clock.later(_LEASE))
                task = asyncio.create_task(self._hand_over(client, course, step.forward))
                self._handing.add(task)
                task.add_done_callback(self._handing.discard)
            else:
                told.add(play(self._office, course))
            await asyncio.sleep(0)
        for account in told:  # who waits gets all of it in one answer
            self._feed.tell(account)
        return min((due for due in (over, store.next_due()) if due is not None), default=None)

    async def _hand_over(self, client: aiohttp.ClientSession, course: Course, receiver: str) -> None:
        try:
            outcome = await forward(self._office, client, course, receiver)
            self._feed.tell(play(self._office, course, outcome))
            self.planned()
        except Exception as error:
            die(error)
