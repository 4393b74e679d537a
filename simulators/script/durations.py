"""Durations as people write them, and the time of day as the authorities write it."""

from __future__ import annotations

import calendar
import re
from datetime import MAXYEAR, date, datetime, time, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read ``50ms``, ``2s``, ``5m`` or ``1h``. Raises ValueError for anything else."""
    if not (match := _SPAN.fullmatch(text)):
        raise ValueError(f"no duration: {text!r} (write 50ms, 2s, 5m or 1h)")
    return float(match[1]) * _SECONDS[match[2]]


def is_span(text: str) -> bool:
    """Say whether ``seconds`` would read a text."""
    return _SPAN.fullmatch(text) is not None


def stamp(instant: float) -> str:
    """Write an instant (seconds since 1970) in China time, with milliseconds and offset."""
    return datetime.fromtimestamp(instant, CHINA).isoformat(timespec="milliseconds")


def beginning(text: str) -> float:
    """Give the instant at which a China day, written 20261003, begins. Raises ValueError for what is none."""
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=CHINA).timestamp()


def is_day(text: str) -> bool:
    """Say whether ``beginning`` would read a text."""
    try:
        return len(text) == 8 and beginning(text) > 0
    except ValueError:
        return False


def months_later(start: str, months: int) -> str:
    """Give the same day so many months later, or before; the month's last where it has no such day."""
    begins = date.fromisoformat(start)
    year, month = divmod(begins.year * 12 + begins.month - 1 + months, 12)
    year = min(year, MAXYEAR)
    return date(year, month + 1, min(begins.day, calendar.monthrange(year, month + 1)[1])).isoformat()


def end_of(day: str) -> float:
    """Give the instant at which a day of China is over."""
    return (datetime.combine(date.fromisoformat(day), time.min, CHINA) + timedelta(days=1)).timestamp()


def day(instant: float) -> str:
    """Give the China day of an instant in eight digits, year first."""
    return datetime.fromtimestamp(instant, CHINA).strftime("%Y%m%d")
