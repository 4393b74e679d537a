"""The thread that tells a broker what moved: it follows the history by a cursor of its own, page by page.

Promises: what moved behind the cursor is told at least once, of each document in the order of the history; the cursor is kept only where the broker has
answered for all before it. What a queue refuses is offered again for a while, and so is what must not come before it; nothing else waits
for it. Nobody waits for this thread: a broker that is away, silent or full delays what is told, and nothing else. It never changes a message.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.following import MoveLine
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.errors import BrokerBroken, StationBroken, each_of
from tongguan.gateway.model.queueing import BrokerLink, MessageBroker, OutgoingMessage, PublishResult
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files
from tongguan.gateway.system.threads import WorkMark
from tongguan.outbox.queues.page_publisher import PagePublisher, PublishedPage

#: moves read and told at a time
PAGE = 500
#: bytes after which pages become smaller, so that few of them are in memory
_LARGE = 16_000_000
#: seconds after a move in which others are waited for, so that they go in one page; and while there is always more
SOON, BUSY = 0.02, 0.25
#: seconds between two looks without anybody's ringing, in which the connection is kept alive
LOOK = 1.0
#: seconds after which the cursor is kept at the latest: so much may be told again after a crash
KEEP = 1.0
#: seconds before a broker that failed is tried again: at first, and at most
_RETRY, _MOST_RETRY = 0.5, 2.0
#: seconds for which a queue that was gone, or refused, is an alert after it was so last
GONE = 3600.0
#: seconds that a broker's answers are waited for once the gateway ends
_PATIENCE = 3.0


class HistoryMessages(Protocol):
    """What one such thread tells."""

    name: str  #: of the thread, and of its cursor
    pauses: Sequence[float]  #: in seconds, after which a queue is offered again what it did not take, before it goes without

    def declare(self, link: BrokerLink) -> None:
        """See that what it publishes to is there."""

    def prepare(self, records: Search, lines: Sequence[MoveLine]) -> Sequence[OutgoingMessage]:
        """What these moves have to say, in their order; perhaps not for the first time."""

    def passed(self) -> Mapping[str, int]:
        """All that was prepared last is published, or will be: the next is prepared behind it. How many events there are by now of each
        document in it; kept with the cursor."""

    def told(self, messages: Sequence[OutgoingMessage], results: Sequence[PublishResult]) -> None:
        """What became of these, of the last page or of earlier ones: each is told once."""

    def kept(self) -> None:
        """All that was told is kept."""

    def trouble(self, zh: str, en: str) -> None:
        """Nothing can be told at the moment."""

    def well(self) -> None:
        """It can."""

    def look(self) -> None:
        """Once in a while: end what is not true any more."""


@dataclass(slots=True)
class _HistoryProgress:
    """How far it has come, up to where nothing is to be offered again, and how far that is kept."""

    told: Cursor
    settled: Cursor
    kept: Cursor
    keep_at: float = math.inf


class HistoryTeller:
    """HistoryMessages what `tells` makes of the history; `turn` does one page and says whether there may be another."""

    def __init__(self, tells: HistoryMessages, journal: Journal, broker: MessageBroker) -> None:
        self.name = tells.name
        self._tells, self._journal, self._broker = tells, journal, broker
        self._link: BrokerLink | None = None
        self._place: _HistoryProgress | None = None
        self._bell, self._stopping = threading.Event(), threading.Event()
        self._stopped_at = math.inf
        self._retry = self._retry_at = 0.0
        self._page = PAGE
        self._publisher = PagePublisher(tells.pauses, tells.told, self._given_up)
        self._open: deque[PublishedPage] = deque()  # published, and not kept
        self._counts: dict[str, int] = {}  # of what is settled and not kept

    def ring(self) -> None:
        """Something moved."""
        self._bell.set()

    def stop(self) -> None:
        """Have it end after the page that it is at; a broker that is silent is waited for a moment only."""
        self._stopped_at = clock.monotonic()
        self._stopping.set()
        self._bell.set()

    def serve(self, pulse: WorkMark) -> None:
        """Tell what moves until it is stopped; then keep how far it came."""
        try:
            while not self._stopping.is_set():
                with pulse:
                    more = self.turn()
                busy = self._bell.is_set()
                if not more and self._bell.wait(self._publisher.rest(LOOK)):
                    self._bell.clear()
                    self._stopping.wait(BUSY if busy else SOON)
            self._keep(now=True)
        finally:
            self._disconnect()

    def turn(self) -> bool:
        """Tell one page; False when it was not a full one, so that nothing waits behind it, or the broker is not to be had."""
        try:
            if self._place is None:  # also while the broker is away: what moves from now on is told when it is back
                cursor = self._journal.begin_following(self.name)
                self._place = _HistoryProgress(cursor, cursor, cursor)
            if clock.monotonic() < self._retry_at:
                return False
            link = self._connected()
            self._publisher.offer_again(link)
            more = self._tell_page(link, self._place)
            self._keep()
        except (BrokerBroken, StationBroken) as broken:
            self._disconnect()
            self._retry = min(_MOST_RETRY, self._retry * 2) if self._retry else _RETRY
            self._retry_at = clock.monotonic() + self._retry
            self._tells.trouble(broken.zh, broken.en)
            return False
        self._retry = 0.0
        self._tells.well()
        return more

    def look(self) -> None:
        """From another thread, every second or so: is it waiting for a broker that takes nothing?"""
        link = self._link
        if link is not None and (why := link.blocked):
            self._tells.trouble(*each_of(why))
        self._tells.look()

    def _connected(self) -> BrokerLink:
        if self._link is None:
            link = self._broker.connect(self.name)
            try:
                self._tells.declare(link)
            except BaseException:
                link.close()
                raise
            self._link = link
        return self._link

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _tell_page(self, link: BrokerLink, place: _HistoryProgress) -> bool:
        with self._journal.search() as records:
            records.leave_out_damaged()
            asked = self._page
            lines, behind = records.moves_behind(place.told, asked)
            messages = self._tells.prepare(records, lines)
        large = sum(len(message.body) for message in messages) > _LARGE
        self._page = max(1, self._page // 8) if large else min(PAGE, self._page * 2)
        page = PublishedPage(behind)
        if messages:
            self._publisher.publish(link, page, messages)
        else:
            link.beat()
        files.at("told a broker")
        page.counts = self._tells.passed()
        if behind != place.told:
            place.told = behind
            self._open.append(page)
        return len(lines) >= asked

    def _given_up(self) -> bool:
        return clock.monotonic() > self._stopped_at + _PATIENCE

    def _keep(self, *, now: bool = False) -> None:
        """Keep how far all is settled, now and then."""
        place = self._place
        if place is None:
            return
        while self._open and not self._open[0].open:
            page = self._open.popleft()
            place.settled = page.behind
            self._counts.update(page.counts)
            place.keep_at = min(place.keep_at, clock.monotonic() + KEEP)
        if place.settled != place.kept and (now or clock.monotonic() >= place.keep_at):
            self._journal.set_told(self.name, place.settled, self._counts)
            self._counts = {}
            if not self._open:
                self._tells.kept()
            place.kept, place.keep_at = place.settled, math.inf
