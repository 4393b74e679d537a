"""Receipts are dated by the home's business clock, and days pass as fast as it runs."""

from __future__ import annotations

import pytest
from counter_desk import CounterDesk, write_types

from tongguan.simulators.script.durations import stamp

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


def test_what_ends_on_a_day_does_not_wait_before_and_says_the_last_thing_as_it_begins(tmp_path):
    two = SCRIPT.replace("steps = [{", 'steps = [{ code = "7", after = "3s", fast = "50ms", days = 9 }, {')
    desk = CounterDesk(tmp_path / "home", write_types(tmp_path / "types", {"XX.list": {"replies.toml": two}}))
    desk.at("2026-11-20", speed=1000)

    desk.send("XX.list", "declare", "<No>1</No>", markers_="!ends=20261203")
    first = desk.office.store.next_due()
    desk.step()

    assert desk.office.clock.now() - 100 <= first <= desk.office.clock.now() + 50
    assert stamp(desk.office.store.next_due()) == "2026-12-03T00:00:00.000+08:00"
    desk.office.store.close()


def test_receipts_and_days_are_the_business_clocks(tmp_path):
    desk = CounterDesk(tmp_path / "home", write_types(tmp_path / "types", {"XX.list": {"replies.toml": SCRIPT}}))
    desk.at("2031-02-03")

    (receipt,) = desk.declared("XX.list", "<No>1</No>")

    assert (receipt.get("issued_at")[:10], desk.office.today()) == ("2031-02-03", "2031-02-03")
    desk.office.store.close()
