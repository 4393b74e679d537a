"""Without a bound card nothing is applied for: every installed type and operation that asks for one says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import card_faults
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account, Card, Gateway, Settings

pytestmark = [pytest.mark.requirement(row) for row in ("NA-11", "EX-01", "ME-02", "ID-02")]


@pytest.fixture(scope="module")
def installed() -> dict[str, Compiled]:
    return dict(compile_all(load_profiles()))


def rules_with(installed: dict[str, Compiled], *cards: Card) -> Rules:
    account = Account(name="demo", title="x", uscc="91210200MA0EXAMPLC", card=cards)
    settings = Settings(home=Path("/nowhere"), gateway=Gateway(environment="test"), account=(account,))
    return Rules(settings, installed)


def cards(*, bound: str, role: str = "legal") -> list[Card]:
    return [Card(name=f"demo-{of}", authority=of, role=role, bound=bound) for of in ("mofcom", "customs", "ministries")]


def told(rules: Rules, type_: str, operation: str) -> list[str]:
    message = Message(
        id="1", account="demo", kind=Kind.SUBMISSION, type=type_, operation=operation, state=State.RECEIVED, sequence=1,
        received_at=0, updated_at=0
    )  # fmt: skip
    return [f"{f.code} {f.zh} {f.en}" for f in card_faults(rules, message, rules.profile(type_).operations[operation])]


def test_every_operation_that_asks_for_a_card_is_refused_while_none_is_bound(installed: dict[str, Compiled]) -> None:
    unbound, bound = rules_with(installed, *cards(bound="")), rules_with(installed, *cards(bound="1"))
    seen = 0
    for type_, compiled in installed.items():
        for name, operation in compiled.profile.operations.items():
            wants = operation.signed or operation.card_bound or operation.card_present
            faults = told(unbound, type_, name)
            assert len(faults) == (1 if wants else 0), (type_, name)
            if wants and "legal" in (operation.roles or ("legal",)):
                assert faults[0].count(f"tongguan card bind demo-{compiled.profile.card_authority}") == 2, faults
                assert told(bound, type_, name) == []
                seen += 1
    assert seen > 100


def test_a_bound_card_of_another_role_does_not_stand_in(installed: dict[str, Compiled]) -> None:
    rules = rules_with(installed, *cards(bound="1", role="operator"))
    for type_, compiled in installed.items():
        for name, operation in compiled.profile.operations.items():
            wants = operation.signed or operation.card_bound or operation.card_present
            refused = wants and bool(operation.roles) and "operator" not in operation.roles
            assert bool(told(rules, type_, name)) == refused, (type_, name)


def test_of_two_suitable_cards_the_bound_one_is_taken(installed: dict[str, Compiled]) -> None:
    first, second = Card(name="old", authority="mofcom"), Card(name="new", authority="mofcom", bound="2")
    rules = rules_with(installed, first, second)
    profile = rules.profile("NA.application")

    chosen = rules.card_for(rules.account("demo"), profile, profile.operations["declare"])
    assert chosen is not None and chosen.name == "new"
