"""The export licence: key binding, application, list, history, write-off, customs status, statistics, pushes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pikepdf
import pytest
from customs_desk import Desk, declaration, desk_at, entry, line, today
from endpoint import Endpoint, running_with_endpoints
from sites import Site, wait_until

TYPE, ISSUED, STORED, USED = "EX.application", "已打印或生成电子许可证", "海关入库成功", "报关单核注"
POWDER, RICE, OZONE = "8112929090", "1006400001", "2903710000"
QUOTA = {"Goods/CertificateNo": "PE2026000012"}


def message(operation: str, marker: str = "", **set_: Any) -> Any:
    like = set_.pop("like", "ok-save.xml")
    given = {path.replace("__", "/"): value for path, value in set_.items()}
    return b.message(TYPE, operation, like=like, reference=b.fresh("ex") + marker, set_=given)


def act(operation: str, document: str, **body: str) -> Any:
    return b.message(TYPE, operation, document=document, set_=body)


def declared(site: Site, text: str = ISSUED, marker: str = "", **set_: Any) -> dict[str, Any]:
    """The document of an application that has come to this status."""
    status = b.done(site, message("declare", marker, **set_), "sent", "accepted", "rejected")
    return site.wait_business(TYPE, status["document"], text)


def at_customs(site: Site, document: dict[str, Any], text: str = STORED) -> dict[str, str]:
    """The line of a licence in the customs status list, once it says so."""
    asked = b.query(TYPE, "customs", filters={"licence": document["numbers"]["licence"]})

    def look() -> dict[str, str] | None:
        rows = b.rows(site, asked)
        return rows[0] if rows and rows[0]["customs"] == text else None

    return wait_until(look, f"customs status {text}")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def desk(site: Site) -> Desk:
    return desk_at(site)


def export(licence: str, quantity: str, trader: str, commodity: str = POWDER) -> dict[str, Any]:
    one = line(licence, quantity, commodity, supervision="4")
    return declaration(one, trader=trader, direction="export", entry=entry("0"))


# EX-01


@pytest.mark.requirement("EX-01")
@pytest.mark.parametrize("operation", ["check", "save", "declare"])
def test_an_account_without_a_bound_mofcom_key_cannot_apply(own_site: Site, operation: str) -> None:
    path = own_site.home / "tongguan.toml"
    before, _, rest = path.read_text("utf-8").partition('\n[[account.card]]\nname = "demo-mofcom"')
    path.write_text(before + rest[rest.index("\n[[account.card]]") :], "utf-8")
    own_site.simulate("--fast")
    own_site.run()

    status = b.refused(own_site, message(operation))

    assert b.codes(status) == {"GW-F06"}
    assert own_site.document(TYPE, status["document"] or "") is None


@pytest.fixture
def mofcom(tmp_path: Path) -> Iterator[tuple[Site, Endpoint]]:
    """A running home whose MOFCOM is the test's own."""
    with running_with_endpoints(tmp_path) as (site, authority, _):
        yield site, authority


@pytest.mark.requirement("EX-01")
def test_what_is_declared_is_signed_by_the_mofcom_key_as_cms(mofcom: tuple[Site, Endpoint]) -> None:
    site, authority = mofcom
    root = message("declare")
    b.done(site, root, "sent")
    (call,) = authority.posts(root.get("reference")) or [call for call in authority.calls if call.what == "post"]

    command = ["openssl", "cms", "-verify", "-inform", "DER", "-noverify"]
    sent = subprocess.run(command, input=call.body, capture_output=True, check=True).stdout
    assert b"<message_type>EX.application</message_type>" in sent
    assert b"<ic_card>8900000000017</ic_card>" in sent


# EX-02


@pytest.mark.requirement("EX-02")
def test_the_numbers_have_the_shapes_of_the_form(site: Site) -> None:
    document = declared(site)

    assert re.fullmatch(b.YEAR + r"\d{6}", document["numbers"]["application"])
    assert re.fullmatch(b.YY + r"2100MA0EXAMPL\d{6}", document["numbers"]["mofcom"])
    assert re.fullmatch(b.YY + r"AB\d{6}", document["numbers"]["licence"])
    body = document["body"]
    assert (body["ApplicationNo"], body["MofcomNo"], body["LicenceNo"]) == tuple(
        document["numbers"][kind] for kind in ("application", "mofcom", "licence")
    )


