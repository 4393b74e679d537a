"""The calendar and the names of its slots."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from patience import STILL, here, wait_until

from tongguan.inbox.calendar import DAY, Calendar, slot_of

SECOND = timedelta(seconds=1)


@pytest.fixture
def troubles():
    return []


@pytest.fixture
def calendar(troubles):
    calendar = Calendar("Asia/Shanghai", on_trouble=lambda name, trouble: troubles.append((name, str(trouble))))
    yield calendar
    calendar.stop()


def at(text):
    return datetime.fromisoformat(text)


def test_a_daily_slot_begins_at_its_time_of_day_in_china():
    names = [
        slot_of("merge", at(f"2026-11-{moment}+08:00"), DAY, at="02:00")
        for moment in ("20T01:59:59", "20T02:00:00", "21T01:59:59")
    ]

    assert names == ["merge 2026-11-19T02:00:00+08:00", "merge 2026-11-20T02:00:00+08:00", "merge 2026-11-20T02:00:00+08:00"]


def test_the_same_moment_has_the_same_slot_in_every_time_zone():
    moment = at("2026-11-20T02:30:00+08:00")

    assert slot_of("merge", moment, DAY) == slot_of("merge", moment.astimezone(UTC), DAY) == "merge 2026-11-20T00:00:00+08:00"


def test_short_slots_follow_each_other_without_gap():
    start = at("2026-11-20T10:00:00+08:00")

    names = [slot_of("probe", start + n * SECOND, 5 * SECOND) for n in range(15)]

    assert [names.count(name) for name in dict.fromkeys(names)] == [5, 5, 5]


def test_slots_of_other_work_are_others():
    moment = at("2026-11-20T10:00:00+08:00")

    assert slot_of("merge", moment, DAY) != slot_of("warn", moment, DAY)


@pytest.mark.parametrize("text", ["2:00", "24:00", "02:60", "02", "", "02:00:00"])
def test_what_is_no_time_of_day_is_refused(calendar, text):
    with pytest.raises(ValueError, match="no time of day"):
        calendar.daily("merge", text, print)


def test_work_is_called_at_the_start_and_again(calendar):
    called = threading.Semaphore(0)
    calendar.every("probe", timedelta(seconds=0.2), called.release)
    calendar.start()

    assert all(called.acquire(timeout=here(STILL)) for _ in range(3))


def test_daily_work_is_called_at_the_start_and_next_at_its_time(calendar):
    called = threading.Semaphore(0)
    calendar.daily("merge", "02:00", called.release)
    calendar.start()

    assert called.acquire(timeout=here(STILL))
    following = calendar.next_at("merge")
    assert (following.hour, following.minute, following.utcoffset()) == (2, 0, timedelta(hours=8))
    assert not called.acquire(timeout=0.3)


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
