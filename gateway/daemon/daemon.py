"""The daemon: one process that owns a home's journal and runs its doors and stations.

Each station has a thread of its own, so a slow card or route leaves the others' pace alone. Without `start`, `turn` does one
round of everything in the caller's thread: the same work, played step by step.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tongguan import __version__
from tongguan.gateway.daemon import assembly
from tongguan.gateway.daemon.alert_ways import make_channels
from tongguan.gateway.daemon.fast_clock import FastClock
from tongguan.gateway.daemon.metrics_port import MetricsPort
from tongguan.gateway.daemon.pin_socket import PinDoor
from tongguan.gateway.daemon.preparing.workers import PrepareWorkers, make_workers
from tongguan.gateway.daemon.queue_doors import QueueDoors
from tongguan.gateway.daemon.retention import DailyClearing
from tongguan.gateway.daemon.service_manager import ServiceManager
from tongguan.gateway.daemon.start_checks import account_codes
from tongguan.gateway.daemon.watching.lane_probes import Watching
from tongguan.gateway.daemon.watching.pressure import Pressure
from tongguan.gateway.daemon.watching.receipt_watch import FIRST_SECONDS, ReceiptWatch
from tongguan.gateway.daemon.watching.table_reload import TableReload
from tongguan.gateway.flow.intake.door import PART, take
from tongguan.gateway.flow.intake.unserved import take_up
from tongguan.gateway.flow.orders import RELOADED, Orders
from tongguan.gateway.flow.query.authority.known_answers import KnownAnswers
from tongguan.gateway.flow.query.recount import Recount
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.slots import Slots
from tongguan.gateway.flow.submission.dispatch import series_ahead
from tongguan.gateway.flow.submission.send import incoming
from tongguan.gateway.flow.table import stations
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.writer import Changed
from tongguan.gateway.model.errors import SettingsWrong, StationBroken, each_of, in_both
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.settings import RUNNING, Settings, own_files, read_raw, settings_of
from tongguan.gateway.system import clock, logs
from tongguan.gateway.system.storage import files, home_lock, permissions
from tongguan.gateway.system.threads import Serve, WorkMark
from tongguan.gateway.system.times import china_date
from tongguan.gateway.work.moment import waits_for
from tongguan.gateway.work.station import Station
from tongguan.gateway.work.supervisor import STUCK, WITHIN, Supervisor, complain
from tongguan.inbox.calendar import Calendar
from tongguan.inbox.mailbox import Mailbox
from tongguan.inbox.queues.door import SubmissionDoor
from tongguan.inbox.receipts import ReceiptDoor
from tongguan.inbox.watch import Ear, Watch
from tongguan.outbox.alerts import AlertNotice, Alerts
from tongguan.outbox.queues.events import Events
from tongguan.outbox.queues.history_teller import HistoryTeller
from tongguan.outbox.queues.replies import Replies
from tongguan.outbox.sms import Notifier
from tongguan.outbox.status.files import StatusContext
from tongguan.outbox.status.tellers import Tellers
from tongguan.routes.broker.broker import make_broker
from tongguan.routes.event_loop import EventLoop

log = logs.get_logger("daemon")
_DROPS = 4 * PART  #: files taken in one hand where others prepare them: while a part is written, they are at the next
_LOCK_TRIES = 20  #: a second in all
_PROBE = 0.1  #: seconds between two looks at shut lanes
_CALM = 0.25  #: likewise while none is shut
_UPKEEP = 1.0  #: seconds between two looks at what is in hand
_TABLES = timedelta(minutes=1)  #: between two looks at a home's code tables
_SLOTS = timedelta(minutes=1)  #: of business, between two looks at what days begin
_MONTHS, _MONTHS_LEAST = timedelta(hours=1), timedelta(seconds=5)  #: likewise at what must be declared by a day
_KEPT = timedelta(hours=1)  #: of business, between two looks at what is kept up to a day
_SLOTS_LEAST = timedelta(seconds=0.5)  #: of the machine, whatever its business clock does
_PRESSURE = 2.0  #: seconds between two looks at what room is left
_DEAD = timedelta(seconds=10)  #: between two looks at messages that nobody could read
_POLL = 1.0  #: seconds after which a station looks again without having been woken
_IDLE_POLL = 4.0  #: likewise for a mailbox into which nothing comes
_RESTS = 9  #: times as long as a turn of counting anew took, which may go on for minutes behind everything else
_OTHERS_END = 60.0  #: seconds that all threads together get to finish what is in hand
_LAST_TURN = 25.0  #: seconds after that for the last files of all mailboxes
_HANGUP, _FATAL = bytes([signal.SIGHUP]), b"\xff"  #: what wakes the main thread: a signal's number, or the supervisor
#: threads that others need to the end, so that they end last
_LAST = ("journal", "numbers", "wire", "teller", "prepare")
#: work that may take longer than other work
_PATIENCE = {name: timedelta(minutes=10) for name in ("card", "print", "calendar:deadlines", "alerts")}
#: a broker that lacks memory is waited for in the middle of a page; an alert of its own says so
_PATIENCE |= {name: timedelta(days=1) for name in ("replies", "events")}
_MOST_REST = 1.0  #: seconds behind a turn of a station that gives way: on the busiest machine it goes on all the same
FAILED = 70  #: exit code (EX_SOFTWARE): the service manager begins anew


class Daemon:
    """One home's gateway. `only` names the stations to run (all when None), `processes` how many there are of it (None: as suits the
    machine).

    `fatal` hears why the process must end: a thread fails again and again. `again` is called to have the settings read anew. `before` is the gateway that runs here, of other
    settings: its home, journal and unchanged cards are taken over, and nothing of it is touched before `start`.
    """

    home_lock: int
    alerts: Alerts
    journal: Journal
    site: Site
    tellers: Tellers
    metrics: MetricsPort | None

    def __init__(
        self,
        home: Path,
        *,
        only: frozenset[str] | None = None,
        fatal: Callable[[str], None] = lambda why: None,
        again: Callable[[], None] = lambda: None,
        before: Daemon | None = None,
        processes: int | None = None,
    ) -> None:
        self._read = read_raw(home)
        self.settings: Settings = settings_of(self._read, home)
        self.say = self.settings.gateway.say
        if before is not None and self.settings.database != before.settings.database:
            raise SettingsWrong(
                "网关运行时不能更改 database.url：请先停止，再启动",
                "database.url cannot be changed while the gateway runs: stop it, and start it again",
            )
        if (wrong := next(home_lock.in_the_way(self.settings.home), None)) is not None:
            raise wrong
        self.home_lock = _lock(self.settings.home) if before is None else before.home_lock
        self._only, self._before, self._processes, self._again = only, before, processes, again
        same = before is not None and self.settings.alerts == before.settings.alerts
        if before is not None and same and self.settings.gateway.language == before.settings.gateway.language:
            self.alerts = before.alerts
        else:
            self.alerts = Alerts(
                self.settings.path(self.settings.alerts.file),
                repeat=self.settings.alerts.repeat,
                language=self.settings.gateway.language,
                home=self.settings.home,
            )
        self.manager = ServiceManager()
        self.tables = TableReload(self.settings, self.alerts, again)
        self.supervisor = Supervisor(self.alerts, say=self.say, fatal=fatal)
        self._stopping = self.supervisor.stopping
        self._untold_at = -math.inf
        permissions.mend(self.settings.home, own_files(self.settings))
        try:
            self.journal = Journal.open(self.settings.database.url, self.settings.home) if before is None else before.journal
            self._assemble()
        except BaseException:
            if before is None:
                os.close(self.home_lock)
            raise

    def _assemble(self) -> None:
        self.wire = EventLoop()
        self.fast_clock = FastClock(self.settings, self.journal, self.alerts)
        with contextlib.ExitStack() as undo:
            if self._before is None:
                undo.callback(self.journal.dispose)
            undo.callback(self.wire.stop)
            undo.callback(self._stopping.set)  # first of all: the wire's end is no failure of its thread
            self._environment_holds()
            self.wire.start(self._thread)
            self.site = assembly.make_site(
                self.settings,
                self.journal,
                self.wire,
                before=self._before.site if self._before is not None else None,
                preparer=self._make_workers,
                business=self.fast_clock.business,
            )
            undo.callback(self._close_cards, None if self._before is None else self._before.site)
            self._codes = account_codes.new_ones(self.site.rules, self.journal)
            self.broker = make_broker(self.settings.broker, self.settings.home)
            self.queues = (
                QueueDoors(self.settings, self.broker, self.alerts, stopping=self._stopping.is_set)
                if self.broker is not None
                else None
            )
            self.pressure = Pressure(self.settings, self.journal, self.alerts)
            self.mailboxes = assembly.make_mailboxes(self.settings, self.journal)
            patience = FIRST_SECONDS if self._before is None else 0.0
            receipts = ReceiptWatch(self.settings, self.journal, self.alerts, patience=patience)
            self.watching = Watching(self.site, self.alerts, self.journal.timekeeper, receipts)
            undo.callback(self.watching.close)
            former = self._before.tellers if self._before is not None else None
            context = self._surroundings()
            self.tellers = Tellers(self.journal, context, self.alerts, before=former)
            self.queue_tellers = self._queue_tellers(context)
            channel = assembly.make_channel(self.settings, self.wire)
            self.notifier = Notifier(self.journal, channel, self.alerts, self.settings)
            self.metrics = MetricsPort.of(
                self.site, self.alerts, before=self._before.metrics if self._before is not None else None
            )
            undo.callback(self._close_metrics)
            self.channels = make_channels(self.settings, self.alerts, self.wire)
            self.ears = {name: Ear(mailbox) for name, mailbox in self.mailboxes.items()}
            self.watch = Watch(self.ears.values())
            undo.callback(self.watch.close)
            self.doors = [self._receipt_door(name) for name in self.settings.route]
            self._pins = PinDoor(self.settings.home / home_lock.SOCKET, self.watching.give_pin)
            if self._before is None:
                self._take_over()
            undo.pop_all()

    def _make_workers(self, rules: Rules, answers: KnownAnswers) -> PrepareWorkers | None:
        self.workers = make_workers(self._processes, rules, self.journal, self.alerts, self.fast_clock.business, answers)
        return self.workers

    def _take_over(self) -> None:
        """From here on the journal's work is this gateway's."""
        self._tell_people()
        self.journal.set_markers(self._codes)
        self.fast_clock.begin()
        self.journal.on_trouble = self._not_told
        self.journal.listeners[:] = [self._told]
        self.journal.serials_ahead(series_ahead(self.site.rules.types.values(), self.site.business.now_ms()))
        take_up(self.site)
        self.stations: list[Station] = [s for s in stations(self.site) if self._runs(s.name.split(":")[0])]
        self.slots = Slots(self.site)
        self.retention = DailyClearing(self.settings, self.journal, self.mailboxes, self.alerts, self._stopping)
        self.tellers.recover()
        self.alerts.over("settings")  # those of this gateway hold

    def _tell_people(self) -> None:
        """From here on alerts go these gateway's ways; one that was there before goes on where it stands."""
        former = {each.name: each for each in self._before.channels} if self._before is not None else {}
        for channel in self.channels:
            if channel.name in former:
                channel.follow(former[channel.name])

        def tell(notice: AlertNotice) -> None:
            for channel in self.channels:
                channel.put(notice)

        self.alerts.listener = tell
        self.alerts.only("channel", [channel.name for channel in self.channels])

    def _close_cards(self, other: Site | None) -> None:
        """Let go of the cards that are not another site's too."""
        kept = {id(card) for card in other.cards.values()} if other is not None else set()
        for card in self.site.cards.values():
            if id(card) not in kept:
                card.close()

    def _environment_holds(self) -> None:
        """A journal belongs to test or to production for ever."""
        with self.journal.search() as records:
            known = records.marker("environment")
        mine = self.settings.gateway.environment
        if known is None:
            self.journal.set_markers({"environment": mine})
        elif known != mine:
            en = f"gateway.environment is {mine!r} but this journal is {known!r}'s: use another home"
            raise SettingsWrong(f"gateway.environment 是 {mine!r}，而日志库属于 {known!r}：请用另一个主目录", en)

    def _runs(self, kind: str) -> bool:
        return self._only is None or kind in self._only

    def _surroundings(self) -> StatusContext:
        profiles = self.site.rules.profiles
        accounts = self.site.rules.accounts
        language = self.settings.gateway.language
        return StatusContext(
            mailboxes=self.mailboxes,
            environment=self.settings.gateway.environment,
            home=self.settings.home,
            version=__version__,
            language=lambda name: self.site.rules.language(accounts[name]) if name in accounts else language,
            profile=lambda type_: profiles[type_].profile if type_ in profiles else None,
            health=self._health,
            shut=lambda lane: waits_for(self.journal.lanes, lane),
            paused=self._why_paused,
        )

    def _health(self) -> Mapping[str, Any]:
        """What the heartbeat says besides troubles."""
        if self.queues is None:
            return self.watching.health()
        return {**self.watching.health(), "queues": self.queues.shown()}

    def _why_paused(self, account: str) -> str | None:
        """What a mailbox says of why nothing is taken of its account; None while it is."""
        if lane := self.journal.lanes.get(Lane(LaneKind.ACCOUNT, account)):
            return lane.text
        return self.say(*each_of(self.pressure.reason)) or None

    def _pauses(self, account: str) -> bool:
        return self.pressure.on or Lane(LaneKind.ACCOUNT, account) in self.journal.lanes

    def _queue_tellers(self, context: StatusContext) -> list[HistoryTeller]:
        """Whoever tells a broker what moves; nobody where there is none."""
        if self.broker is None:
            return []
        return [
            HistoryTeller(each, self.journal, self.broker)
            for each in (Replies(context, self.alerts), Events(context, self.alerts))
        ]

    def _told(self, changed: Mapping[str, Changed]) -> None:
        for account, ids in changed.items():
            self.tellers.tell(account, ids.messages, ids.documents, passing=ids.passing)
        for each in self.queue_tellers:
            each.ring()

    def _guarded(self, work: Callable[[], bool]) -> bool:
        about = threading.current_thread().name
        try:
            done = work()
        except StationBroken as broken:
            self.alerts.tell(
                "station",
                in_both(f"{about} 停了：{broken.zh}", f"{about} cannot go on: {broken.en}"),
                do="tongguan doctor",
                about=about,
            )
            log.error("station broken", station=about, why=str(broken))
            self._stopping.wait(0.5)
            return False
        self.alerts.over("station", about)
        return done

    def _not_told(self, wrong: BaseException) -> None:
        """A commit stands, but who was to be told of it failed."""
        self._untold_at = clock.monotonic()
        what = f"{type(wrong).__name__}: {wrong}"
        text = in_both(f"已提交，但通知失败：{what}", f"a commit stands, telling of it failed: {what}")
        self.alerts.tell("listener", text, do="tongguan doctor")
        log.error("not told of a commit", why=f"{type(wrong).__name__}: {wrong}")

    def _empty(self, mailbox: Mailbox) -> bool:
        """Take the next files of one mailbox."""
        mailbox.sweep()
        with mailbox.hand(_DROPS if self.workers is not None else PART) as drops:
            came = take(self.site, mailbox, drops) if drops else []
        if again := [each.message.id for each in came if each.before]:
            self.tellers.tell(mailbox.account, again)
        return bool(drops)

    def _take_submissions(self, door: SubmissionDoor, *, wait: float) -> bool:
        """Take the next messages of one queue."""
        return self._guarded(partial(self._take_next, door, wait))

    def _take_next(self, door: SubmissionDoor, wait: float) -> bool:
        with door.hand(_DROPS if self.workers is not None else PART, wait=wait) as submissions:
            came = take(self.site, door, submissions) if submissions else []
        if again := [each.message.id for each in came if each.before]:
            self.tellers.tell(door.account, again)
        return bool(submissions)

    # Life

    def start(self) -> None:
        """Begin; SettingsWrong has been raised before, if at all."""
        # What is loaded by now stays for good: the collector need not walk through it again and again (a tenth of the time).
        if self._before is not None:
            if self._before.alerts is not self.alerts:
                self.alerts.follow(self._before.alerts)
            self.alerts.only("thread", ())  # all of the former one's have ended
            self._take_over()
            self._before = None
            gc.unfreeze()
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)
        begin, loop = self._thread, self.supervisor.loop
        self.journal.start(begin)
        self.tellers.start(begin)
        if self._runs("inbox"):
            if self.workers is not None:
                self.workers.start(begin)
            loop("watch", lambda: self.watch.wait(_POLL) and False, lambda: None)
            for name in self.mailboxes:
                self._begin_door(name)
            for door in self.doors:
                door.start(begin)
            loop("pressure", lambda: self._guarded(self._look_at_pressure), lambda: self._stopping.wait(_PRESSURE))
            if self.queues is not None:
                self.queues.start(self.supervisor, self._take_submissions, paused=self._pauses, failed=self.journal.abandon)
        for station in (*self.stations, *([self.notifier] if self._runs(self.notifier.name) else ())):
            self._begin_station(station)
        for each in self.queue_tellers:
            begin(each.name, each.serve)
        ordered = Orders(self.site, reload=self._again)
        loop("orders", lambda: self._guarded(ordered.turn), lambda: self._stopping.wait(0.1))
        # Apart from the orders: an authority that hangs must not keep an operator waiting.
        loop(
            "probes",
            lambda: self._guarded(partial(self.watching.probe, patience=_PROBE)),
            lambda: self._stopping.wait(_PROBE if self.journal.lanes else _CALM),
        )
        # What must not wait for any card, authority or disk.
        loop("upkeep", lambda: self._guarded(self._upkeep), lambda: self._stopping.wait(_UPKEEP))
        self.supervisor.begin("alerts", lambda _: self.alerts.serve(lambda: not self._stopping.is_set()))
        for channel in self.channels:
            loop(f"alerts:{channel.name}", channel.turn, channel.wait, stuck_after=_PATIENCE["alerts"])
        if self.metrics is not None:
            loop("metrics", self.metrics.turn, lambda: None)
        self.supervisor.begin("recount", self._recount, ends=True)
        self._pins.start(begin)
        self.calendar = Calendar(
            self.settings.schedule.timezone,
            on_trouble=self._calendar_trouble,
            on_well=lambda name: self.alerts.over("calendar", name),
        )
        self.calendar.every("anchor", timedelta(minutes=1), self.journal.anchor_head)
        self.calendar.every("statistics", timedelta(days=1), self.journal.learn)
        self.calendar.every("tables", _TABLES, self.tables.turn)
        if self.queues is not None and self._runs("inbox"):
            self.calendar.every("dead", _DEAD, self.queues.count_dead)
        self.calendar.every("retention", timedelta(days=1), self.retention.turn)
        self.calendar.every("kept", max(_KEPT / self.settings.clock.speed, _SLOTS_LEAST), self._expire)
        self.calendar.every("slots", max(_SLOTS / self.settings.clock.speed, _SLOTS_LEAST), self.slots.turn)
        self.calendar.every("months", max(_MONTHS / self.settings.clock.speed, _MONTHS_LEAST), self.watching.months.look)
        for name, check in self.watching.checks.items():
            self.calendar.every(name, 6 * self.settings.schedule.probe, check)
        self.calendar.start(begin)
        self._keep_settings()
        self.supervisor.look_too = [self.wire.look, self._look_at_listeners, self.manager.alive]
        self.supervisor.watch()
        log.info("started", version=__version__, environment=self.settings.gateway.environment, home=str(self.settings.home))

    def _close_metrics(self, after: Daemon | None = None) -> None:
        """Let go of the port, unless another gateway goes on with it."""
        kept = after.metrics if after is not None else self._before.metrics if self._before is not None else None
        if self.metrics is not None and (kept is None or kept.server is not self.metrics.server):
            self.metrics.close()

    def _expire(self) -> None:
        self.retention.expire(china_date(self.site.business.now_ms()))

    def _keep_settings(self) -> None:
        """For commands that look while those on disk are being written, or are wrong."""
        with contextlib.suppress(OSError):  # of a full disk others tell
            files.write(self.settings.home / RUNNING, self._read, mode=0o600)

    def _thread(self, name: str, serve: Serve) -> None:
        self.supervisor.begin(name, serve, stuck_after=_PATIENCE.get(name, STUCK), last=_is_last(name))

    def _begin_door(self, name: str) -> None:
        """A mailbox's own thread: what one of them does, or hangs in, is nothing to the others.

        Where nothing came for a while, and nothing was heard, it looks more and more seldom: a thousand idle ones cost little.
        """
        mailbox, ear, pause = self.mailboxes[name], self.ears[name], _POLL

        def turn() -> bool:
            nonlocal pause
            busy = not self._pauses(name) and self._guarded(partial(self._empty, mailbox))
            pause = _POLL if busy else min(_IDLE_POLL, pause * 1.5)
            return busy

        def wait() -> None:
            nonlocal pause
            if ear.wait(pause):
                pause = _POLL

        self.supervisor.loop(f"door:{name}", turn, wait, failed=partial(self.journal.abandon, f"door:{name}"))

    def _begin_station(self, station: Station | Notifier) -> None:
        bell = self.journal.bell(*station.lanes)
        rests = station.pace.rests if isinstance(station, Station) else 0.0

        def turn() -> bool:
            bell.clear()
            begun = clock.monotonic()
            busy = self._guarded(station.turn)
            if busy and rests:
                self._stopping.wait(min(_MOST_REST, (clock.monotonic() - begun) * rests))
            return busy

        kind = station.name.partition(":")[0]
        self.supervisor.loop(
            station.name,
            turn,
            lambda: bell.wait(_POLL),
            stuck_after=_PATIENCE.get(kind, STUCK),
            failed=partial(self.journal.abandon, station.name),
        )

    def _look_at_listeners(self) -> None:
        text = in_both(f"日志行丢失：{why}", f"log lines are lost: {why}") if (why := logs.trouble()) else ""
        self.alerts.stands("log", text, do="tongguan doctor")
        self._look_at_alert_file()
        if clock.monotonic() - self._untold_at > WITHIN.total_seconds():
            self.alerts.over("listener")

    def _look_at_alert_file(self) -> None:
        """Those who watch it would take it for good news that nothing comes: the heartbeat and the other ways tell."""
        file = self.settings.alerts.file
        if why := self.alerts.refusal:
            place = self.settings.path(file)
            text = in_both(f"告警文件 {place} 写不进：{why}", f"the alert file {place} cannot be written: {why}")
            self.alerts.tell("channel", text, do="tongguan doctor", about=file)
        else:
            self.alerts.over("channel", file)

    def _look_at_pressure(self) -> bool:
        self.pressure.look()
        return False

    def _upkeep(self) -> bool:
        self.journal.renew_claims()
        self.watching.receipts.look()
        if self.queues is not None:
            self.queues.look()
        self.alerts.tick()
        for each in self.queue_tellers:
            each.look()
        jumped = self.watching.clock()
        self.fast_clock.keep(jumped=jumped)
        if jumped and hasattr(self, "calendar"):
            self.calendar.again()
        return False

    def _recount(self, pulse: WorkMark) -> None:
        with pulse:
            recount = Recount(self.site)
        while not self._stopping.is_set():
            begun = clock.monotonic()
            with pulse:
                if not self._guarded(recount.turn):
                    return
            self._stopping.wait((clock.monotonic() - begun) * _RESTS)

    def _calendar_trouble(self, name: str, trouble: Exception) -> None:
        self.alerts.tell(
            "calendar",
            in_both(f"定时任务 {name} 失败：{trouble}", f"the job {name} failed: {trouble}"),
            do="tongguan doctor",
            about=name,
        )

    def stop(self, *, after: Daemon | None = None) -> None:
        """Finish what is in hand, tell it, and end. Stations stop before the tellers: they show their last work.

        `after`: the gateway that goes on with home, journal and the cards that both have.
        """
        self._stopping.set()
        self.watch.wake()
        for ear in self.ears.values():
            ear.wake()
        self.journal.ring()
        for channel in self.channels:
            channel.wake()
        for each in self.queue_tellers:
            each.stop()
        if hasattr(self, "calendar"):
            self.calendar.stop()
        self._pins.stop()
        for door in self.doors:
            door.stop()
        hung = set(self.supervisor.join(_OTHERS_END, until=lambda name: not _is_last(name)))
        for name in hung:
            log.error("thread does not end", thread=name)
        if self.workers is not None:
            self.workers.stop()
        hung |= self.tellers.stop(_LAST_TURN)
        self.watching.close()
        self.wire.stop()
        self._close_cards(after.site if after is not None else None)
        self.site.pdf_worker.close()
        self.watch.close()
        self._close_metrics(after)
        if after is None:
            self.fast_clock.end()
            self.journal.close()
        else:
            self.journal.rest()
        self.supervisor.join(_OTHERS_END, until=lambda name: name not in hung)
        if self.workers is not None:
            self.workers.close()
        if after is None:
            os.close(self.home_lock)
            log.info("stopped")

    def discard(self) -> None:
        """Let go of a gateway that was made beside another one and never started."""
        self._stopping.set()
        self.watching.close()
        self.wire.stop()
        self._close_cards(self._before.site if self._before is not None else None)
        if self.workers is not None:
            self.workers.close()
        self._close_metrics()
        self.watch.close()

    def swapped(self, fatal: Callable[[str], None] = lambda why: None, again: Callable[[], None] = lambda: None) -> Daemon:
        """The gateway of the settings on disk, running in the place of this one; this one, going on, while they are wrong."""
        try:
            following = Daemon(
                self.settings.home, only=self._only, fatal=fatal, again=again, before=self, processes=self._processes
            )
        except Exception as wrong:  # whatever it is: the old settings are right
            said = wrong if isinstance(wrong, SettingsWrong) else SettingsWrong(f"{type(wrong).__name__}: {wrong}")
            text = in_both(f"新设置有错，仍用原设置：{said.zh}", f"the new settings are wrong, the old ones stay: {said.en}")
            self.alerts.tell("settings", text, do="tongguan config check")
            log.warning("settings wrong", note="the old ones stay", why=said.text(self.settings.gateway.language))
            self._reloaded(said.both)
            return self
        self.alerts.over("settings")
        following.begin(after=self)
        following._reloaded()
        log.info("settings swapped")
        return following

    def _reloaded(self, why_not: str = "") -> None:
        """Tell who ordered it that the settings on disk run now, or why they do not."""
        with contextlib.suppress(StationBroken):
            self.journal.set_markers({RELOADED: f"{clock.now_ms()} {why_not}"})

    def begin(self, *, after: Daemon | None = None) -> None:
        """Start, in the place of `after` if there is one; if that fails nothing runs any more, and the process must end."""
        try:
            if after is not None:
                after.stop(after=self)
            self.start()
        except Exception as wrong:
            log.error("not started", why=f"{type(wrong).__name__}: {wrong}", traceback=traceback.format_exc()[-4000:])
            self.supervisor.give_up(
                f"网关无法启动，进程退出：{type(wrong).__name__}: {wrong}",
                f"the gateway does not start, the process ends: {type(wrong).__name__}: {wrong}",
            )

    # Receipts

    def _receipt_door(self, name: str) -> ReceiptDoor:
        """Polls once for each code: what comes for accounts that share one is given to the one whose document it is of."""
        codes = {a.name: self.site.rules.code_on(a, name) for a in self.settings.account}
        first = {n: code for n, code in codes.items() if code and self.site.rules.accounts_at(name, code)[0] == n}
        return ReceiptDoor(self.site.routes[name], first, _JournalIntake(self, first), wait=self.settings.schedule.receipts)


