"""Lanes that are shut are told and probed, and the clock is watched, while messages flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from tongguan.gateway.daemon.watching.deadline_watch import DeadlineWatch
from tongguan.gateway.daemon.watching.health_checks import HealthChecks
from tongguan.gateway.daemon.watching.receipt_watch import ReceiptWatch
from tongguan.gateway.flow.cards.watch import CardWatch, refused_pin
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.clock_changes import Timekeeper
from tongguan.gateway.model.errors import each_of, in_both, in_language, many
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.printed import at_home
from tongguan.outbox.alerts import Alerts
from tongguan.signer.cards.pin import Secret
from tongguan.signer.errors import CardBroken, PinWrong

_PROBES = 16  #: lanes asked at once: one that hangs holds up no other
_OF_ROUTES = (LaneKind.ROUTE, LaneKind.ASK, LaneKind.OWED)
_AGAIN = 60.0  #: seconds after which shut lanes are told again, for the alerts to repeat in their time


class Watching:
    """Runs beside the stations; `probe` and `clock` each from one thread, all else from any."""

    def __init__(self, site: Site, alerts: Alerts, timekeeper: Timekeeper, receipts: ReceiptWatch | None = None) -> None:
        self._site, self._alerts, self._timekeeper = site, alerts, timekeeper
        self.receipts = receipts or ReceiptWatch(site.rules.settings, site.journal, alerts)
        self.cards = CardWatch(site, alerts)
        self.months = DeadlineWatch(site, alerts)
        self.checks = HealthChecks(site, alerts, self.cards).all
        self._told: Mapping[str, tuple[str, str]] | None = None
        self._told_at = 0.0
        self._hands = ThreadPoolExecutor(max_workers=_PROBES, thread_name_prefix="probe")
        self._asked: dict[str, Future[bool]] = {}
        self._jumps = 0

    def close(self) -> None:
        """Begin no more probes. May be repeated."""
        self._hands.shutdown(wait=False, cancel_futures=True)

    def probe(self, *, patience: float | None = None) -> bool:
        """Try each shut lane whose time has come, once; one that answers is opened, which makes its messages due.

        Waits for what was asked, `patience` seconds at most; True when a lane was opened.
        """
        self._timekeeper.look()  # a clock that was set moves what waits, before anybody finds it due, and writes by the new one
        self.cards.tell()
        self._tell_lanes()
        opened = False
        for lane in self._site.journal.lanes.values():
            if self.cards.is_cards(lane):
                if self.cards.may_open(lane):
                    self._site.journal.open_lane(lane.name)
                    opened = True
            elif lane.probe_at is not None and lane.probe_at <= clock.now_ms() and lane.name not in self._asked:
                self._asked[lane.name] = self._hands.submit(self._try, lane)
        wait(self._asked.values(), timeout=patience)
        done = {name: asked for name, asked in self._asked.items() if asked.done()}
        self._asked = {name: asked for name, asked in self._asked.items() if name not in done}
        return any([opened, *(asked.result() for asked in done.values())])

    def _tell_lanes(self) -> None:
        shut = {str(lane.name): (lane.text, lane.do) for lane in self._told_as_lanes()}
        if shut == self._told and clock.monotonic() - self._told_at < _AGAIN:
            return
        self._told, self._told_at = shut, clock.monotonic()
        for name, (text, do) in shut.items():
            zh, en = each_of(text)
            self._alerts.tell("lane", in_both(f"{name} 已关闭：{zh}", f"{name} is shut: {en}"), do=do, about=name)
        self._alerts.only("lane", shut)

    def _told_as_lanes(self) -> Iterator[ClosedLane]:
        """Lanes that are shut, each trouble once: a card's is told as the card's, a route's by the first of its lanes."""
        shut = self._site.journal.lanes
        for lane in shut.values():
            kind, name = lane.name.kind, lane.name.name
            of_card = self.cards.is_cards(lane) and name in self._alerts.about("card")
            again = kind in _OF_ROUTES and any(
                other.text == lane.text and other.reason != "paused"
                for each in _OF_ROUTES[: _OF_ROUTES.index(kind)]
                if (other := shut.get(Lane(each, name))) is not None
            )
            if lane.reason != "paused" and not of_card and not again:
                yield lane

    def _try(self, lane: ClosedLane) -> bool:
        """Open the lane if it answers, else look again later; a probe that fails is no answer."""
        try:
            answers = self._answers(lane)
        except Exception:
            answers = False
        journal = self._site.journal
        present = journal.lanes.get(lane.name)
        if present is None or replace(present, probe_at=lane.probe_at) != lane:
            return False  # a person paused or opened it while we asked
        if answers:
            journal.open_lane(lane.name)
            return True
        pause = round(self._site.rules.settings.schedule.probe.total_seconds() * 1000)
        self._timekeeper.look()
        journal.close_lane(replace(present, probe_at=clock.now_ms() + pause))
        return False

    def _answers(self, lane: ClosedLane) -> bool:
        """Is what the lane leads to there again?"""
        kind, name = lane.name.kind, lane.name.name
        if kind in (LaneKind.ROUTE, LaneKind.ASK) and name in self._site.routes:
            return self._site.routes[name].healthy()
        return True

    def clock(self) -> bool:
        """Has the wall clock been set? What waits was moved with it; True once for each time, for whoever else goes by it."""
        timekeeper = self._timekeeper
        timekeeper.look()
        text = ""
        if jump := timekeeper.unsteady():
            zh, en = _length(jump)
            text = in_both(
                f"系统时钟向{'前' if jump > 0 else '后'}跳了 {zh}；等待的报文、期限已随之调整",
                f"the machine's clock jumped {'forward' if jump > 0 else 'back'} by {en}; what waits was moved with it",
            )
        self._alerts.stands("clock", text, do="timedatectl")
        before, self._jumps = self._jumps, timekeeper.count
        return self._jumps > before

    def _in_words(self, text: str) -> str:
        return in_language(text, self._site.rules.settings.gateway.language) or ""

    def give_pin(self, name: str, pin: Secret) -> str:
        """Try a person's PIN once; the card's lane opens when it is right, and shuts at once when the card refuses it.

        Raises what the card says then, and PinUnfit for what was not tried.
        """
        if name not in self._site.cards:
            raise CardBroken(f"没有卡 {name}", f"there is no card {name}")
        try:
            self._site.cards[name].give_pin(pin)
        except PinWrong as wrong:
            refused_pin(self._site, name, in_both(wrong.zh, str(wrong)))
            raise
        self._site.journal.open_lane(Lane(LaneKind.CARD, name))
        return f"card {name} is open"

    def look(self) -> None:
        """Every check, once."""
        for check in self.checks.values():
            check()

    def health(self) -> Mapping[str, Any]:
        """Cards, routes, paused accounts, and a business clock that is not the machine's, as the heartbeat shows them."""
        lanes = self._site.journal.lanes
        cards = {n: self._card(n, lanes.get(Lane(LaneKind.CARD, n))) or {"open": True} for n in self._site.cards}
        routes = {
            n: self._shown(lanes.get(Lane(LaneKind.ROUTE, n))) or self.receipts.shown(n) or {"open": True}
            for n in self._site.routes
        }
        paused = {n: shown for n in self._site.rules.accounts if (shown := self._shown(lanes.get(Lane(LaneKind.ACCOUNT, n))))}
        return {
            "cards": cards,
            "routes": routes,
            "accounts": paused,
            "deadlines": self.months.shown,
            **self._site.business.shown(),
        }

    def _card(self, name: str, lane: ClosedLane | None) -> dict[str, Any] | None:
        """Why a card signs nothing: one that is out, or another one, is no matter of its PIN, whatever its lane was shut for."""
        seen = self.cards.shown(name)
        return seen if seen is not None and (lane is None or lane.reason == "pin") else self._shown(lane) or seen

    def _shown(self, lane: ClosedLane | None) -> dict[str, Any] | None:
        if lane is None:
            return None
        text, since = self._in_words(lane.text), times.show(lane.since)
        do = at_home(in_language(lane.do, self._site.rules.settings.gateway.language) or "", self._site.rules.settings.home)
        shown = {"open": False, "reason": lane.reason, "text": text, "since": since, "do": do}
        return {**shown, "who": lane.who} if lane.who else shown


def _length(ms: int) -> tuple[str, str]:
    """A span in words, by its two largest units."""
    left, found = round(abs(ms) / 1000), list[tuple[int, str, str]]()
    for seconds, zh, en in ((86_400, "天", "day"), (3600, "小时", "hour"), (60, "分钟", "minute"), (1, "秒", "second")):
        count, left = divmod(left, seconds)
        found += [(count, zh, en)] if count else []
    shown = found[:2]
    return " ".join(f"{n} {zh}" for n, zh, _ in shown), " ".join(many(n, en) for n, _, en in shown)
