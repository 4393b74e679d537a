"""Keep every thread of the gateway going: what one of them raises is alerted, shown, and the thread begun again.

Promises: no thread ends in silence, whatever ends it, and one that is stuck in its work is shown; waits grow with failures
that follow each other; the third failure of a thread within a minute is `fatal`, which is told once: the process should end.
Never ends the process itself, and never stops a thread that is at work.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Protocol

from tongguan.gateway.model.errors import in_both
from tongguan.gateway.system import clock, logs

MOST = 3  #: failures of one thread within `WITHIN` with which the process cannot go on
WITHIN = timedelta(minutes=1)
WELL = timedelta(seconds=10)  #: a thread that ran so long since it failed, and longer than it waited, is well
STUCK = timedelta(minutes=2)  #: one piece of work takes less than this
_LEAST_WAIT, _MOST_WAIT = 0.5, 60.0
_LOOK = 0.5  #: seconds between two looks at all threads

log = logs.get_logger("supervisor")


class AlertSink(Protocol):
    def tell(self, code: str, text: str, *, do: str, about: str = "") -> bool: ...
    def over(self, code: str, about: str = "") -> None: ...


class Pulse:
    """Held (`with pulse:`) by a thread while it is at work, and not while it waits for some."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self.since: float | None = None

    def __enter__(self) -> None:
        self.since = self._monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.since = None


ThreadBody = Callable[[Pulse], None]


@dataclass(slots=True, eq=False)
class _Unit:
    """One thread to be kept going."""

    name: str
    body: ThreadBody
    stuck_after: float
    ends: bool  #: its work comes to an end: returning is no failure
    last: bool  #: others need it to the end: it is kept going until its owner ends it
    failed: Callable[[], None] | None  #: gives back what the failed thread had in hand
    pulse: Pulse
    thread: threading.Thread | None = None
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))
    in_a_row: int = 0
    began_at: float = 0.0
    waits: float = 0.0
    over: bool = False  #: nothing will run any more
    told: set[str] = field(default_factory=set)  #: alerts that stand: `failed`, `stuck`


