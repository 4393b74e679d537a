"""A document changes another one, or cancels it, when the authority agrees: both in one commit, or neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from agreement_desk import CHANGE, FILING, Office, filing, open_office
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.requirement("CD-10")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


def row(place: str, new: str, **more: str) -> str:
    cells = {"Place": place, "New": new, **more}
    return f"<Change>{''.join(f'<{name}>{value}</{name}>' for name, value in cells.items())}</Change>"


def change(number: str, rows: str = "", *, kind: str = "1") -> str:
    return f"<Kind>{kind}</Kind><FilingNo>{number}</FilingNo>{rows}<Reason>填错</Reason>"


def number_of(office: Office, key: str) -> str:
    number: str = office.document(FILING, key)["numbers"]["own"]
    return number


def declared(office: Office, filing_key: str, rows: str = "", *, kind: str = "1") -> tuple[str, dict[str, Any]]:
    """The key of a change that the authority has, and its message."""
    key = f"X-{office.fresh()}"
    message = office.send(CHANGE, "declare", key, change(number_of(office, filing_key), rows, kind=kind))
    assert message["state"] == "sent", message["faults"]
    return key, message


def text(office: Office, type_: str, key: str) -> str:
    found: str = office.document(type_, key)["business_status"]["text"]
    return found


def test_a_draft_shows_old_and_new_and_what_they_are_called(office: Office) -> None:
    filed = office.approved()
    key = f"X-{office.fresh()}"
    rows = row("Amount", "250.0") + row("Goods[2]/Quantity", "4")
    status = office.send(CHANGE, "save", key, change(number_of(office, filed), rows))
    body = office.document(CHANGE, key)["body"]

    assert status["state"] == "accepted", status["faults"]
    assert [(row["Label"], row["Old"], row["New"]) for row in body["Change"]] == [
        ("担保额度", "100", "250"),
        ("商品数量", "3.5", "4"),
    ]
    assert body["Version"] == str(office.document(FILING, filed)["versions"]["document"])


def test_agreed_to_it_changes_the_other_document_and_what_is_found_of_it(office: Office) -> None:
    filed = office.approved("5551")
    before = office.document(FILING, filed)
    key, message = declared(office, filed, row("Amount", "5552") + row("Goods[1]/Quantity", "8"))
    assert office.document(FILING, filed)["body"] == before["body"]
    (call,) = office.shop.mofcom.posts(message["reference"])
    assert re.findall(rb"<Old>(.*?)</Old><New>(.*?)</New>", call.body) == [(b"5551", b"5552"), (b"7", b"8")]

    office.say(CHANGE, message, "A1")
    after = office.document(FILING, filed)
    assert (text(office, CHANGE, key), office.status(message)["state"]) == ("同意", "accepted")
    assert (after["body"]["Amount"], after["body"]["Goods"][0]["Quantity"], after["body"]["Total"]) == ("5552", "8", "11.5")
    assert (after["business_status"], after["versions"]["document"]) == (
        before["business_status"],
        before["versions"]["document"] + 1,
    )
    assert [row["no"] for row in office.result("list", "<amount>5552</amount>")] == [after["numbers"]["own"]]
    assert office.shop.daemon.journal.verify().broken is None


@pytest.mark.parametrize(("code", "words"), [("A2", "不同意"), ("R2", "接收失败")])
def test_not_agreed_to_it_changes_nothing_and_another_may_be_made(office: Office, code: str, words: str) -> None:
    filed = office.approved()
    before = office.document(FILING, filed)
    key, message = declared(office, filed, row("Amount", "250"))
    office.say(CHANGE, message, code)

    assert (text(office, CHANGE, key), office.status(message)["state"]) == (words, "rejected")
    assert office.document(FILING, filed)["body"] == before["body"]
    declared(office, filed, row("Amount", "300"))


def test_it_may_cancel_the_other_document_which_no_receipt_undoes(office: Office) -> None:
    filed = office.approved()
    _, message = declared(office, filed, kind="2")
    office.say(CHANGE, message, "A1")
    assert text(office, FILING, filed) == "取消"
    free = office.send(FILING, "save", f"{filed}-2", filing(code=filed))
    assert free["state"] == "accepted", "what it had reserved is free"

    number = number_of(office, filed)
    office.issue(*(office.receipt(FILING, None, code, number=number) for code in ("A1", "C1")))
    assert text(office, FILING, filed) == "取消"


def test_one_change_at_a_time_awaits_the_authority(office: Office) -> None:
    filed = office.approved()
    _, message = declared(office, filed, row("Amount", "250"))
    second = office.send(CHANGE, "declare", f"X-{office.fresh()}", change(number_of(office, filed), row("Amount", "300")))
    assert [(f["code"], f["path"]) for f in second["faults"]] == [("GW-F07", f"/{CHANGE}/FilingNo")]

    office.say(CHANGE, message, "A1")
    declared(office, filed, row("Amount", "300"))


def test_a_document_that_is_no_more_in_the_right_status_is_not_changed(office: Office) -> None:
    filed = office.approved()
    office.amend(filed, "250")
    status = office.send(CHANGE, "declare", f"X-{office.fresh()}", change(number_of(office, filed), row("Until", "20280101")))

    number = number_of(office, filed)
    assert [(f["code"], f["message"]) for f in status["faults"]] == [
        ("GW-F30", f"备案 {number} 为“变更已申报”，不能修改")
    ]  # fmt: skip


def test_an_old_value_that_is_another_one_is_a_fault(office: Office) -> None:
    filed = office.approved()
    status = office.send(
        CHANGE, "declare", f"X-{office.fresh()}", change(number_of(office, filed), row("Amount", "250", Old="120"))
    )

    (fault,) = status["faults"]
    assert (fault["code"], fault["path"], fault["label"]) == ("GW-C19", f"/{CHANGE}/Change[1]/Old", "修改项修改前")
    assert "100" in fault["message"] and "120" in fault["message"]


def test_what_the_other_document_says_of_itself_by_its_key_is_found_too(office: Office) -> None:
    filed = office.approved()
    message = office.send(CHANGE, "declare", f"X-{office.fresh()}", change(filed, row("Amount", "250")))
    office.say(CHANGE, message, "A1")

    assert office.document(FILING, filed)["body"]["Amount"] == "250"


def test_where_the_other_document_moved_on_in_that_very_field_the_agreement_is_kept_aside(office: Office) -> None:
    filed = office.approved()
    key, message = declared(office, filed, row("Amount", "250"))
    amendment = office.amend(filed, "777")
    office.say(FILING, amendment, "B1")
    office.say(CHANGE, message, "A1")

    assert (office.document(FILING, filed)["body"]["Amount"], text(office, CHANGE, key)) == ("777", "已申报")
    (why,) = [why for why in office.put_aside() if "777" in why]
    assert f"{number_of(office, filed)} 的 Amount 现为 777，不是 100" in why
    second = office.send(CHANGE, "declare", f"X-{office.fresh()}", change(number_of(office, filed), row("Amount", "300")))
    assert [f["code"] for f in second["faults"]] == ["GW-F07"], "until a person has looked nobody else changes it"

    back = office.amend(filed, "100")
    office.say(FILING, back, "B1")
    office.apply_again(why)
    assert (office.document(FILING, filed)["body"]["Amount"], text(office, CHANGE, key)) == ("250", "同意")


def test_where_it_moved_on_elsewhere_the_change_is_right_still(office: Office) -> None:
    filed = office.approved()
    _, message = declared(office, filed, row("Amount", "250"))
    extension = office.send(FILING, "extend", filed)
    office.say(FILING, extension, "X1", "<ValidUntil>2029-05-31</ValidUntil>")
    office.say(CHANGE, message, "A1")
    body = office.document(FILING, filed)["body"]

    assert (body["Amount"], body["ApprovedUntil"]) == ("250", "2029-05-31")


def test_an_amendment_that_is_agreed_to_later_does_not_undo_the_change(office: Office) -> None:
    filed = office.approved()
    _, message = declared(office, filed, row("Until", "20280101"))
    amendment = office.amend(filed, "777")
    office.say(CHANGE, message, "A1")
    office.say(FILING, amendment, "B1")
    body = office.document(FILING, filed)["body"]

    assert (body["Amount"], body["Until"]) == ("777", "2028-01-01")


def test_a_late_agreement_carries_out_what_was_declared_and_not_what_was_written_into_the_draft_since(office: Office) -> None:
    filed = office.approved()
    key, message = declared(office, filed, row("Amount", "250"))
    office.order("give-up", message)
    assert text(office, CHANGE, key) == "暂存"
    saved = office.send(CHANGE, "save", key, change(number_of(office, filed), row("Amount", "999")))
    assert saved["state"] == "accepted", saved["faults"]
    office.say(CHANGE, message, "A1")

    assert office.document(FILING, filed)["body"]["Amount"] == "250"
    assert office.status(message)["contradicted"]["says"] == "accepted"


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["R1", "A1", "R2", "filing X1", "filing C1"]), min_size=1, max_size=7), st.booleans())
def test_any_order_and_repetition_of_receipts_of_both_lead_to_the_same_two_documents(
    office: Office, told: list[str], cancels: bool
) -> None:
    filed = office.approved()
    key, message = declared(office, filed, "" if cancels else row("Amount", "250"), kind="2" if cancels else "1")
    extension = office.send(FILING, "extend", filed)
    receipts = [
        office.receipt(FILING, extension, code.removeprefix("filing "), content="<ValidUntil>2029-05-31</ValidUntil>")
        if code.startswith("filing")
        else office.receipt(CHANGE, message, code)
        for code in told
    ]
    office.issue(*receipts)
    document = office.document(FILING, filed)

    agreed = "A1" in told
    own = "同意" if agreed else "接收失败" if "R2" in told else "海关接收" if "R1" in told else "已申报"
    assert text(office, CHANGE, key) == own
    assert document["body"]["Amount"] == ("250" if agreed and not cancels else "100")
    gone = "filing C1" in told or (agreed and cancels)
    assert document["business_status"]["text"] == ("取消" if gone else "审批通过" if "filing X1" in told else "延期已申请")
