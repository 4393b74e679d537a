"""What a content wants of a licence and what may be used of it: exact, whatever the decimals."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.document import quantities
from tongguan.gateway.document.licences import (
    Licence,
    UncoveredRow,
    amount_of,
    licence_of,
    takes_of,
    text_of,
    uncovered,
    with_others,
    with_taken,
)
from tongguan.gateway.model.document import Content, Document, Quantity
from tongguan.gateway.model.outcome import Take, TakenLine
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Statistics, TakeRule

NOON = 1_795_147_200_000
RULE = TakeRule("LicenseNo", "CodeTS", "GUnit", "GQty", frozenset({"declare"}), "DecList[]")
ROW = {"commodity": "CodeTS", "name": "Name", "unit": "Unit", "quantity": "TotalQuantity"}
TELLS: Any = SimpleNamespace(units={"吨": "070"})
PROFILE: Any = SimpleNamespace(
    statistics=Statistics(frozenset({"issued"}), "Goods[]", ROW, {}), queries={"remaining": TELLS}, numbers={"licence"}
)
OWN = {"Goods": [{"CodeTS": "26", "Unit": "070", "TotalQuantity": "100.5"}, {"CodeTS": "27", "Unit": "070"}]}
DOCUMENT = Document("l", "demo", "XX.licence", "k", "v", 3, "issued", NOON, NOON, OWN, {"licence": "26AA000001"})
LICENCE = Licence("l", 3, "26AA000001", {"26 070": 100, "27 070": None})


def told(**facts: str) -> Quantity:
    return quantities.told({"licence": "26-AA-000001", "commodity": "26", "unit": "吨", **facts}, as_of=NOON, source="authority")


def cites(*rows: tuple[str, str]) -> Content:
    return {"LicenseNo": "26AA000001", "DecList": [{"CodeTS": code, "GUnit": "070", "GQty": amount} for code, amount in rows]}


@given(st.decimals(0, 10**16, places=7).map(lambda d: format(d, "f")))
def test_an_amount_is_whole_hundred_thousandths_and_its_finer_part_is_never_used(text: str) -> None:
    amount = amount_of(text)

    assert amount == int((Decimal(text) * 10**5).to_integral_value(ROUND_FLOOR))
    assert Decimal(text_of(amount)) <= Decimal(text)


@pytest.mark.parametrize("text", [None, "", "-", "viel", "1,5", "-1", "1e5", "１"])
def test_what_is_no_number_is_no_amount(text: str | None) -> None:
    assert amount_of(text) is None


def test_an_approved_document_may_be_used_for_what_its_own_lines_say() -> None:
    assert licence_of(DOCUMENT, PROFILE, "26AA000001") == Licence("l", 3, "26AA000001", {"26 070": 10050000, "27 070": None})


@pytest.mark.parametrize(
    ("document", "number"),
    [(replace(DOCUMENT, status="draft"), "26AA000001"), (DOCUMENT, "26AA000002")],
    ids=["not approved", "another number"],
)
def test_of_what_a_document_does_not_know_there_is_no_licence(document: Document, number: str) -> None:
    assert licence_of(document, PROFILE, number) is None


def test_a_unit_that_was_told_by_name_is_the_one_of_its_code() -> None:
    licence = licence_of(replace(DOCUMENT, quantities=(told(approved="7"), told(approved="5"))), PROFILE, "26AA000001")

    assert licence is not None
    assert licence.most == {"26 070": 1200000}  # two lines of one commodity are one to whoever uses them


@pytest.mark.parametrize(
    ("used", "held", "others", "most"),
    [
        ("30", 0, "30", 7000000),  # nothing of it is ours
        ("30", 3000000, "0", 10000000),
        ("30", 1000000, "20", 8000000),
        ("30", 5000000, "0", 10000000),  # customs has not heard of all that we hold
        ("130", 0, "130", 0),
    ],
)
def test_what_others_used_is_what_customs_told_beyond_what_was_held_here_then(
    used: str, held: int, others: str, most: int
) -> None:
    line = told(approved="100", used=used)
    (after,) = with_others(PROFILE, [line], {"26 070": held})
    licence = licence_of(replace(DOCUMENT, quantities=(after,)), PROFILE, "26AA000001")

    assert after == {**line, "others": others}
    assert licence is not None
    assert licence.most == {"26 070": most}


def test_what_is_held_of_two_lines_of_one_commodity_is_counted_once() -> None:
    lines = with_others(PROFILE, [told(used="30"), told(used="10"), told()], {"26 070": 3500000})

    assert [line["others"] for line in lines] == ["0", "5", None]


def test_a_document_takes_all_rows_of_one_line_together() -> None:
    content = cites(("26", "0.00001"), ("27", "5"), ("26", "0.0001"), ("28", "1"))

    assert takes_of(RULE, "d", content, LICENCE) == Take(
        "d", (TakenLine("l", "26 070", 11, 100), TakenLine("l", "27 070", 500000, None))
    )
    assert takes_of(RULE, "d", content, None) == Take("d")


def test_without_a_table_the_document_is_the_one_row() -> None:
    rule = TakeRule("LicenseNo", "CodeTS", "GUnit", "GQty", frozenset({"declare"}))

    assert takes_of(rule, "d", {"CodeTS": "26", "GUnit": "070", "GQty": "2"}, LICENCE).lines[0].amount == 200000


def test_each_row_that_wants_more_than_the_rows_before_it_left_is_named() -> None:
    content = cites(("26", "0.0005"), ("26", "0.0006"), ("26", "0.00011"), ("26", "0.00029"), ("28", "1"), ("27", "9"))

    assert uncovered(RULE, content, LICENCE, {"26 070": 10}) == [
        UncoveredRow(1, "26 070", 60, 40),
        UncoveredRow(4, "28 070", 100000, None),
    ]


def test_of_what_is_used_up_nothing_is_left_and_never_less() -> None:
    assert uncovered(RULE, cites(("26", "0.00001")), LICENCE, {"26 070": 150}) == [UncoveredRow(0, "26 070", 1, 0)]


def test_what_is_shown_tells_what_is_held_here_and_what_is_left_for_others() -> None:
    (other,) = with_others(PROFILE, [told(commodity="27", approved="1", used="0.4")], {})
    shown = with_taken(PROFILE, [told(approved="7"), other, told(commodity="28")], {"26 070": 150000})

    assert [(line["taken"], line["left"]) for line in shown] == [("1.5", "5.5"), ("0", "0.6"), ("0", None)]


@given(
    st.lists(st.tuples(st.sampled_from(["26", "27"]), st.integers(1, 60)), max_size=8),
    st.integers(0, 120),
)
def test_rows_that_are_all_covered_are_taken_within_what_is_left(rows: list[tuple[str, int]], used: int) -> None:
    content = cites(*((code, text_of(amount)) for code, amount in rows))
    take = takes_of(RULE, "d", content, LICENCE)
    fits = all(line.most is None or used + line.amount <= line.most for line in take.lines)

    assert (uncovered(RULE, content, LICENCE, {"26 070": used}) == []) == fits