def _is_last(thread: str) -> bool:
    return thread.partition(":")[0] in _LAST


class _JournalIntake:
    """Where fetched receipts go: the journal, with the cursor in the same transaction. A cursor is a place among those of one code."""

    def __init__(self, daemon: Daemon, codes: Mapping[str, str]) -> None:
        self._daemon, self._codes = daemon, codes

    def _marker(self, route: str, account: str) -> str:
        return f"cursor:{route}:{self._codes[account]}"

    def cursor(self, route: str, account: str) -> str:
        with self._daemon.journal.search() as records:
            return records.marker(self._marker(route, account)) or ""

    def deliver(self, route: str, account: str, receipts: list[bytes], after: str, following: str) -> None:
        arrived = [incoming(account, raw, route=route, now=clock.now_ms()) for raw in receipts]
        with self._daemon.journal.search() as records:
            known = records.messages(outcome.message.id for outcome in arrived)
        fresh = {o.message.id: (o,) for o in arrived if o.message.id not in known}
        self._daemon.journal.deliver(list(fresh.values()), marker=self._marker(route, account), value=following)

    def on_trouble(self, route: str, why: str) -> None:
        self._daemon.watching.receipts.trouble(route, why)

    def on_well(self, route: str) -> None:
        self._daemon.watching.receipts.well(route)


