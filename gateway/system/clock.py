"""The only place that reads the time.

The wall clock (`now`) says when something happened, and somebody may set it; the steady ones only go forward, with real time, and say
how long something took or may take. `journal/clock_changes.py` holds the one against the other.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

CHINA = timezone(timedelta(hours=8), "+08:00")


def now() -> datetime:
    """The machine's time, UTC, whole milliseconds."""
    return from_ms(now_ms())


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


def from_ms(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def pause(seconds: float) -> None:
    """Let time pass."""
    time.sleep(seconds)


def show(ms: int | None) -> str | None:
    """A journal time as users see it: `2026-11-20T18:00:00.000+08:00`; None stays None."""
    if ms is None:
        return None
    return from_ms(ms).astimezone(CHINA).isoformat(timespec="milliseconds")


def stamp(ms: int) -> str:
    """A journal time as it stands in file names: `yyyyMMddHHmmssfff`, China time."""
    return from_ms(ms).astimezone(CHINA).strftime("%Y%m%d%H%M%S") + f"{ms % 1000:03d}"


def china_date(ms: int) -> str:
    """The China calendar day of a journal time, `2026-11-20`."""
    return from_ms(ms).astimezone(CHINA).strftime("%Y-%m-%d")


def china_midnight(day: date) -> datetime:
    """The first moment of a China calendar day."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)
