"""When the next message is due, lane by lane: one look at the journal serves all stations, until something is committed.

Promises: what a commit of this process made due is seen by whoever asks after it, and what others wrote within `_OLD`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from tongguan.gateway.journal.database import statements
from tongguan.gateway.system import clock

_OLD = 0.9  #: seconds after which a look is old: stations look once a second


class NextDue:
    """Threads share it; none of them waits for another."""

    def __init__(
        self, reading: Callable[[], AbstractContextManager[Connection]], monotonic: Callable[[], float] = clock.monotonic
    ) -> None:
        self._reading, self._monotonic = reading, monotonic
        self._lock = threading.Lock()
        self._asked: dict[str, None] = {}  #: every lane that anybody asks for
        self._known: Mapping[str, int | None] = {}
        self._good_until = 0.0
        self._commits = 0

    def changed(self) -> None:
        """Something was committed: what is known may be wrong."""
        with self._lock:
            self._commits += 1
            self._known = {}

    def by(self, now: int, lanes: Sequence[str]) -> bool:
        """May a message be due in one of these lanes at that time?"""
        with self._lock:
            known = self._known if self._monotonic() < self._good_until else {}
        if any(lane not in known for lane in lanes):
            known = self._look(lanes)
        return any((due := known[lane]) is not None and due <= now for lane in lanes)

    def _look(self, lanes: Sequence[str]) -> Mapping[str, int | None]:
        with self._lock:
            self._asked.update(dict.fromkeys(lanes))
            asked, before, began = list(self._asked), self._commits, self._monotonic()
        with self._reading() as connection:
            found = {lane: due for lane, due in statements.NEXT_DUE.rows(connection, values=asked)}
        with self._lock:
            if self._commits == before:
                self._known, self._good_until = found, began + _OLD
        return found
