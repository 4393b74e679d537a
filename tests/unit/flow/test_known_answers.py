"""What an authority told today is not asked again today; by tomorrow, of another account, or of other values it is."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tongguan.gateway.flow.query.authority.known_answers import KnownAnswers, question_of, with_known
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.loading import load_profiles

TYPE, NOW, DAY = "EX.application", 1_796_000_000_000, 86_400_000
TOLD = {"LicenceForm": "paper"}
PROFILE = load_profiles()[TYPE]


def message(operation: str = "declare", account: str = "demo") -> Message:
    return Message(
        id="m", kind=Kind.SUBMISSION, account=account, type=TYPE, operation=operation, state=State.RECEIVED, received_at=NOW, updated_at=NOW
    )  # fmt: skip


def content(**more: Any) -> dict[str, Any]:
    return {
        "Exporter": {"Code": "2100MA0EXAMPL"},
        "Year": "2026",
        "CustomsPort": "0908",
        "Goods": [{"CodeTS": "1006400001"}, {"CodeTS": "2903710000"}],
        **more,
    }


@pytest.fixture
def known() -> KnownAnswers:
    answers = KnownAnswers()
    answers.note(question_of(PROFILE, message("check"), content(), NOW), TOLD)
    return answers


def test_what_a_check_was_told_is_known_to_a_declare_with_the_same_values(known: KnownAnswers) -> None:
    found = with_known(PROFILE, message(), content(Remark="another document"), known.seen, NOW)

    assert found == content(Remark="another document", LicenceForm="paper")


@pytest.mark.parametrize(
    ("asking", "asked", "at"),
    [
        (message(account="other"), content(), NOW),
        (message(), content(), NOW + DAY),
        (message(), content(CustomsPort="0901"), NOW),
        (message(), content(Exporter={"Code": "2100MA0CLIENT"}), NOW),
        (message(), content(Goods=[{"CodeTS": "2903710000"}, {"CodeTS": "1006400001"}]), NOW),
        (message(), content(Goods=[{"CodeTS": "1006400001"}]), NOW),
        (message("check"), content(), NOW),
    ],
)
def test_anything_else_is_asked_anew(known: KnownAnswers, asking: Message, asked: dict[str, Any], at: int) -> None:
    assert with_known(PROFILE, asking, asked, known.seen, at) == asked


def test_a_changed_profile_begins_anew(known: KnownAnswers) -> None:
    changed = dataclasses.replace(PROFILE, version="another")

    assert with_known(changed, message(), content(), known.seen, NOW) == content()


def test_what_a_document_has_already_stays(known: KnownAnswers) -> None:
    own = content(LicenceForm="electronic")

    assert with_known(PROFILE, message(), own, known.seen, NOW) == own


def test_the_newest_hundred_are_remembered_and_what_was_given_away_stays_as_it_was(known: KnownAnswers) -> None:
    before = known.seen
    for n in range(150):
        known.note(str(n), {})
    known.note("60", TOLD)

    assert len(before) == 1
    assert list(known.seen) == [str(n) for n in range(50, 150) if n != 60] + ["60"]
