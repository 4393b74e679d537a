"""Wakes work at its time; APScheduler is only the alarm clock.

Promises that a job never runs twice at once in this process, that a time missed while busy is made up for once, that a job which
failed is called again soon, and that every job is called once at the start, as nobody knows what was missed before. Remembers nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.interval import IntervalTrigger

from tongguan.gateway.system import clock
from tongguan.gateway.system.threads import Begin, WorkMark, begin_thread

_STOP_SECONDS = 60.0
_MOST_RETRY = 600.0  #: seconds before a job that failed is called again, at most


@dataclass(slots=True)
class _Job:
    """Work with its time; it is called in a thread of its own whenever the alarm has rung."""

    name: str
    trigger: IntervalTrigger
    call: Callable[[], object]
    rung: threading.Event = field(default_factory=threading.Event)
    running: threading.Lock = field(default_factory=threading.Lock)


class Calendar:
    """The alarm clock's life: enter jobs, start, stop.

    `on_trouble(name, error)` hears what a job raised, `on_well(name)` that it did not.
    """

    def __init__(
        self, timezone: str, *, on_trouble: Callable[[str, Exception], None], on_well: Callable[[str], None] = lambda name: None
    ) -> None:
        self._zone = ZoneInfo(timezone)
        self._on_trouble, self._on_well = on_trouble, on_well
        self._jobs: dict[str, _Job] = {}
        self._alarm: BlockingScheduler | None = None
        self._stopping = False

    def every(self, name: str, span: timedelta, call: Callable[[], object]) -> None:
        """Call at the start and then every `span`; the same name replaces the job. Before `start`."""
        self._jobs[name] = _Job(name, IntervalTrigger(seconds=span.total_seconds(), timezone=self._zone), call)

    def start(self, begin: Begin = begin_thread) -> None:
        """One thread for the alarm and one for each job, which `begin` makes and keeps going."""
        for job in self._jobs.values():
            begin(f"calendar:{job.name}", partial(self._serve_job, job))
        begin("calendar", self._serve_alarm)

    def again(self) -> None:
        """Call every job now: the wall clock was set, and each next time is one of the clock as it was before."""
        for job in self._alarm.get_jobs() if self._alarm is not None else ():
            job.modify(next_run_time=clock.now())

    def stop(self) -> None:
        """Let the running jobs end, call no more. May be repeated."""
        self._stopping = True
        if self._alarm is not None:
            with suppress(SchedulerNotRunningError):
                self._alarm.shutdown(wait=False)
        for job in self._jobs.values():
            job.rung.set()
            if job.running.acquire(timeout=_STOP_SECONDS):
                job.running.release()

    def _serve_alarm(self, _: WorkMark) -> None:
        # No limit of grace: else the library drops what is a second late. It only rings: nothing can fail or hang in its thread.
        self._alarm = BlockingScheduler(
            timezone=self._zone,
            executors={"default": DebugExecutor()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for job in self._jobs.values():
            self._alarm.add_job(job.rung.set, job.trigger, id=job.name, next_run_time=clock.now())
        if not self._stopping:
            self._alarm.start()

    def _serve_job(self, job: _Job, pulse: WorkMark) -> None:
        retry = 0.0  # seconds; 0: it did not fail
        while not self._stopping:
            job.rung.wait(retry or None)
            job.rung.clear()
            with job.running, pulse:
                if not self._stopping:
                    retry = 0.0 if self._call(job) else min(_MOST_RETRY, 2 * retry or 1.0)

    def _call(self, job: _Job) -> bool:
        """Whether it went well."""
        try:
            job.call()
        except Exception as trouble:
            self._on_trouble(job.name, trouble)
            return False
        self._on_well(job.name)
        return True
