"""The business clock never goes back: whatever is done to the machine's clocks, to the file, and to whoever runs."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clocks import Machine
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.system import times
from tongguan.gateway.system.business_clock import (
    FILE,
    LAST,
    MOST_SPEED,
    WRITTEN_WITHIN,
    BusinessClock,
    ClockLine,
    going_on,
    kept_line,
    read_line,
)

HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine().rules(monkeypatch)


def test_without_a_line_it_is_the_machines_clock_wherever_that_goes(machine: Machine) -> None:
    business = BusinessClock()
    machine.wall -= DAY

    assert business.now_ms() == machine.wall
    assert business.shown() == {}
    assert going_on([], 1) is None


def test_so_many_milliseconds_pass_in_one_of_the_machine(machine: Machine) -> None:
    begun = machine.wall
    business = BusinessClock(going_on([], 3600))
    machine.passes(1000)

    assert business.now_ms() == begun + HOUR
    assert business.shown() == {"clock": {"business_time": times.show(begun + HOUR), "speed": 3600}}


@pytest.mark.parametrize("by", [-400 * DAY, -1, 1, 400 * DAY])
def test_setting_the_machines_clock_moves_nothing(machine: Machine, by: int) -> None:
    business = BusinessClock(going_on([], 60))
    before = business.now_ms()
    machine.wall += by

    assert business.now_ms() == before


@pytest.mark.parametrize("speed", [1, 7, MOST_SPEED])
def test_another_speed_goes_on_from_where_it_is(machine: Machine, speed: int) -> None:
    first = going_on([], 3600)
    assert first is not None
    machine.passes(DAY)
    before = BusinessClock(first).now_ms()

    second = going_on([first], speed)

    assert second is not None
    after = BusinessClock(second).now_ms()
    assert after == before if speed > 3600 else before < after <= before + WRITTEN_WITHIN * 3600
    machine.passes(10)
    assert BusinessClock(second).now_ms() == after + 10 * speed


def test_days_are_short_only_as_long_as_it_was_said(machine: Machine) -> None:
    line = going_on([], 86_400, lasts=10_000)
    assert line is not None
    begun, business = machine.wall, BusinessClock(line)
    machine.passes(9_999)
    before = business.now_ms()
    assert business.shown()["clock"]["speed"] == 86_400
    machine.passes(3 * DAY + 1)

    assert before == begun + 9_999 * 86_400
    assert business.now_ms() == begun + 10_000 * 86_400 + 3 * DAY
    assert business.shown()["clock"]["speed"] == 1


@pytest.mark.parametrize("boots", [False, True])
def test_a_home_that_was_copied_as_it_ran_goes_on_from_where_it_was(machine: Machine, boots: bool) -> None:
    line = going_on([], 86_400, lasts=10_000)
    assert line is not None
    machine.passes(4_000)
    copied = BusinessClock(line).now_ms()
    machine.passes(30 * DAY)
    if boots:
        machine.starts_anew()
    again = BusinessClock(going_on([line], 86_400, lasts=10_000))

    assert copied <= again.now_ms() <= copied + 6 * DAY + 30 * DAY
    restored = again.now_ms()
    machine.passes(1000)
    assert again.now_ms() == restored + DAY


def test_a_machine_that_was_off_goes_on_by_its_own_clock(machine: Machine) -> None:
    line = ClockLine.begin(10)
    begun = machine.wall
    machine.starts_anew()
    machine.wall += HOUR

    assert BusinessClock(line.here()).now_ms() == begun + 10 * HOUR


def test_a_machine_that_comes_back_with_an_older_clock_does_not_go_back(machine: Machine) -> None:
    line = ClockLine.begin(10)
    machine.passes(HOUR)
    before = BusinessClock(line).now_ms()
    seen = machine.wall
    machine.starts_anew()
    machine.wall -= DAY

    again = going_on([line], 10, seen=seen)

    assert BusinessClock(again).now_ms() == before


def test_of_two_lines_the_one_written_last_goes_on(machine: Machine) -> None:
    """A journal that is restored beside the file of a gateway that was stopped since: the fast days of the backup were nobody's."""
    backup = ClockLine.begin(86_400)
    machine.passes(1000)
    stopped = backup.anew(1)
    machine.passes(10 * DAY)

    again = going_on([backup, stopped], 86_400)

    assert BusinessClock(again).now_ms() == stopped.business + 10 * DAY


def test_a_line_of_another_home_does_not_turn_time_back(machine: Machine) -> None:
    ours = replace(ClockLine.begin(1), business=machine.wall + 1000 * DAY)
    machine.passes(1000)
    theirs = ClockLine.begin(60)
    machine.passes(1000)

    again = going_on([ours, theirs], 60)

    assert BusinessClock(again).now_ms() == ours.business


@pytest.mark.parametrize("later", [-HOUR, HOUR])
def test_a_line_of_this_start_of_the_machine_is_newer_than_one_of_an_earlier(machine: Machine, later: int) -> None:
    before = ClockLine.begin(86_400)
    machine.starts_anew()
    machine.wall += later
    since = before.here().anew(1)
    machine.passes(DAY)

    assert BusinessClock(going_on([before, since], 1)).now_ms() == since.business + DAY


