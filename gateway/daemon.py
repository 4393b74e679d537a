"""The daemon: one process that owns a home's journal and runs its doors and stations.

Each station has a thread of its own, so a slow card or route leaves the others' pace alone. Without `start`, `turn` does one
round of everything in the caller's thread: the same work, played step by step.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from tongguan import __version__
from tongguan.gateway import assembly
from tongguan.gateway.fitting import fit_profiles
from tongguan.gateway.flow.door import take
from tongguan.gateway.flow.orders import orders
from tongguan.gateway.flow.recount import Recount
from tongguan.gateway.flow.send import incoming
from tongguan.gateway.flow.stations import Station, stations
from tongguan.gateway.flow.watching import Watching
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.errors import Deferred, SettingsWrong, StationBroken
from tongguan.gateway.kernel.journal import Journal, Told
from tongguan.gateway.kernel.settings import Account, Settings, read_settings
from tongguan.gateway.pin_door import PinDoor
from tongguan.gateway.recipients import recipients
from tongguan.inbox.calendar import Calendar
from tongguan.inbox.mailbox import Mailbox
from tongguan.inbox.receipts import ReceiptDoor
from tongguan.inbox.watch import Watch
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.notifying import Notifier, Waits
from tongguan.outbox.teller import Teller
from tongguan.outbox.telling import Surroundings
from tongguan.routes.wire import Wire

log = structlog.get_logger("daemon")
_DROPS = 64  #: files taken in one hand
_LOCK_TRIES, _LOCK_PAUSE = 20, 0.05  #: a second in all
_POLL = 1.0  #: seconds after which a station looks again without having been woken


class Daemon:
    """One home's gateway. `only` names the stations to run (all when None)."""

    def __init__(self, home: Path, *, only: frozenset[str] | None = None) -> None:
        self.settings: Settings = read_settings(home)
        self.home_lock = _lock(self.settings.home)
        self._only = only
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        try:
            self.journal = Journal.open(self.settings.database.url, self.settings.home)
            self._assemble()
        except BaseException:
            os.close(self.home_lock)
            raise

    def _assemble(self) -> None:
        self.wire = Wire()
        try:
            self._environment_holds()
            self.wire.start()
            self.site = assembly.make_site(self.settings, self.journal, self.wire)
            self.mailboxes = assembly.make_mailboxes(self.settings)
            self.alerts = Alerts(self.settings.path(self.settings.alerts.file), repeat=self.settings.alerts.repeat)
            self.stations: list[Station] = [s for s in stations(self.site) if self._runs(s.name.split(":")[0])]
            self.watching = Watching(self.site, self.alerts)
            self.teller = Teller(self.journal, self._surroundings(), self.alerts)
            self.notifier = self._notifier()
            self.watch = Watch(self.mailboxes.values())
            self.journal.listeners.append(self._told)
            self.doors = [self._receipt_door(name) for name in self.settings.route]
            self._pins = PinDoor(self.settings.home / "daemon.sock", self.watching.give_pin)
            self.teller.recover()
        except BaseException:
            self.wire.stop()
            self.journal.dispose()
            raise

    def _environment_holds(self) -> None:
        """A journal belongs to test or to production for ever."""
        with self.journal.read() as records:
            known = records.marker("environment")
        mine = self.settings.gateway.environment
        if known is None:
            self.journal.set_marker("environment", mine)
        elif known != mine:
            raise SettingsWrong(f"gateway.environment is {mine!r} but this journal is {known!r}'s: use another home")

    def _runs(self, kind: str) -> bool:
        return self._only is None or kind in self._only

    def _surroundings(self) -> Surroundings:
        profiles = self.site.profiles
        accounts = self.site.accounts
        language = self.settings.gateway.language
        return Surroundings(
            mailboxes=self.mailboxes,
            environment=self.settings.gateway.environment,
            version=__version__,
            language=lambda name: self.site.language(accounts[name]) if name in accounts else language,
            profile=lambda type_: profiles[type_].profile if type_ in profiles else None,
            health=self.watching.health,
            paused=lambda account: lane.text if (lane := self.journal.lanes.get(f"account:{account}")) else None,
        )

    def _notifier(self) -> Notifier:
        schedule = self.settings.schedule
        waits = Waits(schedule.least_wait, schedule.most_wait, self.settings.sms.give_up)
        channel = assembly.make_channel(self.settings, self.wire)
        language = self.settings.gateway.language
        return Notifier(self.journal.notifications, channel, self.alerts, waits=waits, language=language)

    def _told(self, told: Told) -> None:
        self.teller.tell(told.messages, told.documents)

    # The rounds

    def turn(self) -> bool:
        """One round of everything, in this thread; False when nothing was left to do."""
        busy = self._door_turn()
        for station in self.stations:
            busy |= self._guarded(station.turn)
        busy |= self._guarded(self.notifier.turn)
        for door in self.doors:
            with contextlib.suppress(Deferred):
                busy |= door.poll_once() > 0
        busy |= bool(orders(self.site))
        self.watching.probe()
        self.teller.catch_up()
        return busy

    def _guarded(self, work: Callable[[], bool]) -> bool:
        try:
            return work()
        except StationBroken as broken:
            self.alerts.tell("station", str(broken), do="tongguan doctor")
            log.error("station broken", why=str(broken))
            self._stopping.wait(0.5)
            return False

    def _door_turn(self) -> bool:
        busy = False
        for mailbox in self.mailboxes.values():
            if f"account:{mailbox.account}" not in self.journal.lanes:
                busy |= self._guarded(partial(self._empty, mailbox))
        return busy

    def _empty(self, mailbox: Mailbox) -> bool:
        """Take the next files of one mailbox."""
        mailbox.sweep()
        drops = mailbox.take(_DROPS)
        if not drops:
            return False
        came, _ = take(self.site, mailbox, drops)
        for each in came:
            mailbox.taken(each.drop, each.message.id)
        self.teller.tell([each.message.id for each in came if each.before])
        return True

    # Life

    def start(self) -> None:
        """Begin; SettingsWrong has been raised before, if at all."""
        # What is loaded by now stays for good: the collector need not walk through it again and again (a tenth of the time).
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)
        self.journal.start()
        self.teller.start()
        if self._runs("inbox"):
            self._thread("door", self._serve_door)
            for door in self.doors:
                door.start()
        for station in (*self.stations, *([self.notifier] if self._runs(self.notifier.name) else ())):
            self._thread(station.name, partial(self._serve, station))
        self._thread("orders", self._serve_orders)
        self._thread("probes", self._serve_probes)
        self._thread("recount", partial(self._recount, Recount(self.site)))
        self._pins.start()
        self.calendar = Calendar(self.settings.schedule.timezone, on_trouble=self._calendar_trouble)
        self.calendar.every("anchor", timedelta(minutes=1), self.journal.anchor_head)
        self.calendar.every("watching", 6 * self.settings.schedule.probe, self.watching.look)
        self.calendar.start()
        log.info("started", version=__version__, environment=self.settings.gateway.environment, home=str(self.settings.home))

    def _thread(self, name: str, serve: Callable[[], None]) -> None:
        thread = threading.Thread(target=serve, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self, station: Station | Notifier) -> None:
        bell = self.journal.bell(*station.lanes)
        while not self._stopping.is_set():
            bell.clear()
            if not self._guarded(station.turn):
                bell.wait(_POLL)

    def _serve_door(self) -> None:
        while not self._stopping.is_set():
            if not self._door_turn():
                self.watch.wait(_POLL)

    def _serve_orders(self) -> None:
        while not self._stopping.is_set():
            self._guarded(lambda: bool(orders(self.site)))
            self._stopping.wait(0.1)

    def _serve_probes(self) -> None:
        """Apart from the orders: an authority that hangs must not keep an operator waiting."""
        while not self._stopping.is_set():
            self._guarded(self.watching.probe)
            self._stopping.wait(0.1)

    def _recount(self, recount: Recount) -> None:
        while not self._stopping.is_set() and self._guarded(recount.turn):
            self._stopping.wait(0.01)

    def _calendar_trouble(self, name: str, trouble: Exception) -> None:
        self.alerts.tell("calendar", f"{name}: {trouble}", do="tongguan doctor", about=name)

    def stop(self) -> None:
        """Finish what is in hand, tell it, and end. Stations stop before the teller: it shows their last work."""
        self._stopping.set()
        self.watch.wake()
        self.journal.ring()
        if hasattr(self, "calendar"):
            self.calendar.stop()
        self._pins.stop()
        for thread in self._threads:
            thread.join(timeout=60)
        for door in self.doors:
            door.stop()
        self.teller.stop()
        self.wire.stop()
        for card in self.site.cards.values():
            card.close()
        self.site.press.close()
        self.watch.close()
        self.journal.close()
        os.close(self.home_lock)
        log.info("stopped")

    def new_settings_hold(self) -> bool:
        """Are the settings on disk right? A wrong file keeps the old ones, and says so."""
        try:
            wanted = read_settings(self.settings.home)
            for route in wanted.route.values():
                assembly.trusted(wanted, route.certificates)
            recipients(wanted)
            fit_profiles(wanted, self.site.profiles)
            assembly.make_channel(wanted, self.wire)
        except SettingsWrong as wrong:
            self.alerts.tell("settings", f"the new settings are wrong, the old ones stay: {wrong}", do="tongguan config check")
            return False
        self.alerts.over("settings")
        return True

    # Receipts

    def _receipt_door(self, name: str) -> ReceiptDoor:
        accounts = {a.name: code for a in self.settings.account if (code := self._code_at(a, name))}
        return ReceiptDoor(self.site.routes[name], accounts, _Intake(self), wait=self.settings.schedule.receipts)

    def _code_at(self, account: Account, authority: str) -> str:
        for compiled in self.site.profiles.values():
            if authority in (compiled.profile.authority, compiled.profile.route) and compiled.profile.account_code:
                return self.site.code_at(account, compiled.profile)
        return ""


