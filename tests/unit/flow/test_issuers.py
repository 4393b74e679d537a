"""Who may say a code of a type is data: the type's authority, or those that the profile names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tongguan.gateway.flow.receipts.verification import issuers
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.profile import ReceiptRule, Text

PROFILE: Any = SimpleNamespace(authority="ministries")
SITE: Any = SimpleNamespace(route_of=lambda profile: "nmpa")


def rule(*by: str) -> ReceiptRule:
    return ReceiptRule("55", Text("", ""), by=by)


def sent(route: str) -> Message:
    return Message("m", Kind.SUBMISSION, "demo", "LR.09", "declare", State.SENT, 0, 0, route=route)


@pytest.mark.parametrize(
    ("named", "submission", "expected"),
    [
        ((), None, {"nmpa"}),
        ((), sent("ministries"), {"ministries"}),
        (("customs",), sent("nmpa"), {"customs"}),
        (("ministries", "customs"), sent("nmpa"), {"nmpa", "customs"}),
    ],
)
def test_those_may_say_it_whom_the_profile_names_else_who_was_written_to(
    named: tuple[str, ...], submission: Message | None, expected: set[str]
) -> None:
    assert issuers(SITE, PROFILE, rule(*named), submission) == expected


def test_a_code_that_the_profile_does_not_know_is_the_types_authoritys_to_say() -> None:
    assert issuers(SITE, PROFILE, None, sent("nmpa")) == {"nmpa"}
