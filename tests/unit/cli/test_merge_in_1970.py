"""A machine whose clock was never set lives in January 1970: no month is over that anybody could merge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from homes import begins


@pytest.mark.requirement("CD-11")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("merge", "the clock says 1970-01-10: set it right (timedatectl)"),
        ("merge --dry-run", "the clock says 1970-01-10: set it right (timedatectl)"),
        ("merge --month 2026-11", "2026-11 has not begun: today is 1970-01-10"),
    ],
)
def test_a_clock_that_was_never_set_is_told_by_who_wants_to_merge(
    home: Path, tongguan: Callable[..., Any], words: str, says: str
) -> None:
    begins(home, "1970-01-10T08:00:00+08:00")

    said = tongguan(*words.split(), "--lang", "en")

    assert (said.code, said.out) == (2, "")
    assert says in said.err
