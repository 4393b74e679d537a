"""Waiting by a yardstick: slow is no fault, standing still is one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import patience
import pytest
from patience import Patience, Yardstick, ended, ran, wait_until

SUPPORT = str(Path(patience.__file__).parent)
HELPER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from patience import work
place, steps, stands_still_after = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for n in range(steps):
    if n == stands_still_after:
        time.sleep(3600)
    for _ in range(10):
        work()
    (place / str(n)).touch()
"""


def helper(place: Path, steps: int, *, stands_still_after: int = -1) -> subprocess.Popen[bytes]:
    """A process that makes a file after each piece of work; it can be told to hang."""
    return subprocess.Popen([sys.executable, "-c", HELPER, SUPPORT, str(place), str(steps), str(stands_still_after)])


def files(place: Path) -> int:
    return len(os.listdir(place))


@pytest.fixture
def one_busy_core():
    """This process and all that it starts have one core, which others want as well."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    rivals = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    yield
    for rival in rivals:
        rival.kill()
        rival.wait()
    os.sched_setaffinity(0, cores)


@pytest.mark.long
def test_on_one_core_with_busy_neighbours_what_moves_is_waited_for(tmp_path: Path, one_busy_core: None) -> None:
    steps = 8
    process = helper(tmp_path, steps)
    began = time.monotonic()
    assert wait_until(lambda: files(tmp_path) == steps, "all files", seconds=1, moves=lambda: files(tmp_path))
    assert ended(process, "the helper") == 0
    assert time.monotonic() - began > 1, "it took longer than it may stand still"


def test_what_stands_still_fails_in_bounded_time_saying_what_was_seen_last(tmp_path: Path) -> None:
    process = helper(tmp_path, 9, stands_still_after=2)
    with pytest.raises(
        AssertionError, match=r"waited in vain for all files: .*last seen: \{'files': 2, 'missing': 7\}"
    ) as failed:
        wait_until(lambda: Missing(files(tmp_path), 9), "all files", seconds=0.5, moves=lambda: files(tmp_path))
    process.kill()
    assert process.wait() != 0
    assert "times the yardstick" in str(failed.value)


class Missing(dict[str, int]):
    """True once nothing is missing."""

    def __init__(self, found: int, all_: int) -> None:
        super().__init__(files=found, missing=all_ - found)

    def __bool__(self) -> bool:
        return self["missing"] == 0


def test_a_process_that_does_not_end_is_killed_and_fails(tmp_path: Path) -> None:
    process = helper(tmp_path, 1, stands_still_after=0)
    with pytest.raises(AssertionError, match="waited in vain for the end of the helper"):
        ended(process, "the helper", seconds=0.3)
    assert process.wait() != 0


def test_a_command_that_hangs_is_killed_and_what_it_said_is_told() -> None:
    program = "import time; print('so far', flush=True); time.sleep(3600)"
    with pytest.raises(AssertionError, match="so far"):
        ran([sys.executable, "-c", program], seconds=1)


def test_a_command_gives_what_it_said() -> None:
    done = ran([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"])

    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_each_movement_begins_patience_anew(clock: Clock) -> None:
    seen = itertools.count()
    patient = Patience(10, lambda: next(seen), rule=Yardstick(lambda: 1))
    for clock.now in range(9, 91, 9):
        assert not patient.over()


def test_what_moves_for_ever_and_never_arrives_is_given_up(clock: Clock) -> None:
    seen = itertools.count()
    patient = Patience(10, lambda: next(seen), rule=Yardstick(lambda: 1))
    for clock.now in range(1, 100):
        assert not patient.over()
    clock.now = 100

    assert patient.over()


def test_the_machine_is_measured_again_before_a_wait_is_given_up(clock: Clock) -> None:
    speeds = iter([1, 3, 2, 1])
    patient = Patience(10, rule=Yardstick(lambda: next(speeds)))
    clock.now = 11
    assert not patient.over(), "it has become three times slower"
    clock.now = 21
    assert not patient.over(), "by the last measure"
    clock.now = 31

    assert patient.over()


def test_the_first_measure_is_never_gone_below_and_a_fixed_one_never_measured() -> None:
    speeds = iter([2, 1, 5])
    rule = Yardstick(lambda: next(speeds))
    assert [rule.factor, rule.again(), rule.again()] == [2, 2, 5]

    def never() -> float:
        raise AssertionError("measured")

    fixed = Yardstick(never, "4")
    assert (fixed.factor, fixed.again()) == (4, 4)