@pytest.mark.requirement("EX-02")
def test_sums_are_the_systems_own_and_rounded_to_whole_units(site: Site) -> None:
    lines = [
        {"Model": "测试", "UnitPrice": "11.11", "Quantity": "22"},
        {"Model": "测试二", "UnitPrice": "0.5", "Quantity": "1"},
    ]
    status = b.done(site, message("save", Goods__Spec=lines))
    goods = b.document(site, status)["body"]["Goods"][0]

    assert [spec["Amount"] for spec in goods["Spec"]] == ["244", "1"], "half a unit is rounded up"
    assert (goods["TotalQuantity"], goods["TotalAmount"], goods["Name"]) == ("23", "245", "其他未锻轧的镓、铋及其粉末")
    wrong = b.refused(site, message("save", Goods__Spec=lines, Goods__TotalAmount="244"))
    assert any("245" in text and "244" in text for text in b.faults(wrong).values()), b.faults(wrong)


@pytest.mark.requirement("EX-02")
@pytest.mark.parametrize("path", ["CustomsPort", "TradeMode", "ImportCountry", "TransportMode", "ValidUntil", "PaymentMethod",
                                  "ContractNo", "Goods/Unit", "Goods/Currency", "Goods/Spec/Model"])  # fmt: skip
def test_a_missing_field_of_the_form_is_named(site: Site, path: str) -> None:
    status = b.refused(site, message("declare", **{path.replace("/", "__"): None}))

    assert any(key.endswith(path.rsplit("/", 1)[-1]) for key in b.faults(status)), b.faults(status)


@pytest.mark.requirement("EX-02")
def test_exporter_and_consignor_are_the_account_unless_named(site: Site) -> None:
    body = b.document(site, b.done(site, message("save")))["body"]

    for party in ("Exporter", "Consignor"):
        assert body[party] == {
            "Code": "2100MA0EXAMPL", "CreditCode": "91210200MA0EXAMPLC", "Name": "大连示例进出口有限公司",
        }  # fmt: skip


@pytest.mark.requirement("EX-02")
@pytest.mark.parametrize(("commodity", "flag"), [(POWDER, "1"), (RICE, "0")])
def test_one_batch_or_several_follows_the_commodity(site: Site, commodity: str, flag: str) -> None:
    body = b.document(site, b.done(site, message("save", Goods__CodeTS=commodity)))["body"]
    other = b.refused(site, message("save", Goods__CodeTS=commodity, OneBatchOneLicence=str(1 - int(flag))))

    assert body["OneBatchOneLicence"] == flag
    assert b.codes(other) == {"GW-C19"}


@pytest.mark.requirement("EX-02")
@pytest.mark.parametrize(
    ("commodity", "port", "form"), [(POWDER, "0908", "electronic"), (OZONE, "0908", "paper"), (POWDER, "5303", "paper")]
)
def test_electronic_or_paper_is_asked_beforehand(site: Site, commodity: str, port: str, form: str) -> None:
    status = b.done(site, message("check", like="ok-check.xml", CustomsPort=port, Goods__CodeTS=commodity))

    assert b.document(site, status)["body"]["LicenceForm"] == form
    assert status["business_status"]["text"] == "未上报"


@pytest.mark.requirement("EX-02")
@pytest.mark.parametrize("rule", ["EX-R03", "EX-R04", "EX-R05", "EX-R06", "EX-R11", "EX-R12"])
def test_what_breaks_a_duty_is_refused_naming_the_rule(site: Site, rule: str) -> None:
    status = b.refused(site, message("declare", like=f"bad-{rule}.xml"))

    assert b.codes(status) == {rule}


# EX-03


@pytest.mark.requirement("EX-03")
def test_the_list_has_the_columns_of_the_form_and_finds_by_a_part_of_the_number(site: Site) -> None:
    document = declared(site)
    number = document["numbers"]["application"]
    rows = b.rows(
        site,
        b.query(TYPE, "list", filters={"application": number[3:], "year": b.YEAR, "exporter_name": "大连示例进出口有限公司"}),
    )
    (row,) = [row for row in rows if row["application"] == number]

    assert list(row) == [
        *("document", "status", "application", "mofcom", "licence", "goods", "quantity", "unit", "unit_code", "usd", "applied")
    ]
    assert (row["status"], row["licence"], row["quantity"], row["applied"]) == (
        ISSUED, document["numbers"]["licence"], "535.1", today(),
    )  # fmt: skip
    assert b.rows(site, b.query(TYPE, "list", filters={"application": "9" + number})) == []