class _Intake:
    """Where fetched receipts go: the journal, with the cursor in the same transaction."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def cursor(self, route: str, account: str) -> str:
        with self._daemon.journal.read() as records:
            return records.marker(f"cursor:{route}:{account}") or ""

    def deliver(self, route: str, account: str, receipts: list[bytes], after: str, following: str) -> None:
        arrived = [incoming(account, raw, authority=route) for raw in receipts]
        with self._daemon.journal.read() as records:
            known = records.messages(outcome.message.id for outcome in arrived)
        fresh = {o.message.id: (o,) for o in arrived if o.message.id not in known}
        self._daemon.journal.deliver(list(fresh.values()), marker=f"cursor:{route}:{account}", value=following)

    def on_trouble(self, route: str, why: str) -> None:
        self._daemon.alerts.tell("receipts", f"receipts of {route} cannot be fetched: {why}", do="tongguan doctor", about=route)

    def on_well(self, route: str) -> None:
        self._daemon.alerts.over("receipts", route)


def _lock(home: Path) -> int:
    """Hold the home for this process; the kernel lets it go however we end."""
    handle = os.open(home / "daemon.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    for _ in range(_LOCK_TRIES):  # a command that only asks who is there holds it for a moment
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.pause(_LOCK_PAUSE)
        else:
            return handle
    os.close(handle)
    raise SettingsWrong(f"{home}: a gateway is already running here")


def serve(home: Path, *, only: frozenset[str] | None = None) -> int:
    """Run a home's gateway until SIGTERM or SIGINT. SIGHUP swaps in the settings on disk, all of them, if they are right:
    what is in hand is finished first."""
    # A signal that another thread is handed, or that comes just before the main thread waits, would not wake it: the pipe does.
    signals, noted = os.pipe()
    os.set_blocking(noted, False)
    signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    while True:
        daemon = Daemon(home, only=only)
        daemon.start()
        while (came := os.read(signals, 1)[0]) == signal.SIGHUP and not daemon.new_settings_hold():
            log.warning("settings wrong", note="the old ones stay")
        daemon.stop()
        if came != signal.SIGHUP:
            return 0
        log.info("settings swapped")


@contextlib.contextmanager
def offline(home: Path) -> Iterator[Daemon]:
    """A daemon whose threads never start, for orders while none is running."""
    daemon = Daemon(home)
    try:
        yield daemon
    finally:
        daemon.stop()
