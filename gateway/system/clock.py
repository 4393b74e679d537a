"""The only place that reads the time (how times are written: `times.py`).

The wall clock (`now`) says when something happened, and somebody may set it; the steady ones only go forward, with real time, and say
how long something took or may take. `journal/clock_changes.py` holds the one against the other.
"""

from __future__ import annotations

import time
from datetime import datetime
from functools import cache
from pathlib import Path

from tongguan.gateway.system import times


def now() -> datetime:
    """The machine's time, UTC, whole milliseconds."""
    return times.from_ms(now_ms())


def now_ms() -> int:
    """Milliseconds since the epoch: the form in which the journal keeps times."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds for measuring spans; never goes back."""
    return time.monotonic()


def steady_ms() -> int:
    """Milliseconds since the machine was started, asleep or awake; comparable between processes as long as `boot` is the same."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


@cache
def boot() -> str:
    """Which start of the machine this is; empty where the machine does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)