@pytest.mark.requirement("EX-03")
def test_from_not_declared_to_the_first_examination_and_back(site: Site) -> None:
    draft = b.done(site, message("save"))
    pending = b.done(site, message("declare", "!stay=10"), "sent")
    document = site.wait_business(TYPE, pending["document"], "待初审")

    assert draft["business_status"]["text"] == "未上报"
    assert document["numbers"]["mofcom"]
    too_late = b.refused(site, act("delete", pending["document"]))
    assert "待初审" in b.faults(too_late)["GW-F05 @operation"]
    b.done(site, act("withdraw", pending["document"]))
    site.wait_business(TYPE, pending["document"], "已撤销")
    assert "已撤销" in b.faults(b.refused(site, act("withdraw", pending["document"])))["GW-F05 @operation"]


@pytest.mark.requirement("EX-03")
def test_a_returned_one_is_corrected_under_its_number_and_its_opinions_are_shown(site: Site) -> None:
    returned = declared(site, "退回修改", "!return")
    number = returned["numbers"]["application"]
    b.done(site, b.message(TYPE, "declare", like="ok-save.xml", document=returned["document"]))
    site.wait_business(TYPE, returned["document"], ISSUED)
    opinions = b.rows(site, b.query(TYPE, "opinions", filters={"application": number}))

    assert [row["opinion"] for row in opinions] == [
        "规格型号填写不完整，退回修改",
        "材料齐全，同意上报复审",
        "同意签发出口许可证",
    ]
    assert {row["application"] for row in opinions} == {number}


@pytest.mark.requirement("EX-03")
def test_copies_are_new_drafts_and_only_drafts_are_deleted_in_batches(site: Site) -> None:
    origin = declared(site)
    copies = b.done(site, act("copy", origin["document"], Copies="2"))["copies"]
    keys = [copy["document"] for copy in copies]
    name = site.drop(b.batch([act("delete", key) for key in [*keys, origin["document"]]]))
    items = site.wait(name, "accepted", "refused", "rejected")["items"]

    assert len({copy["numbers"]["application"] for copy in copies} | {origin["numbers"]["application"]}) == 3
    assert [item["state"] for item in items] == ["accepted", "accepted", "refused"]


@pytest.mark.requirement("EX-03")
def test_a_batch_is_declared_with_an_outcome_for_each(site: Site) -> None:
    name = site.drop(b.batch([message("declare"), message("declare", Goods__Unit=None), message("declare", "!refuse")]))
    items = wait_until(
        lambda: (found := (site.status(name) or {}).get("items")) and all(item["final"] for item in found) and found, "the items"
    )

    assert [item["state"] for item in items] == ["accepted", "refused", "rejected"]


@pytest.mark.requirement("EX-03")
def test_a_batch_of_prints_is_one_file_and_the_licence_is_downloaded(site: Site) -> None:
    documents = [declared(site)["document"] for _ in range(2)]
    prints = site.drop(b.batch([act("print", document) for document in documents]))
    download = site.drop(b.xml(act("export", documents[0])))

    with pikepdf.open(site.result(prints)) as pdf:
        assert len(pdf.pages) >= 2
    assert site.result(download).read_bytes().startswith(b"%PDF-")
    paper = site.drop(b.xml(act("print", documents[1], Form="licence")))
    assert site.result(paper).read_bytes().startswith(b"%PDF-")
    draft = b.done(site, message("save"))
    assert "未上报" in b.faults(b.refused(site, act("export", draft["document"])))["GW-F05 @operation"]


# EX-04


@pytest.mark.requirement("EX-04")
def test_history_by_licence_and_day_of_issue(site: Site) -> None:
    document = declared(site)
    licence = document["numbers"]["licence"]
    asked = {"licence": f"{licence[:2]}-{licence[2:4]}-{licence[4:]}", "issued_from": today(), "issued_to": today()}
    (row,) = b.rows(site, b.query(TYPE, "history", filters=asked))

    assert row == {
        "document": document["document"], "licence": licence, "trader": "大连示例进出口有限公司", "owner": "大连示例进出口有限公司", "quantity": "535.1",
        "usd": document["body"]["UsdTotal"], "source": "其他", "issued": today(),
    }  # fmt: skip
    assert b.rows(site, b.query(TYPE, "history", filters={"licence": licence, "issued_to": today(-1)})) == []


# EX-05 and EX-06


