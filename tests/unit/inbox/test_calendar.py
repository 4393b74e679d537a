"""The calendar."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from patience import STILL, here, wait_until

from tongguan.inbox.calendar import Calendar


@pytest.fixture
def troubles():
    return []


@pytest.fixture
def calendar(troubles):
    calendar = Calendar("Asia/Shanghai", on_trouble=lambda name, trouble: troubles.append((name, str(trouble))))
    yield calendar
    calendar.stop()


def test_work_is_called_at_the_start_and_again(calendar):
    called = threading.Semaphore(0)
    calendar.every("probe", timedelta(seconds=0.2), called.release)
    calendar.start()

    assert all(called.acquire(timeout=here(STILL)) for _ in range(3))


def test_work_that_takes_long_never_runs_twice_at_once(calendar):
    running, most, times = [], [], []

    def work():
        running.append(1)
        most.append(len(running))
        time.sleep(0.3)
        running.pop()
        times.append(1)

    calendar.every("retention", timedelta(seconds=0.1), work)
    calendar.start()
    wait_until(lambda: len(times) >= 3, "the third time")
    calendar.stop()

    assert set(most) == {1}


def test_what_work_raises_is_told_and_the_work_comes_again(calendar, troubles):
    def work():
        raise OSError("disk full")

    calendar.every("retention", timedelta(seconds=0.1), work)
    calendar.start()
    wait_until(lambda: len(troubles) >= 2, "the second trouble")

    assert troubles[:2] == [("retention", "disk full")] * 2


def test_a_job_of_once_a_day_that_failed_comes_again_soon_until_it_does_not_fail(calendar, troubles):
    """A disk that was full for a moment is no alert until tomorrow."""
    called = []

    def work():
        called.append(1)
        if len(called) < 3:
            raise OSError("disk full")

    calendar.every("retention", timedelta(days=1), work)
    calendar.start()
    wait_until(lambda: len(called) == 3, "the third time")
    calendar.stop()

    assert troubles == [("retention", "disk full")] * 2


def test_the_same_name_replaces_the_work(calendar):
    old, new = threading.Semaphore(0), threading.Semaphore(0)
    calendar.every("probe", timedelta(seconds=0.1), old.release)
    calendar.every("probe", timedelta(seconds=0.1), new.release)
    calendar.start()

    assert new.acquire(timeout=here(STILL))
    assert not old.acquire(timeout=0.3)


def test_stopping_waits_for_work_in_hand(calendar):
    began, ended = threading.Event(), threading.Event()

    def work():
        began.set()
        time.sleep(0.3)
        ended.set()

    calendar.every("merge", timedelta(hours=1), work)
    calendar.start()
    began.wait(here(STILL))

    calendar.stop()
    calendar.stop()

    assert ended.is_set()
