"""No pattern of a profile can be made to look at the same letters again and again: senders choose what it runs over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile

MANY = 40  #: letters; a part that repeats so often, or without end, must not hold another such part


def patterns(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from ((field.path, field.pattern) for field in profile.fields if field.pattern)
    yield from ((rule.id, str(rule.with_["pattern"])) for rule in profile.rules if "pattern" in rule.with_)
    yield from ((name, number.pattern) for name, number in profile.numbers.items() if number.pattern)


def nested(parts: Any, inside: bool = False) -> bool:
    """Is there a long repetition within a long repetition?"""
    for kind, argument in parts:
        if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            _, most, repeated = argument
            long = most >= MANY
            if (long and inside) or nested(repeated, inside or long):
                return True
        elif (kind is _constants.SUBPATTERN and nested(argument[3], inside)) or (
            kind is _constants.BRANCH and any(nested(branch, inside) for branch in argument[1])
        ):
            return True
    return False


@pytest.mark.parametrize("profile", load_profiles().values(), ids=lambda profile: profile.type)
def test_no_pattern_repeats_a_repetition(profile: Profile) -> None:
    assert [where for where, pattern in patterns(profile) if nested(_parser.parse(pattern))] == []


@pytest.mark.parametrize(
    ("pattern", "bad"), [("(a+)+", True), ("(a|b*)*c", True), ("a+b+", False), ("([0-9]{2}-)*", False), ("[^|]+", False)]
)
def test_a_nested_repetition_is_seen(pattern: str, bad: bool) -> None:
    assert re.compile(pattern) and nested(_parser.parse(pattern)) == bad
