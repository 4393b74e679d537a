"""Events once more: the same ids, the same numbers, for who has lost some or comes late.

Reads the history from outside; nothing of it is written, and the gateway's own cursor stays where it is. What it has not told yet is not told
here either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tongguan.gateway.journal.history.digests import PLACES
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.following import MovedMessage, MoveLine
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.queueing import OutgoingMessage
from tongguan.outbox.queues.events import NAME, EventWriter, Happened
from tongguan.outbox.status.files import StatusContext

_PAGE = 500  #: moves

LookInto = Callable[[], AbstractContextManager[Search]]
"""One moment of the journal."""


@dataclass(frozen=True, slots=True)
class ReplaySpan:
    """Of when, in milliseconds, and whose; an empty account: everybody's."""

    since: int
    until: int
    account: str = ""

    def holds(self, at: int) -> bool:
        return self.since <= at <= self.until


@dataclass(frozen=True, slots=True)
class _EventsSoFar:
    """How far the gateway has told its events, and the numbers of runs, by which one tells what lies before that."""

    cursor: Cursor
    runs: Mapping[str, int]

    def before(self, line: MoveLine) -> bool:
        last = self.cursor.entries.get(line.run)
        return line.entry <= last if last is not None else self.runs.get(line.run, 1 << 62) <= self.cursor.newest


def kept_cursor(records: Search, name: str) -> Cursor | None:
    """How far whoever follows the history under this name has come; None: it never began."""
    kept = records.marker(f"{PLACES}{name}")
    return Cursor.of(kept) if kept is not None else None


def events_again(look: LookInto, context: StatusContext, span: ReplaySpan) -> Iterator[list[OutgoingMessage]]:
    """The events of a span that were told, page by page, in their order; nothing where the gateway has never told any."""
    writer = EventWriter(context)
    with look() as records:
        runs = records.runs_behind(Cursor())
        begin = _begin(records, runs, span.since)
        cursor = kept_cursor(records, NAME)
    if begin is None or cursor is None:
        return
    told = _EventsSoFar(cursor, dict(runs))
    count = _counted(look, writer, begin, told)
    with look() as records:  # a gateway that runs has told more meanwhile
        now = _EventsSoFar(kept_cursor(records, NAME) or cursor, dict(records.runs_behind(Cursor())))
        known = records.event_counts(count)
    more = _counted(look, writer, cursor, now)
    numbers = Counter({subject: known.get(subject, 0) - n - more[subject] for subject, n in count.items()})
    for records, events, messages in _pages(look, writer, begin, told):
        given = []
        for event in events:
            numbers[event.subject] += 1
            given.append((event, numbers[event.subject]))
        wanted = [(event, number) for event, number in given if span.holds(event.line.at)]
        page = writer.written(records, [event for event, _ in wanted], messages, [number for _, number in wanted])
        yield [each for each in page if not span.account or each.routing_key.startswith(f"{span.account}.")]


def _begin(records: Search, runs: list[tuple[str, int]], since: int) -> Cursor | None:
    """The place before the first entry that was not written before a moment; None where there is none."""
    for run, number in runs:
        first = records.first_entry_since(run, since)
        if records.has_entry(run, first):
            return Cursor(number, {run: first - 1})
    return None


def _counted(look: LookInto, writer: EventWriter, begin: Cursor, told: _EventsSoFar) -> Counter[str]:
    """How many events there are behind `begin` of each document, of those that were told."""
    count: Counter[str] = Counter()
    for _, events, _ in _pages(look, writer, begin, told):
        count.update(event.subject for event in events)
    return count


def _pages(
    look: LookInto, writer: EventWriter, cursor: Cursor, told: _EventsSoFar
) -> Iterator[tuple[Search, list[Happened], Mapping[str, MovedMessage]]]:
    """What happened behind a cursor, as far as it was told, each page with the moment in which it was read."""
    while True:
        with look() as records:
            records.leave_out_damaged()
            lines, behind = records.moves_behind(cursor, _PAGE)
            told_of = [line for line in lines if told.before(line)]
            if told_of:
                yield (records, *writer.happened(records, told_of))
        if not told_of:
            return
        cursor = behind
