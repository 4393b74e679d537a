"""What is left of a licence: exact, and never more than was told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.document import quantities
from tongguan.gateway.model.document import Document
from tongguan.gateway.profile.profile import Statistics

NOON = 1_795_147_200_000
AMOUNTS = st.decimals(0, 10**20, places=5).map(lambda d: format(d, "f"))
ROW = {"commodity": "CodeTS", "name": "Name", "unit": "Unit", "quantity": "TotalQuantity"}
COUNTED = Statistics(frozenset({"issued"}), "Goods[]", ROW, {})
COUNTS: Any = SimpleNamespace(statistics=COUNTED, numbers={"licence"}, queries={})
CONTENT = {"Goods": [{"CodeTS": "0201100000", "Unit": "035", "TotalQuantity": "100.5"}, {"CodeTS": "2601111000"}]}
DOCUMENT = Document("d", "demo", "XX.sample", "k", "v", 1, "issued", NOON, NOON, CONTENT, {"licence": "26AA000001"})


@given(AMOUNTS, AMOUNTS)
def test_what_was_used_is_exactly_what_is_missing(approved: str, remaining: str) -> None:
    line = quantities.told({"approved": approved, "remaining": remaining}, as_of=NOON, source="authority")

    assert Decimal(line["used"] or "") == Decimal(approved) - Decimal(remaining)
    assert (line["approved"], line["remaining"]) == (approved, remaining)


@pytest.mark.parametrize(
    "facts", [{"approved": "5"}, {"approved": "5", "remaining": "-"}, {"approved": "viel", "remaining": "1"}, {}]
)
def test_what_nobody_told_is_nothing_and_not_zero(facts: dict[str, str]) -> None:
    assert quantities.told(facts, as_of=NOON, source="authority")["used"] is None


def test_what_was_told_to_be_used_is_believed() -> None:
    facts = {"approved": "5", "remaining": "1", "used": "3"}

    assert quantities.told(facts, as_of=NOON, source="authority")["used"] == "3"


def test_an_approved_document_tells_what_its_lines_say_was_approved() -> None:
    lines = quantities.shown(DOCUMENT, COUNTS)

    assert lines is not None
    assert [(q["commodity"], q["approved"], q["remaining"], q["source"]) for q in lines] == [
        ("0201100000", "100.5", None, "journal"),
        ("2601111000", None, None, "journal"),
    ]


@pytest.mark.parametrize(
    "profile",
    [
        None,
        SimpleNamespace(statistics=None, numbers={"licence"}, queries={}),
        SimpleNamespace(statistics=COUNTED, numbers={"entry"}, queries={}),
    ],
)
def test_where_nothing_is_counted_or_no_licence_is_given_nothing_is_known(profile: Any) -> None:
    assert quantities.shown(DOCUMENT, profile) is None


def test_before_it_is_approved_nothing_is_known() -> None:
    assert quantities.shown(replace(DOCUMENT, status="draft"), COUNTS) is None


def test_what_the_authority_told_goes_before_the_documents_own_lines() -> None:
    line = quantities.told({"licence": "26AA000001", "remaining": "1"}, as_of=NOON, source="authority")

    assert quantities.shown(replace(DOCUMENT, quantities=(line,)), COUNTS) == (line,)
