"""What a broker has not been told yet, as the journal shows it to whoever looks from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tongguan.gateway.journal.reading.following import MoveLine
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.model.message import Kind
from tongguan.outbox.queues import events, replies
from tongguan.outbox.queues.events import happened
from tongguan.outbox.queues.replay import kept_cursor
from tongguan.outbox.queues.replies import ReplyFinder

_PAGE, _MOST = 2000, 100_000  #: moves


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and since when the first one does; `more`: it was not counted to the end."""

    count: int = 0
    since: int | None = None
    more: bool = False


def events_waiting(records: Search) -> Waiting:
    return _waiting(records, events.NAME, _moments_of_events)


def replies_waiting(records: Search) -> Waiting:
    return _waiting(records, replies.NAME, lambda records, lines: [r.line.at for r in ReplyFinder(records, lines).found()])


def _moments_of_events(records: Search, lines: Sequence[MoveLine]) -> list[int]:
    messages = records.moved_messages({line.message_id for line in lines})
    submissions = {id_ for id_, message in messages.items() if message.kind == Kind.SUBMISSION}
    return [event.line.at for event in happened(lines, submissions)]


def _waiting(records: Search, name: str, moments: Callable[[Search, Sequence[MoveLine]], Sequence[int]]) -> Waiting:
    cursor, found, seen = kept_cursor(records, name), Waiting(), 0
    records.leave_out_damaged()
    while cursor is not None and seen < _MOST:
        lines, behind = records.moves_behind(cursor, _PAGE)
        if not lines:
            return found
        at = moments(records, lines)
        found = Waiting(found.count + len(at), found.since if found.since is not None else min(at, default=None))
        cursor, seen = behind, seen + len(lines)
    return Waiting(found.count, found.since, more=seen >= _MOST)
