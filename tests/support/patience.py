"""How long a test waits for another process or thread: as long as something moves, and then by a yardstick, never by a clock alone.

Seconds in tests are seconds of an idle machine of the reference's speed. What they are here and now follows from a fixed piece
of work, measured at the start, again now and then, and always before a wait is given up. `TONGGUAN_PATIENCE=4` sets the factor
by hand.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

STILL = 30.0  #: nothing at all has moved for so long: it hangs
MOST = 10  #: what moves for so many times as long and does not arrive never will
REFERENCE = 0.023  #: what `work` takes on the reference machine
SLOWEST = 60.0  #: a machine that is slower is no place to test on
LOOK = 0.5  #: how often movement is looked for: looking costs time, too


def work() -> int:
    """The yardstick: arithmetic that no cache or disk makes faster."""
    n = 0
    for i in range(300_000):
        n = (n * 31 + i) & 0xFFFFFFFF
    return n


def measure(times: int = 3) -> float:
    """How many times slower than the reference this machine is now, its load included; never less than 1."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    crowd = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return min(SLOWEST, max(1.0, max(spent) / REFERENCE, crowd))


class Yardstick:
    """The factor between seconds written in tests and seconds here; the first measure is kept, later ones can only add."""

    def __init__(self, measured: Callable[[], float] = measure, fixed: str | None = None) -> None:
        self._measured = measured
        self._fixed = float(fixed) if fixed else None
        self._first = self._last = self._fixed or measured()
        self._at = time.monotonic()

    @property
    def factor(self) -> float:
        return max(self._first, self._last)

    def again(self, older_than: float = 0) -> float:
        """Measure anew unless that was done a moment ago."""
        if not self._fixed and time.monotonic() - self._at >= older_than:
            self._last, self._at = self._measured(), time.monotonic()
        return self.factor


yardstick = Yardstick(fixed=os.environ.get("TONGGUAN_PATIENCE"))


def here(seconds: float) -> float:
    """What so many seconds of the reference machine are on this one, now."""
    return seconds * yardstick.again(older_than=5)


class Patience:
    """Lasts while something moves: what `moves` gives changes, or this process's children work; then `seconds` by the yardstick."""

    def __init__(
        self, seconds: float = STILL, moves: Callable[[], object] = lambda: None, *, rule: Yardstick | None = None
    ) -> None:
        self._seconds, self._moves, self._rule = seconds, moves, rule or yardstick
        self._began = self._moved = self._looked = time.monotonic()
        self._seen, self._spent = moves(), _spent_by_children()

    def over(self) -> bool:
        """Is it time to give up? Looks for movement first, and measures the machine again before it says yes."""
        now = time.monotonic()
        if now - self._looked >= min(LOOK, self._seconds / 4):
            self._look(now)
        if now < self._end(self._rule.factor):
            return False
        return now >= self._end(self._rule.again())

    @property
    def pause(self) -> float:
        """Before the next look: the longer it takes, the less a look may cost."""
        return max(0.01, min(0.2, (time.monotonic() - self._began) / 50))

    def _end(self, factor: float) -> float:
        return min(self._moved + self._seconds * factor, self._began + MOST * self._seconds * factor)

    def _look(self, now: float) -> None:
        seen, spent = self._moves(), _spent_by_children()
        if seen != self._seen or spent - self._spent > (now - self._looked) / 4:
            self._moved = now
        self._seen, self._spent, self._looked = seen, spent, now

    def __str__(self) -> str:
        now = time.monotonic()
        machine = f"machine {self._rule.factor:.1f} times the yardstick"
        return f"{now - self._began:.1f} s, the last {now - self._moved:.1f} s without a movement; {machine}"


def wait_until(look: Callable[[], Any], what: str, seconds: float = STILL, *, moves: Callable[[], object] = lambda: None) -> Any:
    """What `look` gives once it is true; fails when all stands still, saying what was waited for and what was last seen.

    `seconds`: how long it may stand still; `moves`: anything that changes while work goes on.
    """
    patience = Patience(seconds, moves)
    while not (found := look()):
        if patience.over():
            raise AssertionError(f"waited in vain for {what}: {patience}; last seen: {look()!r}")
        time.sleep(patience.pause)
    return found


def ended(process: subprocess.Popen[Any], what: str, seconds: float = STILL) -> int:
    """The exit code of a process that is about to end; one that does not is killed, and the test fails."""
    try:
        wait_until(lambda: process.poll() is not None, f"the end of {what}", seconds)
    except AssertionError:
        process.kill()
        raise
    return process.wait()


def ran(words: Sequence[str], seconds: float = STILL, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its output captured as text."""
    patience = Patience(seconds)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        while True:
            try:
                out, err = process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                if patience.over():
                    process.kill()
                    raise AssertionError(
                        f"waited in vain for the end of {words}: {patience}; said {process.communicate()}"
                    ) from None
            else:
                return subprocess.CompletedProcess(words, process.returncode, out, err)


def _spent_by_children() -> float:
    """CPU seconds of all processes that this one has started and that still run."""
    spent = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        spent += times.user + times.system
    return spent
