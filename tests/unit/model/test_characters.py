"""What of a text is a number, and what only looks like one."""

from __future__ import annotations

import pytest

from tongguan.gateway.model.characters import is_count


@pytest.mark.parametrize("text", ["1", "7", "007", "100"])
def test_a_whole_number_within_its_bounds_is_a_count(text: str) -> None:
    assert is_count(text, 100)


@pytest.mark.parametrize("text", ["", "0", "101", "0100", "-1", "+1", "1.0", " 1", "２", "²", "٣", "9" * 5000])
def test_nothing_else_is(text: str) -> None:
    assert not is_count(text, 100)