class Supervisor:
    """The threads of one daemon. `fatal` is called once, with the reason, from the thread that could not go on."""

    def __init__(
        self,
        alerts: AlertSink,
        *,
        say: Callable[[str, str], str],
        fatal: Callable[[str], None],
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._alerts, self._say, self._fatal, self._monotonic = alerts, say, fatal, monotonic
        self._units: dict[str, _Unit] = {}
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self.reason = ""  #: why the process should end; empty while it should not
        self.look_too: list[Callable[[], None]] = []  #: called with each look

    def begin(
        self,
        name: str,
        body: ThreadBody,
        *,
        stuck_after: timedelta = STUCK,
        ends: bool = False,
        last: bool = False,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Run `body` in a thread of this name until `stopping` is set, again and again if it fails or comes to an end."""
        unit = _Unit(name, body, stuck_after.total_seconds(), ends, last, failed, Pulse(self._monotonic))
        with self._lock:
            if name in self._units:
                raise ValueError(f"there is a thread {name!r} already")
            self._units[name] = unit
            self._start(unit)

    def loop(
        self,
        name: str,
        turn: Callable[[], bool],
        wait: Callable[[], object],
        *,
        stuck_after: timedelta = STUCK,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """A thread that calls `turn` as long as that finds work, and waits in between."""

        def body(pulse: Pulse) -> None:
            while not self.stopping.is_set():
                with pulse:
                    busy = turn()
                if not busy:
                    wait()

        self.begin(name, body, stuck_after=stuck_after, failed=failed)

    def watch(self) -> None:
        """Begin to look at the threads; that is a thread like the others."""
        self.loop("supervisor", self._look_round, lambda: self.stopping.wait(_LOOK))

    def names(self) -> list[str]:
        """The threads that are kept going."""
        return [name for name, unit in list(self._units.items()) if not unit.over]

    def join(self, seconds: float, *, until: Callable[[str], bool] = lambda name: True) -> list[str]:
        """Wait for the threads to end after `stopping` was set; the names of those that did not."""
        end = clock.monotonic() + seconds
        for unit in list(self._units.values()):
            if unit.thread is not None and until(unit.name) and unit.thread is not threading.current_thread():
                unit.thread.join(max(0.0, end - clock.monotonic()))
        return [u.name for u in self._units.values() if until(u.name) and u.thread is not None and u.thread.is_alive()]

    # One thread

    def _start(self, unit: _Unit) -> None:
        unit.began_at = self._monotonic()
        unit.thread = threading.Thread(target=self._keep_going, args=(unit,), name=unit.name, daemon=True)
        unit.thread.start()

    def _keep_going(self, unit: _Unit) -> None:
        while not unit.over and (unit.last or not self.stopping.is_set()):
            try:
                unit.body(unit.pulse)
                if unit.ends or self.stopping.is_set():
                    unit.over = True
                    return
                raise RuntimeError("it came to an end by itself")
            except BaseException as error:  # SystemExit and the like too: a thread has no business to end the process so
                self._failure(unit, error)
            if not unit.over:
                self.stopping.wait(unit.waits)
                unit.began_at = self._monotonic()

    def _failure(self, unit: _Unit, error: BaseException) -> None:
        """Note, tell, and have given back what was in hand; nothing of it may fail the thread again."""
        unit.pulse.since = None
        if self.stopping.is_set() and not unit.last:
            unit.over = True
        now = self._monotonic()
        unit.recent.append(now)
        unit.in_a_row += 1
        unit.waits = min(_MOST_WAIT, _LEAST_WAIT * 2.0 ** (unit.in_a_row - 1))
        unit.began_at = now + unit.waits
        for note in (self._tell_failure, self._give_back):
            try:
                note(unit, error)
            except BaseException as trouble:
                complain(f"thread {unit.name}: {note.__name__}: {trouble!r}")
        if len(unit.recent) == MOST and now - unit.recent[0] < WITHIN.total_seconds():
            unit.over = True
            self._give_up(unit, error)

    def _tell_failure(self, unit: _Unit, error: BaseException) -> None:
        why = f"{type(error).__name__}: {error}"
        unit.told.add("failed")
        self._tell(unit.name, f"线程 {unit.name} 出错，已重新启动：{why}", f"thread {unit.name} failed and is begun again: {why}")
        text = "".join(traceback.format_exception(error))[-4000:]
        log.error("thread failed", thread=unit.name, why=why, times=unit.in_a_row, traceback=text)

    def _give_back(self, unit: _Unit, _error: BaseException) -> None:
        if unit.failed is not None:
            unit.failed()

    def _give_up(self, unit: _Unit, error: BaseException) -> None:
        why = f"{type(error).__name__}: {error}"
        self.give_up(
            f"线程 {unit.name} 一分钟内第 {MOST} 次出错，网关退出：{why}",
            f"thread {unit.name} failed {MOST} times within a minute, the gateway ends: {why}",
            about=unit.name,
        )

    def give_up(self, zh: str, en: str, *, about: str = "") -> None:
        """The process should end; told once."""
        if self.reason:
            return
        self.reason = self._say(zh, en)
        try:
            self._tell(about, zh, en)
        finally:
            self._fatal(self.reason)

    # All threads

    def _look_round(self) -> bool:
        self.look()
        return False

    def look(self) -> None:
        """See that each thread is there and not stuck; what is well again is over."""
        for unit in list(self._units.values()):
            if not unit.over and not self.stopping.is_set():
                self._look_at(unit)
        for look in self.look_too:
            look()

    def _look_at(self, unit: _Unit) -> None:
        thread, now = unit.thread, self._monotonic()
        if thread is not None and not thread.is_alive():
            # It ended where even its own keeper could not see it.
            self._failure(unit, RuntimeError("it is gone"))
            if not unit.over:
                self._start(unit)
            return
        since = unit.pulse.since
        if since is not None and now - since > unit.stuck_after:
            self._tell_stuck(unit, now - since)
        elif "stuck" in unit.told:
            unit.told.discard("stuck")
            self._over(unit)
        if "failed" in unit.told and now - unit.began_at > max(WELL.total_seconds(), unit.waits):
            unit.told.discard("failed")
            self._over(unit)
        if unit.in_a_row and now - unit.began_at > WITHIN.total_seconds():
            unit.in_a_row = 0

    def _tell_stuck(self, unit: _Unit, seconds: float) -> None:
        if "stuck" not in unit.told:
            where = _where(unit.thread)
            log.error("thread stuck", thread=unit.name, seconds=round(seconds), where=where)
        unit.told.add("stuck")
        self._tell(
            unit.name,
            f"线程 {unit.name} 已 {seconds:.0f} 秒没有进展",
            f"thread {unit.name} has been at one piece of work for {seconds:.0f} s",
        )

    def _over(self, unit: _Unit) -> None:
        if not unit.told:
            self._alerts.over("thread", unit.name)

    def _tell(self, about: str, zh: str, en: str) -> None:
        do = in_both("查看日志中的 thread failed；tongguan doctor", "look for “thread failed” in the log; tongguan doctor")
        self._alerts.tell("thread", in_both(zh, en), do=do, about=about)


def _where(thread: threading.Thread | None) -> str:
    """Where a thread stands at this moment: its innermost frames."""
    frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None
    return "".join(traceback.format_stack(frame)[-6:]) if frame is not None else ""


def complain(text: str) -> None:
    """Say it on stderr, if anybody listens there."""
    try:
        print(text, file=sys.stderr, flush=True)
    except Exception:
        return  # there is nobody left who could be told
