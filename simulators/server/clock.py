"""The business clock of a home: receipts are dated by it, and days pass as fast as it runs.

The gateway writes ``HOME/clock.json``: a moment as business and machine said it, in milliseconds, how fast business time passes from
there, and for how long; after that it passes as the machine's. It is read again whenever it was written anew. A home without it goes by the machine's own clock.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

FILE = "clock.json"
_LAST = 253_370_736_000.0  #: the year 9999: no date is written behind it


@dataclass(frozen=True)
class ClockReading:
    """What the file says. ``steady`` is the machine's clock that nobody sets, of its start ``boot``."""

    business: int
    machine: int
    steady: int
    boot: str
    speed: int
    lasts: int = round(_LAST * 1000)

    def passed(self) -> int:
        """Give the machine's milliseconds since that moment."""
        if self.boot == _boot() and _steady() >= self.steady:
            return _steady() - self.steady
        return max(0, round(time.time() * 1000) - self.machine)


class Clock:
    """What time it is, in seconds since 1970, and how long that takes."""

    def __init__(self, home: Path | None = None) -> None:
        self._path = home / FILE if home else None
        self._seen: tuple[int, ...] = ()
        self._reading: ClockReading | None = None
        self._latest = 0.0

    @property
    def speed(self) -> int:
        """How many seconds of business pass in one of the machine."""
        reading = self._read()
        return reading.speed if reading and reading.passed() < reading.lasts else 1

    def now(self) -> float:
        """Give the business time; while there is a file it never goes back."""
        if (reading := self._read()) is None:
            return time.time()
        passed = reading.passed()
        business = reading.business + passed + min(passed, reading.lasts) * (reading.speed - 1)
        self._latest = max(self._latest, min(business / 1000, _LAST))
        return self._latest

    def later(self, seconds: float) -> float:
        """Give the business time so many seconds of the machine from now."""
        return self.now() + seconds * self.speed

    def until(self, due: float) -> float:
        """Give the machine's seconds until a business time."""
        return (due - self.now()) / self.speed

    def _read(self) -> ClockReading | None:
        if self._path is None:
            return None
        with suppress(OSError, ValueError, TypeError, RecursionError):
            told = os.stat(self._path)
            seen = (told.st_ino, told.st_mtime_ns, told.st_size)
            if seen != self._seen:
                reading = ClockReading(**json.loads(self._path.read_bytes()))
                if not all(type(each) is int for name, each in asdict(reading).items() if name != "boot"):
                    raise TypeError("a clock's numbers are whole")
                self._reading = reading
                self._seen = seen
        return self._reading


def _steady() -> int:
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""
