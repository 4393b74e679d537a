"""A document that changes another one: places, labels and old values are filled, new values held against the other type."""

from __future__ import annotations

from typing import Any

import pytest
from agreements import write_agreements
from codecs_sample import ACCOUNT, document, found

from tongguan.codecs.checking.changing.changed import ChangedDocument
from tongguan.codecs.checking.changing.changes import MovedOn, carried_out, still_asked
from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.checking.filling.fills import FillContext
from tongguan.codecs.reading.read import read
from tongguan.gateway.document.changes import changed as next_version
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.loading import load_profiles

FILED: Content = {
    "FilingNo": "XF26000001",
    "Code": "C",
    "Amount": "100",
    "Until": "2027-01-01",
    "Goods": [{"GNo": "1", "Name": "甲", "Quantity": "7"}, {"GNo": "2", "Name": "乙", "Quantity": "3.5"}],
    "Total": "10.5",
}
Types = dict[str, Compiled]


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Types:
    return compile_all(load_profiles(write_agreements(tmp_path_factory.mktemp("types"))))


def other(types: Types, **more: Any) -> ChangedDocument:
    filed = replace(document(FILED, status="approved"), type="XX.filing", key="F-1", version=9, **more)
    return ChangedDocument(types["XX.filing"], filed)


def row(place: str, new: str | None = None, **more: str) -> str:
    told = {"Place": place, **({} if new is None else {"New": new}), **more}
    return f"<Change>{''.join(f'<{name}>{value}</{name}>' for name, value in told.items())}</Change>"


def change(
    types: Types,
    rows: str,
    *,
    kind: str = "1",
    operation: str = "declare",
    to: ChangedDocument | None = None,
    draft: Content | None = None,
) -> Checked:
    """A change of the filing as it is checked; `draft`: without a body, of what was saved."""
    body = f"<Kind>{kind}</Kind><FilingNo>XF26000001</FilingNo>{rows}<Reason>x</Reason>" if draft is None else ""
    raw = f'<XX.change xmlns="urn:tongguan:XX.change:1" operation="{operation}" reference="r">{body}</XX.change>'
    item = read("m.xml", raw.encode(), most_bytes=10**7).items[0]
    given: dict[str, Any] = {
        "account": ACCOUNT,
        "document": None if draft is None else document(draft),
        "numbers": {},
        "now_ms": 0,
    }
    return check(types["XX.change"], item, operation=operation, changed=lambda content: to or other(types), **given)


def rows_of(checked: Checked) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = checked.content["Change"]
    return rows


def test_label_old_value_and_version_are_filled(types: Types) -> None:
    checked = change(types, row("Amount", "0250.0") + row("Goods[2]/Quantity", "4") + row("Contact/Phone", "0411"))

    assert found(checked) == []
    assert rows_of(checked) == [
        {"Place": "Amount", "Label": "担保额度", "Old": "100", "New": "250"},
        {"Place": "Goods[2]/Quantity", "Label": "商品数量", "Old": "3.5", "New": "4"},
        {"Place": "Contact/Phone", "Label": "联系电话", "New": "0411"},
    ]
    assert checked.content["Version"] == "9"


def test_an_old_value_is_read_as_its_field_is(types: Types) -> None:
    assert found(change(types, row("Until", "20280101", Old="20270101") + row("Amount", "1", Old="100.00"))) == []


@pytest.mark.parametrize(
    ("rows", "code", "path"),
    [
        (row("Amount", "250", Old="120"), "GW-C19", "Change[1]/Old"),
        (row("Amount", "250", Old="much"), "GW-C19", "Change[1]/Old"),
        (row("Contact/Phone", "0411", Old="1"), "GW-C19", "Change[1]/Old"),
        (row("Amount", "250", Label="金额"), "GW-C19", "Change[1]/Label"),
        (row("Amuont", "250"), "GW-C37", "Change[1]/Place"),
        (row("Goods", "250"), "GW-C37", "Change[1]/Place"),
        (row("Goods/Quantity", "250"), "GW-C37", "Change[1]/Place"),
        (row("Goods[0]/Quantity", "250"), "GW-C37", "Change[1]/Place"),
        (row("Goods[3]/Quantity", "250"), "GW-C37", "Change[1]/Place"),
        (row("Goods[2]", "250"), "GW-C37", "Change[1]/Place"),
        (row("Amount[1]", "250"), "GW-C37", "Change[1]/Place"),
        (row("Contact", "250"), "GW-C37", "Change[1]/Place"),
        (row("/Amount", "250"), "GW-C37", "Change[1]/Place"),
        (row("Amount", "250") + row("Amount", "300"), "GW-C39", "Change[2]/Place"),
        (row("Amount", "0100.0"), "GW-C42", "Change[1]/New"),
        (row("Contact/Phone", ""), "GW-C42", "Change[1]/New"),
        (row("Code", "D"), "GW-C38", "Change[1]/Place"),
        (row("Goods[1]/Name", "丁"), "GW-C38", "Change[1]/Place"),
        (row("FilingNo", "1"), "GW-C38", "Change[1]/Place"),
        (row("Total", "1"), "GW-C38", "Change[1]/Place"),
        (row("Amount", "much"), "GW-C06", "Change[1]/New"),
        (row("Goods[1]/Quantity", "-1"), "GW-C09", "Change[1]/New"),
        (row("Until", "2027-02-30"), "GW-C11", "Change[1]/New"),
        (row("Amount"), "GW-C03", "Change[1]/New"),
        (row("Until", "20280101") + row("Amount", "10.5"), "XX-A01", "Change[2]/New"),
        (row("Until", "20280101") + row("Goods[2]/Quantity", "93"), "XX-A01", "Change"),
    ],
)
def test_what_is_wrong_is_told_at_its_own_cell(types: Types, rows: str, code: str, path: str) -> None:
    checked = change(types, rows)

    assert found(checked) == [(code, f"/XX.change/{path}")]


