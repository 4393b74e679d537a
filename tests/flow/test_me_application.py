"""Applications for automatic import licences of mechanical and electrical products: what is entered, and what becomes of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import bodies as b
import machines as m
import pytest
from endpoint import Endpoint, site_with_endpoints
from lxml import etree
from machines import act, application, declared, line, saved
from pypdf import PdfReader
from sites import Site, wait_until

REQUIRED = (
    *("Mode", "Year", "Office", "HandlerName", "HandlerPhone", "TradeMode", "ForeignExchange", "Purpose", "TradeCountry1"),
    *("CustomsPort1", "OriginCountry1", "OneBatchOneLicence", "MachineOrProject", "CodeTS", "Currency", "Condition", "Line"),
)


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    """The shared site, its enterprise registered."""
    b.registered(site, m.REGISTRATION)
    return site


def body(site: Site, status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = b.document(site, status)["body"]
    return found


def text(site: Site, key: str) -> str:
    return str((site.document(m.APPLICATION, key) or {})["business_status"]["text"])


# What is entered


@pytest.mark.requirement("ME-03")
def test_the_system_fills_numbers_status_name_and_amounts(site: Site) -> None:
    rows = [line("3", "42000.5"), line("1.5", "61500.55", model="VMC")]
    content = body(site, b.done(site, application("save", Currency="USD", Line=rows)))

    assert (content["Status"], content["Name"]) == ("1", "X射线断层检查仪")
    assert (content["UserName"], content["Importer"]) == (
        "大连示例进出口有限公司",
        {"Code": "2100MA0EXAMPL", "Name": "大连示例进出口有限公司"},
    )
    assert [(row["Amount"], row["UsdAmount"]) for row in content["Line"]] == [("126002", "126002"), ("92251", "92251")]
    assert (content["TotalQuantity"], content["TotalAmount"], content["UsdTotal"]) == ("4.5", "218253", "218253")


@pytest.mark.requirement("ME-03")
def test_a_given_total_that_differs_is_a_fault_that_shows_both(site: Site) -> None:
    status = b.refused(site, application("save", Line=[{**line("2", "10.25"), "Amount": "20"}]))

    (message,) = b.faults(status).values()
    assert "21" in message
    assert "20" in message


@pytest.mark.requirement("ME-03")
@pytest.mark.parametrize("field", REQUIRED)
def test_a_declare_needs_this_field(site: Site, field: str) -> None:
    status = b.refused(site, application("declare", **{field: [] if field == "Line" else None}))

    assert [f["path"].rpartition("/")[2] for f in status["faults"] if f["code"] == "GW-C03"] == [field]


@pytest.mark.requirement("ME-03")
def test_codes_and_exact_names_say_the_same(site: Site) -> None:
    names = {
        "Office": "江苏省常州市机电办",
        "OneBatchOneLicence": "非一批一证",
        "MachineOrProject": "项目",
        "Purpose": "直接销售",
    }
    content = body(site, b.done(site, application("save", Mode="有纸", Condition="旧", CodeTS="立式加工金属的加工中心", **names)))

    assert (content["Mode"], content["Office"], content["OneBatchOneLicence"]) == ("paper", "3204", "0")
    assert (content["MachineOrProject"], content["Purpose"], content["Condition"]) == ("2", "A", "used")
    assert content["CodeTS"] == "8457101000"


@pytest.mark.requirement("ME-04")
def test_a_save_gives_a_number_and_mofcom_gives_its_own_and_the_licences(site: Site) -> None:
    status = b.done(site, application("save"))
    assert re.fullmatch(f"YS{b.YY}[0-9]{{14}}", status["numbers"]["application"])
    assert set(status["numbers"]) == {"application"}

    document = b.document(site, b.done(site, act("declare", status["document"])))
    day = document["receipts"][-1]["issued_at"][2:10].replace("-", "")
    assert re.fullmatch(day + r"21[0-9]{9}", document["numbers"]["mofcom"]), "date, office, serial: 17 digits"
    assert re.fullmatch(day[:2] + r"21[0-9]{6}", document["numbers"]["licence"]), "year, office, serial"
    assert document["body"]["MofcomNo"] == document["numbers"]["mofcom"]


@pytest.mark.requirement("ME-02")
@pytest.mark.parametrize(("mode", "signed"), [("paperless", True), ("paper", False)])
def test_paperless_goes_signed_as_cms_and_paper_goes_without_a_signature(
    endpoints: tuple[Site, Endpoint], mode: str, signed: bool
) -> None:
    site, mofcom = endpoints
    reference = b.fresh("mode")
    root = application(Mode=mode)
    root.set("reference", reference)
    b.done(site, root, "sent")
    (call,) = [call for call in mofcom.calls if call.message_id == mofcom.wire_id(reference) and call.what == "post"]

    sent = verified(call.body) if signed else call.body
    assert sent.startswith(b"<Package")
    assert b"<CodeTS>9022120000</CodeTS>" in sent
    assert b"Signature" not in sent


def verified(message: bytes) -> bytes:
    """The content of a CMS message whose signature holds, read by a program that is not ours."""
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-noverify"]
    return subprocess.run(command, input=message, capture_output=True, check=True).stdout


# What becomes of it


@pytest.mark.requirement("ME-05")
def test_a_list_has_its_columns_and_every_filter_finds_its_documents(site: Site) -> None:
    document = declared(site, m.APPROVED, CodeTS="9504901000")
    other = b.done(site, application("save"))["numbers"]["application"]
    numbers, today = document["numbers"], document["created_at"][:10]
    (row,) = b.rows(site, b.query(m.APPLICATION, "list", filters={"application": numbers["application"]}))

    assert row == {
        "document": document["document"],
        "application": numbers["application"],
        "mofcom": numbers["mofcom"],
        "licence": numbers["licence"],
        "code": "9504901000",
        "name": "其他电子游戏机",
        "applied": today,
        "status": m.APPROVED,
        "back": "-",
    }
    for filters in (
        {"mofcom": numbers["mofcom"]},
        {"licence": numbers["licence"]},
        {"status": m.APPROVED},
        {"code": "9504901000"},
        {"name": "其他电子游戏机"},
        {"applied_from": today, "applied_to": today},
    ):
        rows = b.rows(site, b.query(m.APPLICATION, "list", filters=filters, size="1000"))
        assert numbers["application"] in {row["application"] for row in rows}, filters
        assert other not in {row["application"] for row in rows}, filters


@pytest.mark.requirement("ME-05")
@pytest.mark.parametrize(
    ("marker", "text", "opinion"),
    [
        ("!stay=10", "审批中", ""),
        ("!stay=20", "审批中", "材料齐全，同意上报复审"),
        ("!return", "暂存", "规格型号填写不完整，退回修改"),
        ("!refuse", "审批不通过", "不符合自动进口许可条件，不予通过"),
        ("!second-refuse", "审批不通过", "复审意见: 不予许可"),
        ("", m.APPROVED, "同意签发自动进口许可证"),
    ],
)
def test_statuses_and_opinions_of_each_way_through_the_examinations(site: Site, marker: str, text: str, opinion: str) -> None:
    document = declared(site, text, marker)

    def told() -> list[str] | None:
        found = [row["opinion"] for row in steps(site, "opinions", document)]
        return found if found[-1:] == ([opinion] if opinion else []) else None

    wait_until(lambda: told() is not None, "the last opinion")
    assert steps(site, "process", document)[-1]["application"] == document["numbers"]["application"]
    assert [row["status"] for row in b.rows(site, b.query(m.APPLICATION, "status", document=document["document"]))] == [text]


def steps(site: Site, kind: str, document: dict[str, Any]) -> list[dict[str, str]]:
    return b.rows(site, b.query(m.APPLICATION, kind, document=document["document"]))


@pytest.mark.requirement("ME-05")
def test_the_process_tells_each_step_of_each_round(site: Site) -> None:
    returned = declared(site, "暂存", "!return")
    b.done(site, application("declare", document=returned["document"]))
    rows = steps(site, "process", returned)

    assert [(row["round"], row["step"]) for row in rows[:5]] == [
        ("1", "入库成功，审批中"),
        ("1", "退回修改"),
        ("2", "入库成功，审批中"),
        ("2", "初审通过"),
        ("2", m.APPROVED),
    ]
    assert all(re.match(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T", row["at"]) for row in rows)


@pytest.mark.requirement("ME-06")
@pytest.mark.parametrize("marker", ["!return", "!second-return"])
def test_a_returned_one_is_a_draft_again_keeps_its_numbers_and_is_declared_again(site: Site, marker: str) -> None:
    returned = declared(site, "暂存", marker)
    assert re.fullmatch(r"[0-9]{17}", returned["numbers"]["mofcom"])
    (row,) = b.rows(site, b.query(m.APPLICATION, "list", filters={"application": returned["numbers"]["application"]}))
    assert (row["status"], row["back"]) == ("暂存", "退回修改")

    amended = b.done(site, application("save", document=returned["document"], Line=[line("1", "10")]))
    assert amended["numbers"] == returned["numbers"]
    status = b.done(site, act("declare", returned["document"]))

    document = b.document(site, status)
    assert {kind: document["numbers"][kind] for kind in ("application", "mofcom")} == returned["numbers"]
    assert (document["round"], document["body"]["Line"][0]["Amount"]) == (2, "10")


@pytest.mark.requirement("ME-06")
@pytest.mark.parametrize("mode", ["paperless", "paper"])
def test_a_withdrawn_one_is_a_draft_again_and_keeps_its_mofcom_number(site: Site, mode: str) -> None:
    pending = declared(site, "审批中", "!stay=10", Mode=mode)
    status = b.done(site, act("withdraw", pending["document"]))
    assert status["receipts"][-1]["text"] == "撤回成功"

    again = site.wait_business(m.APPLICATION, pending["document"], "暂存")
    assert again["numbers"]["mofcom"] == pending["numbers"]["mofcom"]
    approved = b.done(site, application("declare", document=pending["document"], Mode=mode))
    assert approved["business_status"]["text"] == m.APPROVED
    assert approved["numbers"]["mofcom"] == pending["numbers"]["mofcom"]


@pytest.mark.requirement("ME-06")
@pytest.mark.parametrize("text", ["暂存", m.APPROVED])
def test_only_one_under_examination_can_be_withdrawn(site: Site, text: str) -> None:
    key = saved(site) if text == "暂存" else declared(site, text)["document"]

    assert text in b.faults(b.refused(site, act("withdraw", key)))["GW-F05 @operation"]


@pytest.mark.requirement("ME-06")
def test_copies_are_drafts_with_numbers_of_their_own(site: Site) -> None:
    origin = declared(site, m.APPROVED)
    copies = b.done(site, act("copy", origin["document"], Copies="2"))["copies"]

    assert len({c["numbers"]["application"] for c in copies} | {origin["numbers"]["application"]}) == 3
    draft = wait_until(lambda: site.document(m.APPLICATION, copies[0]["document"]), "the copy's file")
    assert draft["business_status"]["text"] == "暂存"
    assert not {"MofcomNo", "LicenceNo"} & set(draft["body"])


@pytest.mark.requirement("ME-06")
def test_drafts_are_deleted_and_nothing_else(site: Site) -> None:
    draft = saved(site)
    b.done(site, act("delete", draft))
    assert wait_until(lambda: (d := site.document(m.APPLICATION, draft)) is None or d["deleted"], "the draft to be gone")

    approved = declared(site, m.APPROVED)["document"]
    assert m.APPROVED in b.faults(b.refused(site, act("delete", approved)))["GW-F05 @operation"]


@pytest.mark.requirement("ME-06")
def test_in_a_batch_each_declare_has_its_outcome(site: Site) -> None:
    drafts = [saved(site), saved(site, Currency=None), saved(site, Mode="paper")]
    status = site.wait(site.drop(b.batch([act("declare", key) for key in drafts])))

    assert [item["state"] for item in status["items"]] == ["accepted", "refused", "accepted"]
    assert [text(site, key) for key in drafts] == [m.APPROVED, "暂存", m.APPROVED]


@pytest.mark.requirement("ME-06")
def test_withdrawals_and_deletes_go_in_batches_too(site: Site) -> None:
    pending = [declared(site, "审批中", "!stay=10")["document"] for _ in range(2)]
    status = site.wait(site.drop(b.batch([act("withdraw", key) for key in pending])))
    assert [item["state"] for item in status["items"]] == ["accepted", "accepted"]
    for key in pending:
        site.wait_business(m.APPLICATION, key, "暂存")

    status = site.wait(site.drop(b.batch([act("delete", key) for key in pending])))
    assert [item["state"] for item in status["items"]] == ["accepted", "accepted"]


def pages(path: Any) -> list[str]:
    return [page.extract_text() for page in PdfReader(BytesIO(path.read_bytes())).pages]


@pytest.mark.requirement("ME-06")
def test_an_application_is_printed_and_so_is_its_licence_once_it_is_approved(site: Site) -> None:
    draft = saved(site)
    (form,) = pages(site.result(site.drop(b.xml(act("print", draft)))))
    assert b.codes(b.refused(site, act("print", draft, Form="licence")))
    approved = declared(site, m.APPROVED, Condition="used", CodeTS="8457101000")
    (licence,) = pages(site.result(site.drop(b.xml(act("print", approved["document"], Form="licence")))))

    for word in ("机电产品自动进口许可证申请表", "X射线断层检查仪", "辽宁省大连市机电办", "893201", "暂存", "无纸"):
        assert word in form
    for word in ("中华人民共和国自动进口许可证", approved["numbers"]["licence"], "立式加工金属的加工中心", "旧", "一批一证"):
        assert word in licence


@pytest.mark.requirement("ME-06")
def test_many_are_printed_into_one_file(site: Site) -> None:
    keys = [saved(site, HandlerName=f"经办人{n}") for n in range(3)]
    name = site.drop(b.batch([act("print", key) for key in keys]))
    assert [item["state"] for item in site.wait(name)["items"]] == ["accepted"] * 3
    shown = pages(site.result(name))

    assert [f"经办人{n}" in page for n, page in enumerate(shown)] == [True] * 3


# Pushed to the ERP, without its asking


@pytest.mark.requirement("ME-11")
@pytest.mark.parametrize(("marker", "result"), [("", m.APPROVED), ("!refuse", "审批不通过"), ("!return", "暂存")])
def test_every_result_comes_to_the_erp_by_itself(site: Site, marker: str, result: str) -> None:
    name = site.drop(b.xml(application("declare", marker)))
    status = site.wait(name, "accepted", "rejected")
    document = site.wait_business(m.APPLICATION, status["document"], result)

    business = [r for r in document["receipts"] if "技术" not in r["text"]]
    for receipt in business:
        file = wait_until((site.mailbox / "InBox" / receipt["file"]).exists, receipt["file"])
        assert file
        written = etree.parse(str(site.mailbox / "InBox" / receipt["file"])).getroot()
        assert (written.get("code"), written.get("number")) == (receipt["code"], document["numbers"]["application"])

    def listed() -> bool:
        index = json.loads((site.mailbox / "Status" / "index.json").read_bytes())
        return {r["file"] for r in business} <= {answer["file"] for answer in index["answers"]}

    wait_until(listed, "the answers in the index")
    assert status["business_status"]["text"] == result


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Endpoint]]:
    """A running gateway and the MOFCOM that it talks to, which is the test's; the enterprise is registered there."""
    made, mofcom, _ = site_with_endpoints(tmp_path_factory.mktemp("me"))
    made.run()
    root = m.registration("declare")
    b.done(made, root, "sent")
    said = {"type": m.REGISTRATION, "message": mofcom.wire_id(root.get("reference") or "")}
    mofcom.issue(mofcom.receipt(code="30", **said))
    made.wait_business(m.REGISTRATION, b.REGISTRATION, "已备案")
    yield made, mofcom
    made.stop()
