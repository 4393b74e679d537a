"""No bytes bring a reader to anything but its own words, nor to more work or memory than their length is worth.

`TONGGUAN_FUZZ_SECONDS` (300 for all targets together) and `TONGGUAN_FUZZ_SEED` (printed) lead a run: `pytest -m long tests/fuzz`.
Without a seed each run takes another way, but not in CI (`CI=true`): what lets a change land is no lottery, so there it is always the same.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from fuzzing import Target, broken, fuzz, keep, known
from targets import TARGETS

SECONDS = float(os.environ.get("TONGGUAN_FUZZ_SECONDS", "300")) / len(TARGETS)
CI_SEED = 20261120
SEED = int(os.environ.get("TONGGUAN_FUZZ_SEED") or (CI_SEED if os.environ.get("CI") else random.SystemRandom().randrange(2**32)))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_what_was_found_once_is_found_no_more(target: Target) -> None:
    found = {path.name: wrong.why for path in known(target) if (wrong := broken(target, path.read_bytes()))}

    assert not found


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_nothing_new_is_found(target: Target, tmp_path: Path) -> None:
    run = fuzz(target, seconds=SECONDS, seed=SEED, last=tmp_path / "last")
    print(f"{target.name}: seed {SEED}, {run.inputs} inputs in {SECONDS:.0f} s, {run.outcomes} outcomes")

    assert run.found is None, f"seed {SEED}; kept as {keep(target, run.found)}: {run.found.why}\n{run.found.raw[:2000]!r}"
