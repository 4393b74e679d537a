"""Wakes work at its time; APScheduler is only the alarm clock.

Promises that a job never runs twice at once in this process, that a time missed while busy is made up for once, and that
every job is called once at the start, as nobody knows what was missed before. Remembers nothing: whether a slot's work is
already done, here or by another gateway, only the journal's unique slot rows say (`slot_of` gives their names).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from tongguan.gateway.kernel import clock

DAY = timedelta(days=1)
#: the wall clock's zero that slots are counted from
_ORIGIN = datetime(2000, 1, 1)


def time_of_day(text: str) -> time:
    """Read `02:00`."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f'{text!r} is no time of day; write it like "02:00"')
    return time.fromisoformat(text)


def slot_of(name: str, now: datetime, span: timedelta, *, at: str = "00:00", timezone: str = "Asia/Shanghai") -> str:
    """Name the slot that `now` lies in: `merge 2026-11-20T02:00:00+08:00`.

    Slots follow each other every `span`, counted on the wall clock of `timezone` from `at`: a daily slot that begins at 02:00
    is still yesterday's at 01:59. The same slot has the same name in every gateway. `now` carries its time zone.
    """
    begins = time_of_day(at)
    zone = ZoneInfo(timezone)
    origin = datetime.combine(_ORIGIN, begins)
    wall = now.astimezone(zone).replace(tzinfo=None)
    start = origin + (wall - origin) // span * span
    return f"{name} {start.replace(tzinfo=zone).isoformat()}"


class Calendar:
    """The alarm clock's life: enter jobs, start, stop. `on_trouble(name, error)` hears what a job raised; the next time comes all the same."""

    def __init__(self, timezone: str, *, on_trouble: Callable[[str, Exception], None]) -> None:
        self._zone = ZoneInfo(timezone)
        self._on_trouble = on_trouble
        self._alarm = BackgroundScheduler(
            timezone=self._zone,
            # No limit of grace: else the library drops what is a second late.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(self, name: str, span: timedelta, call: Callable[[], object]) -> None:
        """Call at the start and then every `span`; the same name replaces the job."""
        self._enter(name, IntervalTrigger(seconds=span.total_seconds(), timezone=self._zone), call)

    def daily(self, name: str, at: str, call: Callable[[], object]) -> None:
        """Call at the start and then each day at `at`, `02:00`; the same name replaces the job."""
        when = time_of_day(at)
        self._enter(name, CronTrigger(hour=when.hour, minute=when.minute, timezone=self._zone), call)

    def next_at(self, name: str) -> datetime | None:
        """When the job is called next; None when there is no such job or the calendar is not started."""
        job = self._alarm.get_job(name)
        found = getattr(job, "next_run_time", None)
        return found if isinstance(found, datetime) else None

    def start(self) -> None:
        self._alarm.start()

    def stop(self) -> None:
        """Let the running jobs end, call no more. May be repeated."""
        if self._alarm.running:
            self._alarm.shutdown(wait=True)

    def _enter(self, name: str, trigger: BaseTrigger, call: Callable[[], object]) -> None:
        self._alarm.add_job(self._call, trigger, args=(name, call), id=name, replace_existing=True, next_run_time=clock.now())

    def _call(self, name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as trouble:
            self._on_trouble(name, trouble)
