"""The authorities' clock: the machine's, or what the gateway of the home has written."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from clocks import Machine
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.system.business_clock import FILE, LAST, BusinessClock, ClockLine, kept_line
from tongguan.gateway.system.storage import files
from tongguan.simulators.server import clock as theirs
from tongguan.simulators.server.clock import Clock

HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return rules(Machine(), monkeypatch)


def rules(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Have both sides read the clocks of this machine, each in its own way."""
    monkeypatch.setattr(theirs, "_boot", lambda: f"boot {machine.boots}")
    monkeypatch.setattr(theirs, "time", SimpleNamespace(time=lambda: machine.wall / 1000))
    monkeypatch.setattr(theirs, "_steady", lambda: machine.steady)
    return machine.rules(monkeypatch)


def written(home: Path, line: ClockLine) -> None:
    """As the gateway writes it: another file in its place."""
    files.write(home / FILE, line.text().encode())


def test_without_a_file_it_is_the_machines(machine: Machine, tmp_path: Path) -> None:
    clock = Clock(tmp_path)

    assert clock.now() == machine.wall / 1000
    assert clock.later(7) == machine.wall / 1000 + 7
    assert clock.until(machine.wall / 1000 + 5) == pytest.approx(5)


def test_it_follows_the_file_from_when_that_is_there(machine: Machine, tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    begun = clock.now()
    written(tmp_path, ClockLine.begin(3600))
    machine.passes(1000)

    assert clock.now() == begun + 3600
    assert clock.later(2) == pytest.approx(begun + 3600 + 7200)
    assert clock.until(begun + 7200) == pytest.approx(1)


@pytest.mark.parametrize(
    "harm",
    [
        "gone",
        "{",
        '{"speed": 2}',
        "[" * 10**5,
        '{"speed": "x", "business": 1, "steady": 1}',
        '{"speed": 2, "business": "x", "steady": 1, "machine": 1, "boot": ""}',
        '{"speed": 2, "business": 1e999, "steady": 1, "machine": 1, "boot": ""}',
    ],
)
def test_a_file_that_goes_or_is_damaged_changes_nothing(machine: Machine, tmp_path: Path, harm: str) -> None:
    written(tmp_path, ClockLine.begin(3600))
    clock = Clock(tmp_path)
    begun = clock.now()
    (tmp_path / FILE).unlink() if harm == "gone" else (tmp_path / FILE).write_text(harm)
    machine.passes(1000)

    assert clock.now() == begun + 3600


def test_a_file_that_says_an_earlier_time_is_waited_for(machine: Machine, tmp_path: Path) -> None:
    line = ClockLine.begin(1)
    written(tmp_path, line)
    clock = Clock(tmp_path)
    machine.passes(HOUR)
    there = clock.now()
    written(tmp_path, replace(line, business=line.business - HOUR))

    assert clock.now() == there
    machine.passes(2 * HOUR)
    assert clock.now() == there + 3600


@given(seed=st.integers(0, 2**32))
def test_it_agrees_with_the_gateways_whatever_is_done_to_the_machine(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        machine = rules(Machine(), patched)
        lasts = chance.choice([LAST, 10_000, HOUR])
        line = ClockLine.begin(chance.choice([1, 60, 86_400])).anew(60, lasts=lasts)
        written(home, line)
        clock, last = Clock(home), 0.0
        for _ in range(20):
            match chance.choice(["pass", "set", "speed", "anew"]):
                case "pass":
                    machine.passes(chance.randrange(DAY))
                case "set":  # which the gateway notices
                    machine.wall += chance.randrange(-DAY, DAY)
                    line = line.anew(line.speed, lasts=lasts)
                    written(home, line)
                case "speed":
                    line = line.anew(chance.choice([1, 2, 3600]), lasts=lasts)
                    written(home, line)
                case "anew":
                    machine.starts_anew()
                    line = line.here()
                    written(home, line)
                    clock = Clock(home)
            ours = BusinessClock(kept_line(home)).now_ms()
            assert clock.now() * 1000 == pytest.approx(ours, abs=2)
            assert clock.now() >= last
            last = clock.now()
