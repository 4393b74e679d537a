"""Publish pages of messages, and offer again what a queue did not take.

Promises: of messages that are ordered by the same thing none is offered before the one before it is taken or given up; what was refused is
offered again for as long as `pauses` say, and holds up nothing else meanwhile; then its queue or exchange goes without, until it takes
a whole page again. What is not settled when the connection or the process ends is offered again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.queueing import BrokerLink, OutgoingMessage, PublishResult
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock

#: messages, and bytes, that are kept to be offered again; beyond them their queues go without
_MOST_KEPT, _MOST_KEPT_BYTES = 10_000, 16_000_000
_NOT_TAKEN = (PublishResult.REJECTED, PublishResult.KEPT_BACK)


Until = Callable[[], bool]
HearsResults = Callable[[Sequence[OutgoingMessage], Sequence[PublishResult]], None]
"""Who is told what became of messages: of each once."""


@dataclass(slots=True)
class PublishedPage:
    """A page of the history: where it ends, how many events there are by then of each document in it, and how many are to be offered again."""

    behind: Cursor
    counts: Mapping[str, int] = field(default_factory=dict)
    open: int = 0


@dataclass(slots=True)
class _KeptMessage:
    """One that was not taken, or must not come before such a one."""

    message: OutgoingMessage
    page: PublishedPage
    tries: int = 0
    at: float = 0.0  #: not to be offered before

    @property
    def row(self) -> str:
        """What it stands in a row with."""
        return self.message.ordered_by or self.message.message_id


class PagePublisher:
    """One thread's. `until` ends the waiting for a broker that takes nothing."""

    def __init__(self, pauses: Sequence[float], told: HearsResults, until: Until) -> None:
        self._pauses, self._told, self._until = pauses, told, until
        self._kept: list[_KeptMessage] = []
        self._without: set[str] = set()  # queues and exchanges that took no more when they were last told something

    @property
    def waiting(self) -> bool:
        """Is there something to be offered again?"""
        return bool(self._kept)

    def rest(self, most: float) -> float:
        """Seconds until something is to be offered again, at most so many."""
        now = clock.monotonic()
        return min((max(0.0, first.at - now) for first in self._firsts()), default=most) if self._kept else most

    def publish(self, link: BrokerLink, page: PublishedPage, messages: Sequence[OutgoingMessage]) -> None:
        """Publish a page. BrokerBroken: nothing of it is kept here, and it is to be published again."""
        rows = {each.row for each in self._kept}
        offered = [message for message in messages if message.ordered_by not in rows]
        results = iter(publish_in_order(link, [self._freed(message) for message in offered], self._until))
        settled: list[tuple[OutgoingMessage, PublishResult]] = []
        refused: set[str] = set()
        now = clock.monotonic()
        for message in messages:
            result = PublishResult.KEPT_BACK if message.ordered_by in rows else next(results)
            if result is PublishResult.REJECTED:
                refused.add(_way(message))
            if result in _NOT_TAKEN and _way(message) not in self._without:
                self._kept.append(_KeptMessage(message, page, at=now + self._pauses[0]))
                page.open += 1
            else:
                settled.append((message, result))
        self._without &= refused | (self._without - {_way(message) for message in offered})
        self._tell(settled)

    def offer_again(self, link: BrokerLink) -> None:
        """Offer what it is time for, each row from its first one on; give up what was offered for long enough, or where there is too much."""
        now = clock.monotonic()
        due = {first.row for first in self._firsts() if first.at <= now}
        if due:
            self._offer(link, [each for each in self._kept if each.row in due])
        tired = [each for each in self._kept if each.tries >= len(self._pauses)]
        ways = {_way(each.message) for each in tired}
        if len(self._kept) > _MOST_KEPT or sum(len(each.message.body) for each in self._kept) > _MOST_KEPT_BYTES:
            ways = {_way(each.message) for each in self._kept}
        if ways:
            self._settle([(each, PublishResult.REJECTED) for each in tired])
            self._without |= ways
            rest = [each for each in self._kept if _way(each.message) in ways]
            results = publish_in_order(link, [self._freed(each.message) for each in rest], self._until)
            self._settle(zip(rest, results, strict=True))

    def _offer(self, link: BrokerLink, kept: Sequence[_KeptMessage]) -> None:
        results = publish_in_order(link, [each.message for each in kept], self._until)
        now = clock.monotonic()
        taken = []
        for each, result in zip(kept, results, strict=True):
            if result not in _NOT_TAKEN:
                taken.append((each, result))
            elif result is PublishResult.REJECTED:
                each.tries += 1
                each.at = now + self._pauses[min(each.tries, len(self._pauses) - 1)]
        self._settle(taken)

    def _settle(self, settled: Iterable[tuple[_KeptMessage, PublishResult]]) -> None:
        """These are offered no more."""
        told = list(settled)
        gone = {id(each) for each, _ in told}
        self._kept = [each for each in self._kept if id(each) not in gone]
        for each, _ in told:
            each.page.open -= 1
        self._tell([(each.message, result) for each, result in told])

    def _tell(self, settled: Sequence[tuple[OutgoingMessage, PublishResult]]) -> None:
        if settled:
            self._told([message for message, _ in settled], [result for _, result in settled])

    def _firsts(self) -> Iterable[_KeptMessage]:
        """The first of each row."""
        return {each.row: each for each in reversed(self._kept)}.values()

    def _freed(self, message: OutgoingMessage) -> OutgoingMessage:
        """Where a queue goes without, nothing waits for what it refuses."""
        return replace(message, ordered_by="") if message.ordered_by and _way(message) in self._without else message


def publish_in_order(link: BrokerLink, messages: Sequence[OutgoingMessage], until: Until = lambda: False) -> list[PublishResult]:
    """Publish so that each is with the broker before the next that is ordered by the same thing leaves; what follows one that was
    rejected is kept back.

    In waves, each with the next one of every row: many rows go as fast as without it.
    """
    results = [PublishResult.KEPT_BACK] * len(messages)
    left, refused = list(range(len(messages))), set[str]()
    while left:
        wave, behind = list[int](), list[int]()
        begun = set[str]()
        for n in left:
            row = messages[n].ordered_by
            if row in refused:
                continue
            (behind if row in begun else wave).append(n)
            if row:
                begun.add(row)
        told = link.publish([messages[n] for n in wave], until=until) if wave else ()
        for n, result in zip(wave, told, strict=True):
            results[n] = result
            if result is PublishResult.REJECTED and messages[n].ordered_by:
                refused.add(messages[n].ordered_by)
        left = behind
    return results


def _way(message: OutgoingMessage) -> str:
    return message.exchange or message.routing_key
