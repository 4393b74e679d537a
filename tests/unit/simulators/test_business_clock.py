"""Receipts are dated by the home's business clock, and days pass as fast as it runs."""

from __future__ import annotations

import json
import time

import pytest
from counter_desk import CounterDesk, write_types

from tongguan.simulators.server.clock import Clock

SCRIPT = """
number_at = ["No"]
keys_at = ["No"]
[choice.free]
default = "1"
[[code]]
code = "7"
text = "passed"
[[flow]]
operation = "declare"
unsigned = "free=1"
opens_round = true
steps = [{ code = "7", after = "3s", fast = "50ms", days = 2 }]
"""
BUSINESS = 1_800_000_000_000


def line(home, *, business=BUSINESS, ago=0, speed=1):
    """Write the file: the business time that it was so many milliseconds ago."""
    machine = round(time.time() * 1000) - ago
    said = {"business": business, "machine": machine, "steady": 0, "boot": "another start", "speed": speed}
    (home / "clock.json").write_text(json.dumps(said))


def test_without_a_file_it_is_the_machines(tmp_path):
    before = time.time()

    clock = Clock(tmp_path)

    assert (before <= clock.now() <= time.time(), clock.speed) == (True, 1)


def test_business_passes_as_many_times_faster_as_the_file_says(tmp_path):
    line(tmp_path, ago=10_000, speed=3600)

    clock = Clock(tmp_path)

    assert clock.now() >= (BUSINESS + 10_000 * 3600) / 1000
    assert clock.later(2) - clock.now() == pytest.approx(7200, abs=3600)
    assert clock.until(clock.now() + 36_000) == pytest.approx(10, abs=1)


def test_a_file_written_anew_is_read_and_time_never_goes_back(tmp_path):
    line(tmp_path)
    clock = Clock(tmp_path)
    first = clock.now()
    line(tmp_path, business=BUSINESS - 1_000_000, speed=10)

    assert (clock.now() >= first, clock.speed) == (True, 10)


def test_a_damaged_file_changes_nothing(tmp_path):
    line(tmp_path, speed=10)
    clock = Clock(tmp_path)
    (clock.now(), (tmp_path / "clock.json").write_text("{"))

    assert (clock.speed, clock.now() * 1000 >= BUSINESS) == (10, True)


@pytest.mark.parametrize(
    ("fast", "speed", "seconds"), [(True, 1, 0.05), (False, 1, 3), (False, 1000, 2 * 86_400), (True, 1000, 0.05 * 1000)]
)
def test_a_step_comes_days_later_where_the_clock_runs_fast(tmp_path, fast, speed, seconds):
    root = write_types(tmp_path / "types", {"XX.list": {"replies.toml": SCRIPT}})
    desk = CounterDesk(tmp_path / "home", root, fast=fast)
    desk.at("2026-11-20", speed=speed)
    before = desk.office.clock.now()

    desk.send("XX.list", "declare", "<No>1</No>")

    assert before + seconds <= desk.office.store.next_due() <= desk.office.clock.now() + seconds
    desk.office.store.close()


def test_receipts_and_days_are_the_business_clocks(tmp_path):
    desk = CounterDesk(tmp_path / "home", write_types(tmp_path / "types", {"XX.list": {"replies.toml": SCRIPT}}))
    desk.at("2031-02-03")

    (receipt,) = desk.declared("XX.list", "<No>1</No>")

    assert (receipt.get("issued_at")[:10], desk.office.today()) == ("2031-02-03", "2031-02-03")
    desk.office.store.close()
