"""What documents are merged by: keys that are equal exactly where all that counts is equal, and sums that lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import document

from tongguan.gateway.document.lines import MERGE, NOT_KEPT, pool_named, scaled, with_keys
from tongguan.gateway.model.document import Content, Document, KeyedDocument
from tongguan.gateway.profile.loading import load_profiles

PROFILE = load_profiles()["CD.list"]
#: CD-12, as it stands in the requirements: what must be equal of two lists, and of two lines
HEAD = (
    *(
        "IEFlag",
        "Bonded",
        "CustomMaster",
        "IEPort",
        "TradeMode",
        "TradeCode",
        "TradeCoScc",
        "TradeName",
        "OwnerCode",
        "OwnerCodeScc",
    ),
    *("OwnerName", "OverseasConsignorCode", "OverseasConsignorCname", "OverseasConsignorEname", "OverseasConsignorAddr"),
    *(
        "OverseasConsigneeCode",
        "OverseasConsigneeEname",
        "CutMode",
        "TradeCountry",
        "TradeAreaCode",
        "DistinatePort",
        "DespPortCode",
    ),
    *(
        "EntyPortCode",
        "TrafMode",
        "TransMode",
        "WrapType",
        "FeeMark",
        "FeeCurr",
        "InsurMark",
        "InsurCurr",
        "OtherMark",
        "OtherCurr",
    ),
    "PromiseItmes",
)
LINE = (
    *("CodeTS", "GName", "GModel", "GUnit", "FirstUnit", "SecondUnit", "TradeCurr", "OriginCountry", "DestinationCountry"),
    *("DutyMode", "DistrictCode", "DestCode", "CiqCode"),
)
#: and what may differ
FREE = ("SeqNo", "EntryId", "DDate", "IEDate", "TrafName", "BillNo", "ContrNo", "GoodsPlace", "NoteS", "GrossWet", "PackNo")
FREE_OF_LINE = ("GNo", "GQty", "FirstQty", "DeclTotal", "LicenseNo")
MARKS = (("FeeMark", "FeeRate"), ("InsurMark", "InsurRate"), ("OtherMark", "OtherRate"))

#: texts that look alike once they are joined: lengths, separators, one letter in two forms, full width
TEXTS = st.sampled_from(
    ["", "a", "a1", "1:a", "5:GName1:a", "a+b", "\u00e9", "e\u0301", "Ａ", "A", "，", "\x1f", "a ", "a-b", "ab", "𠮷"]
)
NUMBERS = st.sampled_from(["", "1.5", "1.50", "01.5", "15", "0", "12345678901234.12345"])


def content_of(head: Content, *rows: Content) -> Content:
    found: Content = {name: value for name, value in head.items() if value}
    return {**found, "DecList": [{name: value for name, value in row.items() if value} for row in rows]}


def kept(content: Content, **more: Any) -> KeyedDocument:
    listed = document("d", type="CD.list", status="cleared", content=content, **more)
    keyed = with_keys(PROFILE, None, listed).keyed
    assert keyed is not None
    return keyed


def equal_by(names: tuple[str, ...], one: Content, other: Content) -> bool:
    return all(one.get(name, "") == other.get(name, "") for name in names)


def by_worth(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


heads = st.fixed_dictionaries(
    {"Bonded": st.sampled_from(["0", "1"]), "FeeMark": st.sampled_from(["", "1", "3"]), "LicenseNo": TEXTS, "ManualNo": TEXTS},
    optional={
        "FeeRate": NUMBERS,
        **dict.fromkeys(
            ("OwnerName", "TradeName", "OverseasConsigneeEname", "PromiseItmes", "EntryId", "BillNo", "GoodsPlace"), TEXTS
        ),
    },
)
rows = st.fixed_dictionaries(
    {"GName": TEXTS, "GModel": TEXTS, "DeclPrice": NUMBERS, "ContrItem": st.sampled_from(["", "1", "2"])},
    optional=dict.fromkeys(("CodeTS", "CiqCode", "GNo", "LicenseNo"), TEXTS),
)


@given(heads, heads)
def test_two_lists_have_one_key_exactly_where_all_that_counts_is_equal(one: Content, other: Content) -> None:
    equal = (
        equal_by(HEAD, one, other)
        and one["LicenseNo"].replace("-", "") == other["LicenseNo"].replace("-", "")
        and (one["Bonded"] != "1" or one["ManualNo"] == other["ManualNo"])
        and (one["FeeMark"] == "3" or by_worth(one.get("FeeRate")) == by_worth(other.get("FeeRate")))
    )

    assert (kept(content_of(one)).key == kept(content_of(other)).key) == equal


@given(rows, rows, st.booleans())
def test_two_lines_have_one_key_exactly_where_all_that_counts_is_equal(one: Content, other: Content, bonded: bool) -> None:
    equal = (
        equal_by(LINE, one, other)
        and by_worth(one["DeclPrice"]) == by_worth(other["DeclPrice"])
        and (not bonded or one["ContrItem"] == other["ContrItem"])
    )
    lines = kept(content_of({"Bonded": str(int(bonded))}, one, other)).lines
    assert lines is not None

    assert (lines[0].key == lines[1].key) == equal


@pytest.mark.parametrize("name", [*HEAD, *LINE])
def test_each_field_of_a_key_parts_by_itself(name: str) -> None:
    of_line = name in LINE
    one, other = ({name: value} for value in ("1", "2"))
    first, second = (kept(content_of({}, each) if of_line else content_of(each)) for each in (one, other))

    assert (first.key == second.key) == of_line
    assert not of_line or (first.lines and second.lines and first.lines[0].key != second.lines[0].key)


@pytest.mark.parametrize("name", [*FREE, *FREE_OF_LINE])
def test_what_is_no_key_never_parts(name: str) -> None:
    one, other = ({name: value} for value in ("1", "2"))
    first, second = (kept(content_of(each, each)) for each in (one, other))

    assert first.key == second.key or name == "LicenseNo"
    assert first.lines is not None and second.lines is not None
    assert first.lines[0].key == second.lines[0].key


decimals = st.decimals(min_value=0, max_value=Decimal("99999999999999.99999"), places=5)


def plain(number: Decimal) -> str:
    text = format(number, "f").rstrip("0").rstrip(".")
    return text or "0"


@given(decimals, decimals, st.sampled_from(["1", "2", "3", ""]))
def test_sums_are_whole_numbers_of_the_last_decimal(quantity: Decimal, rate: Decimal, mark: str) -> None:
    head = {"GrossWet": plain(quantity), "NetWt": "0.00001", "PackNo": "7", "FeeMark": mark, "FeeRate": plain(rate)}
    found = kept(content_of(head, {"GQty": plain(quantity), "DeclTotal": "13.03"}))
    assert found.lines is not None

    assert found.sums == (7, int(quantity * 100_000), 1, int(rate * 100_000) if mark == "3" else 0, 0, 0)
    assert found.lines[0].sums == (int(quantity * 100_000), 0, 0, 1303)


def test_a_number_with_finer_decimals_is_no_sum() -> None:
    with pytest.raises(ValueError, match=r"1\.001 has more than 2 decimals"):
        scaled("1.001", 2)


CONTENT = content_of({"Nature": "1", "IEFlag": "I", "DDate": "2026-11-20", "GrossWet": "5"}, {"GQty": "1"}, {"GQty": "2"})


def declared(**more: Any) -> Document:
    given: dict[str, Any] = {"type": "CD.list", "status": "declared", "content": CONTENT, "numbers": {"unified": "JQ1"}, **more}
    return with_keys(PROFILE, None, document("d", **given))


def moved(before: Document, **changes: Any) -> KeyedDocument | None:
    return with_keys(PROFILE, before, replace(before, keyed=None, version=before.version + 1, **changes)).keyed


def test_a_declared_list_is_kept_in_its_pool_and_the_month_of_its_day() -> None:
    keyed = declared().keyed
    assert keyed is not None

    assert (keyed.pool, keyed.month, keyed.day, keyed.number, keyed.count) == (pool_named("1I"), 202611, "2026-11-20", "JQ1", 2)


def test_a_draft_is_not_kept_and_a_refused_one_no_more() -> None:
    assert declared(status="draft").keyed is None
    assert moved(declared(), status="refused") == NOT_KEPT
    assert moved(declared(), deleted=True) == NOT_KEPT


@pytest.mark.parametrize("status", ["approved", "cleared", "merged"])
def test_a_receipt_that_moves_only_the_status_leaves_all_as_it_was(status: str) -> None:
    assert moved(declared(), status=status) is None


def test_what_a_receipt_tells_changes_the_head_alone() -> None:
    keyed = moved(declared(), content={**CONTENT, "AcceptDate": "2026-11-22"})
    assert keyed is not None

    assert (keyed.rates, keyed.lines) == ("2026-11-22", None)


def test_a_merge_that_takes_it_in_hand_changes_the_head_alone() -> None:
    keyed = moved(declared(), marks={MERGE: "m"})
    assert keyed is not None

    assert (keyed.merge, keyed.lines) == ("m", None)


@pytest.mark.parametrize(
    "change",
    [lambda c: {**c, "DecList": [{"GQty": "9"}]}, lambda c: {**c, "Bonded": "1"}],
    ids=["its lines", "what their keys hang on"],
)
def test_an_amendment_makes_the_lines_anew(change: Callable[[Content], Content]) -> None:
    keyed = moved(declared(), content=change(CONTENT))
    assert keyed is not None

    assert keyed.lines is not None
