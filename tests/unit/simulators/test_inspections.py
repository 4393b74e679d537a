"""Customs agrees, or not, that nobody attends an inspection."""

import re
import uuid

import pytest

DECLARATION, BILL = "EW.declaration", "EW.other"


def body(entry, unified=None, field="EntryId"):
    unified = unified or f"EW20261{uuid.uuid4().int % 10**11:011d}"
    return f"<UnifiedNo>{unified}</UnifiedNo><ApplicantCode>2102960001</ApplicantCode><{field}>{entry}</{field}>"


def test_an_application_is_sent_received_and_agreed(customs, fresh, codes, number):
    status, technical = customs.send(
        DECLARATION, "declare", body(fresh.entry(), "EW2026100000000001"), reference=fresh.reference()
    )
    receipts = customs.until("A1")

    assert (status, technical.get("code"), technical.get("number")) == (202, "0", "EW2026100000000001")
    assert codes(receipts) == ["S1", "R1", "A1"]
    assert re.fullmatch(r"20\d\d1\d{9}", number(receipts[2], "review"))


@pytest.mark.parametrize(
    ("marker", "expected"),
    [("!send-fail", ["S2"]), ("!store-fail", ["S1", "R2"]), ("!disagree", ["S1", "R1", "A2"]), ("!refuse", ["S1", "R1", "A2"])],
)
def test_after_a_no_the_same_entry_may_be_applied_for_again(customs, fresh, codes, marker, expected):
    entry = fresh.entry()
    customs.send(DECLARATION, "declare", body(entry, fresh.reference()), reference=fresh.reference(marker))
    first = customs.until(expected[-1])

    status, _ = customs.send(DECLARATION, "declare", body(entry, fresh.reference()), reference=fresh.reference())

    assert (codes(first), status) == (expected, 202)
    assert codes(customs.until("A1")) == ["S1", "R1", "A1"]


def test_an_entry_applied_for_or_agreed_is_refused_a_second_time(customs, fresh, faults):
    entry = fresh.entry()
    customs.send(DECLARATION, "declare", body(entry, fresh.reference()), reference=fresh.reference())
    _, early = customs.send(DECLARATION, "declare", body(entry, fresh.reference()), reference=fresh.reference())
    customs.until("A1")

    status, late = customs.send(DECLARATION, "declare", body(entry, fresh.reference()), reference=fresh.reference())

    assert (status, faults(early)[0][0], faults(late)[0][0]) == (400, "EW-S07", "EW-S07")


WRONG = [
    ("090220261999999999", "EW-S03", "报关单号 090220261999999999 不存在"),
    ("090220261000000201", "EW-S04", "报关单 090220261000000201 已放行"),
    ("090220261000000301", "EW-S05", "申请单位海关编码与报关单 090220261000000301 境内收发货人不一致"),
    ("530120261000000401", "EW-S06", "不在受理范围内、暂不满足条件"),
]


@pytest.mark.parametrize(("entry", "code", "text"), WRONG)
def test_what_customs_books_forbid_is_refused_at_query_and_declare(customs, fresh, faults, entry, code, text):
    asked = customs.ask(DECLARATION, "declaration", body(entry))
    status, declared = customs.send(DECLARATION, "declare", body(entry), reference=fresh.reference())

    assert (asked.get("code"), faults(asked)) == ("Q1", [(code, text)])
    assert (status, faults(declared)) == (400, [(code, text)])


@pytest.mark.parametrize(
    ("type_", "kind", "inside"),
    [(DECLARATION, "declaration", body("090220261000000099")), (BILL, "bill", body("DEMOBL0099", field="BillNo"))],
)
def test_the_place_of_inspection_is_told(customs, tools, type_, kind, inside):
    answer = customs.ask(type_, kind, inside, operation="save")

    place = answer.find("r:Content/r:InspectionCustoms", tools.NS)
    assert (place.text, place.get("code"), place.get("name")) == ("0902", "0902", "大连机场")


def test_a_bill_is_agreed_and_a_far_one_refused(customs, fresh, codes, faults):
    customs.send(BILL, "declare", body("DEMOBL0001", field="BillNo"), reference=fresh.reference())
    agreed = customs.until("A1")

    status, far = customs.send(BILL, "declare", body("FARBL0001", fresh.reference(), "BillNo"), reference=fresh.reference())

    assert (codes(agreed), status) == (["S1", "R1", "A1"], 400)
    assert faults(far) == [("EW-S06", "不在受理范围内、暂不满足条件")]


def test_the_receipts_of_an_application_are_listed_on_request(customs, tools, fresh):
    unified = fresh.reference()
    customs.send(DECLARATION, "declare", body(fresh.entry(), unified), reference=fresh.reference())
    customs.until("A1")

    answer = customs.ask(DECLARATION, "receipts", number=unified)

    assert [one.get("code") for one in answer.iterfind("r:Content/r:Receipts/r:Receipt", tools.NS)] == ["S1", "R1", "A1"]