def test_a_fault_of_a_new_value_bears_the_label_of_the_field_that_is_changed(types: Types) -> None:
    (fault,) = change(types, row("Amount", "much")).faults

    assert (fault.label, fault.zh) == ("担保额度", "担保额度应为数字（不带千分位、指数），现为 much")


def test_what_is_wrong_with_the_other_document_already_is_not_the_changes_fault(types: Types) -> None:
    wrong = replace(other(types), document=replace(other(types).document, content={**FILED, "Amount": "10.5"}))

    assert found(change(types, row("Until", "20280101"), to=wrong)) == []


def test_an_empty_new_value_takes_the_value_away(types: Types) -> None:
    checked = change(types, row("Until"))
    known = FillContext(ACCOUNT, None, {}, 0, changed=other(types))

    assert found(checked) == []
    assert "Until" not in carried_out(types["XX.change"], checked.content, known)


def test_a_cancellation_needs_no_rows_and_holds_them_against_nothing(types: Types) -> None:
    assert found(change(types, "", kind="2")) == []


def test_without_the_other_document_nothing_is_filled(types: Types) -> None:
    raw = f'<XX.change xmlns="urn:tongguan:XX.change:1" operation="save" reference="r">{row("Amount", "250")}</XX.change>'
    item = read("m.xml", raw.encode(), most_bytes=10**7).items[0]
    checked = check(types["XX.change"], item, account=ACCOUNT, document=None, operation="save", numbers={}, now_ms=0)

    assert rows_of(checked) == [{"Place": "Amount", "New": "250"}]


def test_a_draft_that_was_made_from_another_old_value_is_told_so_when_it_is_declared(types: Types) -> None:
    draft = change(types, row("Amount", "250"), operation="save").content
    filed = other(types)
    moved = replace(filed, document=next_version(filed.document, 0, content={**FILED, "Amount": "120"}))

    assert found(change(types, "", draft=draft, to=moved)) == [("GW-C19", "/XX.change/Change[1]/Old")]


def test_a_draft_is_declared_although_the_other_document_moved_on_elsewhere(types: Types) -> None:
    draft = change(types, row("Amount", "250"), operation="save").content
    filed = other(types)
    moved = replace(filed, document=next_version(filed.document, 0, content={**FILED, "Until": "2029-01-01"}))
    checked = change(types, "", draft=draft, to=moved)

    assert found(checked) == []
    assert checked.content["Version"] == "10"


# Carrying it out


def asked(types: Types, rows: str) -> Content:
    return change(types, rows).content


def known(types: Types, filed: Document) -> FillContext:
    return FillContext(ACCOUNT, None, {}, 0, changed=ChangedDocument(types["XX.filing"], filed))


def test_new_values_stand_in_the_place_of_the_old_ones_and_sums_follow(types: Types) -> None:
    before = other(types).document
    after = carried_out(
        types["XX.change"], asked(types, row("Goods[2]/Quantity", "4") + row("Contact/Phone", "1")), known(types, before)
    )

    goods = [FILED["Goods"][0], {**FILED["Goods"][1], "Quantity": "4"}]
    assert after == {**FILED, "Goods": goods, "Total": "11", "Contact": {"Phone": "1"}}
    assert before.content == FILED, "the other document itself is not touched"


@pytest.mark.parametrize("now", ["120", None])
def test_a_place_that_says_something_else_by_now_stops_all_of_it(types: Types, now: str | None) -> None:
    content = {**FILED, "Amount": now} if now else {k: v for k, v in FILED.items() if k != "Amount"}
    moved = replace(other(types).document, content=content)

    with pytest.raises(MovedOn, match="Amount"):
        carried_out(types["XX.change"], asked(types, row("Until", "20280101") + row("Amount", "250")), known(types, moved))


def test_a_place_that_says_the_new_value_already_stops_nothing(types: Types) -> None:
    there = replace(other(types).document, content={**FILED, "Amount": "250"})

    assert carried_out(types["XX.change"], asked(types, row("Amount", "250")), known(types, there))["Amount"] == "250"


def test_a_row_that_is_gone_stops_all_of_it(types: Types) -> None:
    shorter = replace(other(types).document, content={**FILED, "Goods": FILED["Goods"][:1]})

    with pytest.raises(MovedOn, match="Goods"):
        carried_out(types["XX.change"], asked(types, row("Goods[2]/Quantity", "4")), known(types, shorter))


def test_what_awaits_agreement_meanwhile_takes_it_up_where_it_asks_for_nothing_else(types: Types) -> None:
    waiting = {**FILED, "Amount": "999"}
    filed = replace(other(types).document, pending=waiting)
    content = asked(types, row("Amount", "250") + row("Until", "20280101"))

    assert still_asked(types["XX.change"], content, ChangedDocument(types["XX.filing"], filed)) == {
        **waiting,
        "Until": "2028-01-01",
    }