def test_it_stands_where_no_date_can_be_written(machine: Machine) -> None:
    business = BusinessClock(going_on([], MOST_SPEED))
    machine.passes(100 * 365 * DAY)

    assert business.now_ms() == LAST
    assert times.show(LAST) == "9999-01-01T00:00:00.000+08:00"
    assert BusinessClock(going_on([business.line], 1) if business.line else None).now_ms() == LAST


@pytest.mark.parametrize("speed", [0, -1, MOST_SPEED + 1, 1.5, "2", None, True])
def test_a_speed_that_cannot_be_is_no_line(machine: Machine, speed: Any) -> None:
    said = json.loads(ClockLine.begin(2).text()) | {"speed": speed}

    with pytest.raises(ValueError, match=r"."):
        read_line(json.dumps(said))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", "{}", '{"speed": 2}', "\x00" * 9, '{"business": NaN}', "9" * 5000, "[" * 10**5]
)
def test_a_damaged_file_is_as_none(machine: Machine, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)

    assert kept_line(tmp_path) is None


def test_what_is_written_is_read_again(machine: Machine, tmp_path: Path) -> None:
    line = ClockLine.begin(86_400)
    (tmp_path / FILE).write_text(line.text())

    assert kept_line(tmp_path) == line
    assert kept_line(tmp_path / "nowhere") is None


class World:
    """A home on a machine: what its gateway keeps in file and journal, and what others read of it."""

    def __init__(self, machine: Machine, home: Path) -> None:
        self.machine, self.file = machine, home / FILE
        self.lasts = LAST
        self.marker = ""
        self.business: BusinessClock | None = None
        self.committed = 0  #: by the wall clock, the last commit

    def run(self, speed: int, *, known: int) -> None:
        kept = [read_line(self.marker)] if self.marker else []
        with suppress(OSError, ValueError):
            kept.append(read_line(self.file.read_bytes()))
        self.business = BusinessClock(going_on(kept, speed, seen=known, lasts=self.lasts))
        self.write()

    def write(self) -> None:
        if self.business is not None and self.business.line is not None:
            self.marker = self.business.line.text()
            self.file.write_text(self.marker)

    def file_is_whole(self) -> bool:
        return kept_line(self.file.parent) is not None

    def reads(self) -> int | None:
        """What is stamped now, if anybody runs; command line and gateway agree."""
        if self.business is None or self.business.line is None:
            return None
        self.committed = self.machine.wall
        now = self.business.now_ms()
        beside = kept_line(self.file.parent)
        assert beside is None or BusinessClock(beside).now_ms() == now
        return now


STEPS = ("pass", "hold", "set", "boot", "stop", "kill", "lose", "damage", "restore", "speed", "move")


@given(seed=st.integers(0, 2**32))
def test_it_never_goes_back_whatever_happens(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patched:
        world = World(Machine().rules(patched), tmp_path_factory.mktemp("home"))
        machine, speed, last = world.machine, chance.choice([2, 60, 86_400]), 0
        world.lasts = chance.choice([LAST, 10_000, HOUR])
        world.run(speed, known=0)
        backup = ""
        done = []
        for _ in range(40):
            step = chance.choice(STEPS)
            done.append(step)
            match step:
                case "pass":
                    machine.passes(chance.randrange(DAY))
                case "hold":  # for longer
                    if world.business is not None and world.business.line is not None:
                        world.business.line = world.business.line.anew(world.business.line.speed, lasts=world.lasts)
                        world.write()
                case "set":  # noticed at the next look
                    machine.wall = max(0, machine.wall + chance.randrange(-40 * DAY, 40 * DAY))
                    if world.business is not None and world.business.line is not None:
                        world.business.line = world.business.line.anew(world.business.line.speed)
                        world.write()
                case "boot":
                    machine.starts_anew()
                    machine.wall = max(0, machine.wall + chance.randrange(-DAY, DAY))
                    world.run(speed, known=world.committed)
                case "move":  # the home to another machine whose clock is right
                    machine.starts_anew()
                    machine.steady = chance.randrange(10**9)
                    world.run(speed, known=world.committed)
                case "stop":
                    assert world.business is not None
                    world.business.line = world.business.line.anew(1) if world.business.line else None
                    world.write()
                    world.run(speed, known=0)
                case "kill":
                    world.run(speed, known=0)
                case "lose":
                    world.file.unlink(missing_ok=True)
                case "damage":
                    world.file.write_text('{"speed": 2')
                case "restore":  # of the file, or of the journal
                    if backup and chance.random() < 0.5:
                        world.file.write_text(backup)
                    elif backup and world.file_is_whole():
                        world.marker = backup
                    backup = world.marker
                    world.run(speed, known=0)
                case "speed":
                    speed = chance.choice([1, 2, 3600, MOST_SPEED])
                    world.run(speed, known=0)
            now = world.reads()
            assert now is not None and now >= last, (seed, done)
            last = now
