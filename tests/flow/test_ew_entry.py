"""What may be entered into an application not to attend an inspection, and what customs says to it."""

from __future__ import annotations

import itertools
import re
from typing import Any

import bodies as b
import pytest
from sites import Site

STATEMENT = {"声明.pdf": b.pdf()}
ENTRUST, ABSENT, OTHER = "00000001", "00000002", "00000003"
_released = itertools.count(90220261000000201)
KINDS = [(b.INSPECTION, b.inspection, "EntryId"), (b.INSPECTION_OTHER, b.inspection_other, "BillNo")]
kinds = pytest.mark.parametrize(("type_", "make", "field"), KINDS, ids=["declaration", "bill"])


def declare(site: Site, root: Any, *states: str) -> dict[str, Any]:
    return b.done(site, b.with_files(root, ("声明.pdf", ABSENT)), *states, files=STATEMENT)


document = b.document


@pytest.mark.requirement("EW-01")
def test_a_declaration_is_applied_for_by_its_number_and_the_rest_is_filled(site: Site) -> None:
    entry = b.fresh_entry()
    saved = b.done(site, b.inspection("save", EntryId=entry))
    body = document(site, saved)["body"]

    assert (body["EntryId"], body["ContactName"], body["ContactPhone"]) == (entry, "李示例", "0411-80000002")
    assert re.fullmatch(r"EW[0-9]{16}", body["UnifiedNo"])
    assert saved["numbers"] == {"unified": body["UnifiedNo"]}
    assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", body["ApplyDate"])
    assert (body["ApplicantCode"], body["ApplicantName"]) == ("2102960001", "大连示例进出口有限公司")
    assert body["InspectionCustoms"] == "0902", "customs was asked"
    assert "ReviewNo" not in body
    agreed = document(site, declare(site, b.message(b.INSPECTION, "declare", document=saved["document"])))
    assert agreed["business_status"]["text"] == "同意"
    assert agreed["body"]["ReviewNo"] == agreed["numbers"]["review"]


@pytest.mark.requirement("EW-01")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"EntryId": None}, "GW-C03"),
        ({"EntryId": "09022026100000001"}, "EW-R02"),
        ({"EntryId": "090220262000000001"}, "EW-R02"),
        ({"EntryId": "09022026I000000001"}, "EW-R01"),
        ({"EntryId": "09022026E000000001"}, "EW-R01"),
        ({"ContactName": None}, "GW-C03"),
        ({"ContactPhone": None}, "GW-C03"),
        ({"UnifiedNo": "EW2026100000000099"}, "GW-C19"),
        ({"ReviewNo": "20261000000001"}, "GW-C19"),
        ({"Status": "7"}, "GW-C19"),
        ({"ApplyDate": "2020-01-01"}, "GW-C19"),
        ({"ApplicantCode": "2102960099"}, "GW-C19"),
        ({"ApplicantName": "别的公司"}, "GW-C19"),
        ({"InspectionCustoms": "0901"}, "GW-C19"),
    ],
)
def test_a_wrong_or_missing_field_is_refused_with_its_code(site: Site, change: dict[str, Any], code: str) -> None:
    status = b.refused(site, b.inspection("save", **change))

    assert b.codes(status) == {code}
    assert status["faults"][0]["label"]


@pytest.mark.requirement("EW-01")
def test_the_number_of_a_list_is_refused_saying_so(site: Site) -> None:
    status = b.refused(site, b.inspection("save", EntryId="09022026I000000001"))

    assert "集中申报清单" in status["faults"][0]["message"]


@pytest.mark.requirement("EW-02")
@pytest.mark.parametrize("operation", ["save", "declare"])
@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("090220261000000201", "已放行"),
        ("090220261000000301", "境内收发货人"),
        ("530120261000000401", "不在受理范围内、暂不满足条件"),
    ],
)
def test_customs_refuses_what_is_released_anothers_or_outside_the_pilot(site: Site, operation: str, entry: str, why: str) -> None:
    number = f"{int(entry) + (operation == 'declare'):018d}"
    root = b.inspection(operation, EntryId=number)
    if operation == "declare":
        b.with_files(root, ("声明.pdf", ABSENT))
    status = b.do(site, root, files=STATEMENT if operation == "declare" else None)

    assert status["state"] in ("refused", "rejected")
    assert any(why in fault["message"] for fault in status["faults"])


@pytest.mark.requirement("EW-03")
def test_without_a_declaration_the_bill_of_lading_is_applied_for(site: Site) -> None:
    bill = b.fresh_bill()
    saved = b.done(site, b.inspection_other("save", BillNo=bill))
    body = document(site, saved)["body"]

    assert (body["BillNo"], body["VehicleNo"], body["InspectionCustoms"]) == (bill, "辽B·A1234", "0902")
    assert (body["ApplicantCode"], body["ApplicantName"]) == ("2102960001", "大连示例进出口有限公司")
    assert re.fullmatch(r"EW[0-9]{16}", saved["numbers"]["unified"])
    assert body["ApplyDate"]
    assert document(site, declare(site, b.message(b.INSPECTION_OTHER, "declare", document=saved["document"])))["body"]["ReviewNo"]


@pytest.mark.requirement("EW-03")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"BillNo": None}, "GW-C03"),
        ({"ContactName": None}, "GW-C03"),
        ({"ContactPhone": None}, "GW-C03"),
        ({"VehicleNo": "!"}, "EW-R12"),
        ({"InspectionCustoms": "0901"}, "GW-C19"),
        ({"ApplicantCode": "2102960099"}, "GW-C19"),
        ({"EntryId": "090220261000000001"}, "GW-C01"),
    ],
)
def test_a_wrong_field_of_the_other_kind_is_refused(site: Site, change: dict[str, Any], code: str) -> None:
    assert b.codes(b.refused(site, b.inspection_other("save", **change))) == {code}