@pytest.mark.requirement("EX-05")
@pytest.mark.requirement("EX-06")
def test_one_batch_written_off_is_told_shown_and_used_up(site: Site, desk: Desk) -> None:
    document = declared(site)
    licence, trader = document["numbers"]["licence"], document["body"]["Exporter"]["CreditCode"]
    at_customs(site, document)
    used = export(licence, "500", trader)
    assert desk.faults(used) == []
    assert desk.happen(used["entry"], "release")[0] == 200
    row = at_customs(site, document, USED)
    (written_off,) = b.rows(site, b.query(TYPE, "writeoff", filters={"licence": licence, "released_from": today()}))

    assert list(row) == ["document", "licence", "trader", "owner", "quantity", "usd", "source", "customs", "issued"]
    assert written_off == {
        "document": document["document"], "entry": used["entry"], "licence": licence, "contract": "C-1", "trader": "示例公司", "trade_mode": "一般贸易",
        "country": "澳大利亚", "port": written_off["port"], "released": today(),
    }  # fmt: skip
    assert written_off["port"], "the port is shown by its name"
    assert desk.faults(export(licence, "10", trader)) == ["LIC-20"], "one batch: it is used up"
    assert b.rows(site, b.query(TYPE, "writeoff", filters={"licence": licence, "released_to": today(-1)})) == []


@pytest.mark.requirement("EX-06")
def test_of_several_batches_it_stays_usable_while_quantity_uses_and_time_are_left(site: Site, desk: Desk) -> None:
    document = declared(site, Goods__CodeTS=RICE, Goods__CertificateNo="PE2026000012")
    licence, trader = document["numbers"]["licence"], document["body"]["Exporter"]["CreditCode"]
    at_customs(site, document)
    first = export(licence, "35.1", trader, RICE)
    assert desk.faults(first) == []
    desk.happen(first["entry"], "release")
    at_customs(site, document, USED)

    (left,) = b.rows(site, b.query(TYPE, "remaining", filters={"licence": licence}))
    assert (left["remaining"], left["batch"], left["state"]) == ("500", "非一批一证", "可用")
    assert (left["batch_code"], left["state_code"]) == ("several", "usable")
    assert desk.faults(export(licence, "100", trader, RICE)) == [], "报关单核注 and several batches: used again"
    assert desk.faults(export(licence, "10", trader, RICE) | {"date": today(400)}) == ["LIC-15"], "expired"
    assert desk.faults(export(licence, "1000", trader, RICE)) == ["LIC-19"], "more than is left"
    wrong_way = declaration(line(licence, "10", RICE, supervision="4"), trader=trader)
    assert "LIC-13" in desk.faults(wrong_way), "an export licence is none to import with"


@pytest.mark.requirement("EX-06")
@pytest.mark.parametrize(("marker", "text"), [("!centre-fail", "数据中心处理失败"), ("!customs-fail", STORED)])
def test_its_way_to_customs_is_told_and_tried_again(site: Site, marker: str, text: str) -> None:
    assert at_customs(site, declared(site, ISSUED, marker), text)["customs"] == text


@pytest.mark.requirement("EX-06")
def test_a_paper_licence_is_not_known_at_customs(site: Site) -> None:
    paper = declared(site, Goods__CodeTS=OZONE, Goods__ApprovalNo="123456", Goods__CertificateNo="ODS-1")
    draft = b.done(site, message("check", like="ok-check.xml", Goods__CodeTS=OZONE))

    (row,) = b.rows(site, b.query(TYPE, "customs", filters={"licence": paper["numbers"]["licence"]}))
    assert row["customs"] == "-"
    assert b.document(site, draft)["body"]["LicenceForm"] == "paper"


# EX-07


@pytest.mark.requirement("EX-07")
def test_statistics_count_what_is_approved(site: Site) -> None:
    asked = b.query(TYPE, "statistics", filters={"month": today()[:7], "country": "BWA", "by": "commodity"})
    assert b.rows(site, asked) == []
    declared(site, ImportCountry="BWA")
    declared(site, "复审通过", "!stay=30", ImportCountry="BWA")
    declared(site, "初审不通过", "!refuse", ImportCountry="BWA")
    (row,) = b.rows(site, b.query(TYPE, "statistics", filters={"month": today()[:7], "country": "BWA", "by": "commodity"}))

    assert (row["code"], row["month_quantity"], row["month_count"], row["year_count"]) == (POWDER, "1070.2", "2", "2")


# EX-08


@pytest.mark.requirement("EX-08")
def test_status_changes_come_by_themselves(site: Site) -> None:
    document = declared(site)
    name = f"Receipt_{document['numbers']['application']}_"
    wait_until(lambda: len(site.inbox(name)) >= 6, "every change in InBox")
    codes = [re.search(rb' code="(\d+)"', path.read_bytes()) for path in site.inbox(name)]

    assert {found[1].decode() for found in codes if found} == {"10", "20", "30", "40", "50", "52"}
    assert (site.document(TYPE, document["document"]) or {})["business_status"]["text"] == ISSUED
