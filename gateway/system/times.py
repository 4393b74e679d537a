"""Times as the journal keeps them, milliseconds since the epoch, and as users read them: China's. Nothing here reads a clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

CHINA = timezone(timedelta(hours=8), "+08:00")
_EPOCH = date(1970, 1, 1)
_DAY_MS, _EAST_MS = 86_400_000, 8 * 3_600_000


def from_ms(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def show(ms: int | None) -> str | None:
    """A journal time as users see it: `2026-11-20T18:00:00.000+08:00`; None stays None."""
    if ms is None:
        return None
    return from_ms(ms).astimezone(CHINA).isoformat(timespec="milliseconds")


def read(text: str) -> int:
    """A time in ISO form as the journal keeps it; without an offset it is China's. ValueError or OverflowError when it is none."""
    moment = datetime.fromisoformat(text)
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=CHINA))


def stamp(ms: int) -> str:
    """A journal time as it stands in file names: `yyyyMMddHHmmssfff`, China time."""
    return from_ms(ms).astimezone(CHINA).strftime("%Y%m%d%H%M%S") + f"{ms % 1000:03d}"


def china_date(ms: int) -> str:
    """The China calendar day of a journal time, `2026-11-20`."""
    return _day((ms + _EAST_MS) // _DAY_MS)


def daytime_ms(text: str) -> int:
    """Milliseconds from the beginning of a day to a time of day, `02:00`."""
    hours, minutes = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000


def china_hour(ms: int) -> int:
    """The hour of the China calendar day."""
    return (ms + _EAST_MS) % _DAY_MS // 3_600_000


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def china_midnight(day: date) -> datetime:
    """The first moment of a China calendar day."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)