def _lock(home: Path) -> int:
    """Hold the home for this process; the kernel lets it go however we end."""
    try:
        handle = home_lock.hold(home, tries=_LOCK_TRIES)
    except BlockingIOError:
        raise SettingsWrong(f"{home}：已有网关在此运行", f"{home}: a gateway is already running here") from None
    os.utime(handle)  # `tongguan status` sees that this one has just begun
    return handle


def serve(home: Path, *, only: frozenset[str] | None = None, processes: int | None = None) -> int:
    """Run a home's gateway until SIGTERM or SIGINT. SIGHUP swaps in the settings on disk, all of them, if they are right:
    what is in hand is finished first. So do code tables that were replaced."""
    # A signal that another thread is handed, or that comes just before the main thread waits, would not wake it: the pipe does.
    signals, noted = os.pipe()
    os.set_blocking(noted, False)
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    fatal, again = (lambda why: _wake(noted, _FATAL)), (lambda: _wake(noted, _HANGUP))
    daemon = Daemon(home, only=only, fatal=fatal, again=again, processes=processes)
    daemon.begin()
    if not daemon.supervisor.reason:
        daemon.manager.ready()
    while (came := os.read(signals, 1)) == _HANGUP:
        daemon.manager.reloading()
        daemon = daemon.swapped(fatal, again)
        daemon.manager.running()
    daemon.manager.stopping()
    if came == _FATAL:
        return _end_failed(daemon)
    daemon.stop()
    return 0


def _wake(noted: int, why: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        os.write(noted, why)


def _end_failed(daemon: Daemon) -> int:
    """Finish what can be finished, for a while, and end for the service manager to begin anew."""
    complain(daemon.supervisor.reason)
    late = threading.Timer(2 * _OTHERS_END, os._exit, (FAILED,))
    late.daemon = True
    late.start()
    try:
        daemon.stop()
    except Exception as wrong:
        complain(f"{type(wrong).__name__}: {wrong}")
    return FAILED


@contextlib.contextmanager
def offline(home: Path) -> Iterator[Daemon]:
    """A daemon whose threads never start, for orders while none is running."""
    daemon = Daemon(home)
    try:
        yield daemon
    finally:
        daemon.stop()
