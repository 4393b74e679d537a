"""Receipts that cannot be fetched are told while that lasts: not at the start's first try, and not where their route is told already."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from tongguan.gateway.journal.port import FlowJournal
from tongguan.gateway.model.errors import each_of, in_both, in_language
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.printed import at_home
from tongguan.inbox.receipts import LONGEST_PAUSE_SECONDS
from tongguan.outbox.alerts import Alerts

FIRST_SECONDS = 5.0  #: of a start, in which an authority that comes up at the same time may still be away
_DO = "tongguan doctor"


class ReceiptWatch:
    """What polls say; any thread may say it, one looks."""

    def __init__(self, settings: Settings, journal: FlowJournal, alerts: Alerts, *, patience: float = FIRST_SECONDS) -> None:
        self._settings, self._journal, self._alerts = settings, journal, alerts
        self._lock = threading.Lock()
        self._troubles: dict[str, tuple[str, int]] = {}  #: of a route: why, since when
        self._not_before: dict[str, float] = {}  #: seconds of the machine's own clock
        self._first_ends = clock.monotonic() + patience

    def trouble(self, route: str, why: str) -> None:
        with self._lock:
            _, since = self._troubles.get(route, ("", clock.now_ms()))
            self._troubles[route] = (why, since)

    def well(self, route: str) -> None:
        with self._lock:
            self._troubles.pop(route, None)
        self._alerts.over("receipts", route)

    def look(self) -> None:
        """Tell what lasts. Of a route that is shut its lane tells; when that opens, the next poll is waited for."""
        now = clock.monotonic()
        with self._lock:
            troubles = dict(self._troubles)
        for route, (why, _) in troubles.items():
            if self._shut(route):
                self._not_before[route] = now + LONGEST_PAUSE_SECONDS
                self._alerts.over("receipts", route)
            elif now >= self._not_before.get(route, self._first_ends):
                zh, en = each_of(why)
                text = in_both(f"取不到 {route} 的回执：{zh}", f"receipts of {route} cannot be fetched: {en}")
                with self._lock:
                    stands = route in self._troubles
                if stands:
                    self._alerts.tell("receipts", text, do=_DO, about=route)

    def _shut(self, route: str) -> bool:
        lane = self._journal.lanes.get(Lane(LaneKind.ROUTE, route)) or self._journal.lanes.get(Lane(LaneKind.ASK, route))
        return lane is not None and lane.reason != "paused"

    def shown(self, route: str) -> Mapping[str, Any] | None:
        """A route whose receipts cannot be fetched, as the heartbeat shows it."""
        trouble = self._troubles.get(route)
        if trouble is None or clock.monotonic() < self._first_ends:
            return None
        why, since = trouble
        text = in_language(why, self._settings.gateway.language)
        do = at_home(_DO, self._settings.home)
        return {"open": False, "reason": "receipts", "text": text, "since": times.show(since), "do": do}