@pytest.mark.requirement("EW-03")
def test_the_vehicle_number_is_optional_and_the_pilot_counts_here_too(site: Site) -> None:
    b.done(site, b.inspection_other("save", VehicleNo=None))
    status = b.do(site, b.inspection_other("save", BillNo="FARBL0001"))

    assert status["state"] in ("refused", "rejected")
    assert "不在受理范围内、暂不满足条件" in status["faults"][0]["message"]


@pytest.mark.requirement("EW-05")
@kinds
def test_a_save_fills_number_and_date_and_lists_every_error_with_its_field(site: Site, type_: str, make: Any, field: str) -> None:
    saved = b.done(site, make("save"))
    assert saved["business_status"]["text"] == "暂存"
    assert saved["numbers"]["unified"]
    assert document(site, saved)["body"]["ApplyDate"]

    again = b.done(site, make("save", document=saved["document"], **{field: document(site, saved)["body"][field]}))
    assert again["numbers"] == saved["numbers"]
    wrong = b.refused(site, make("save", **{field: None}, ContactName=None, ContactPhone="x"))
    assert {fault["path"].rsplit("/", 1)[-1] for fault in wrong["faults"]} == {field, "ContactName", "ContactPhone"}


@pytest.mark.requirement("EW-05")
@pytest.mark.requirement("EW-06")
@pytest.mark.requirement("EW-07")
@kinds
@pytest.mark.parametrize(
    ("marker", "text", "state"),
    [
        ("!pace=60s", "已申请", "sent"),
        ("!stay=S1", "发往海关成功", "sent"),
        ("!stay=R1", "海关接收成功", "sent"),
        ("", "同意", "accepted"),
        ("!disagree", "不同意", "rejected"),
    ],
)
def test_once_applied_for_nothing_is_saved_changed_or_deleted(
    site: Site, type_: str, make: Any, field: str, marker: str, text: str, state: str
) -> None:
    reference = b.fresh("e") + marker
    key = declare(site, make("declare", reference=reference), state)["document"]
    number = site.wait_business(type_, key, text)["body"][field]

    for root in (
        make("save", document=key, **{field: number}),
        make("declare", document=key, **{field: number}),
        b.message(type_, "delete", document=key),
        b.with_files(b.message(type_, "detach", document=key), ("声明.pdf", "")),
    ):
        status = b.refused(site, root)
        assert text in next(f["message"] for f in status["faults"] if f["code"] == "GW-F05")
    files = b.with_files(b.message(type_, "attach", document=key), ("新.pdf", ABSENT))
    assert "GW-F05" in b.codes(b.refused(site, files, files={"新.pdf": b.pdf()}))


@pytest.mark.requirement("EW-06")
@kinds
@pytest.mark.parametrize(("marker", "text"), [(None, "暂存"), ("!send-fail", "发送失败"), ("!store-fail", "接收失败")])
def test_drafts_and_failed_ones_are_deleted(site: Site, type_: str, make: Any, field: str, marker: str | None, text: str) -> None:
    if marker is None:
        key = b.done(site, make("save"))["document"]
    else:
        key = declare(site, make("declare", reference=b.fresh("e") + marker), "rejected")["document"]
    number = site.wait_business(type_, key, text)["numbers"]["unified"]
    b.done(site, b.message(type_, "delete", document=key))

    days = b.about_now()
    assert b.rows(site, b.query(type_, "list", filters={"unified": number, **days})) == []


@pytest.mark.requirement("EW-06")
def test_in_a_batch_of_deletes_the_refused_one_spoils_no_other(site: Site) -> None:
    drafts = [b.done(site, b.inspection("save"))["document"] for _ in range(2)]
    applied = declare(site, b.inspection("declare"))["document"]
    keys = [drafts[0], applied, drafts[1]]
    status = site.wait(site.drop(b.batch([b.message(b.INSPECTION, "delete", document=key) for key in keys])))

    assert [item["state"] for item in status["items"]] == ["accepted", "refused", "accepted"]


@pytest.mark.requirement("EW-08")
@kinds
def test_a_number_applied_for_or_agreed_is_not_taken_again(site: Site, type_: str, make: Any, field: str) -> None:
    draft = b.done(site, make("save"))
    number = document(site, draft)["body"][field]
    assert "GW-F07" in b.codes(b.refused(site, make("save", **{field: number}))), "a draft of it is there"

    pending = b.with_files(
        b.message(type_, "declare", document=draft["document"], reference=b.fresh("e") + "!stay=R1"), ("声明.pdf", ABSENT)
    )
    b.done(site, pending, "sent", files=STATEMENT)
    agreed = document(site, declare(site, make("declare")))["body"][field]
    for taken in (number, agreed):
        for operation in ("save", "declare"):
            again = b.with_files(make(operation, **{field: taken}), ("声明.pdf", ABSENT))
            status = b.refused(site, again, files=STATEMENT)
            assert any(taken in text for code, text in b.faults(status).items() if code.startswith("GW-F07"))


@pytest.mark.requirement("EW-08")
@kinds
def test_after_customs_disagreed_or_the_draft_went_it_can_be_applied_for_again(
    site: Site, type_: str, make: Any, field: str
) -> None:
    first = declare(site, make("declare", reference=b.fresh("e") + "!disagree"), "rejected")
    number = document(site, first)["body"][field]
    second = declare(site, make("declare", **{field: number}))
    assert document(site, second)["business_status"]["text"] == "同意"

    draft = b.done(site, make("save"))
    number = document(site, draft)["body"][field]
    b.done(site, b.message(type_, "delete", document=draft["document"]))
    b.done(site, make("save", **{field: number}))
