"""Licences of mechanical and electrical products at customs: their status there, what is left of them, what was cleared."""

from __future__ import annotations

import json
from typing import Any

import bodies as b
import machines as m
import pytest
from customs_desk import Desk, declaration, desk_at, today
from customs_desk import line as entry_line
from machines import declared, line
from sites import Site, wait_until

MACHINE = "8457101000"


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    """The shared site, its enterprise registered."""
    b.registered(site, m.REGISTRATION)
    return site


@pytest.fixture(scope="module")
def desk(site: Site) -> Desk:
    """Customs' desk for declarations."""
    return desk_at(site)


def customs_status(site: Site, document: dict[str, Any], text: str, **paging: str) -> dict[str, str]:
    """The line of a document in the customs status list, once it says so."""
    asked = b.query(m.APPLICATION, "customs", filters={"application": document["numbers"]["application"]}, **paging)

    def look() -> dict[str, str] | None:
        rows = b.rows(site, asked)
        return rows[0] if rows and rows[0]["customs"] == text else None

    return wait_until(look, f"customs status {text}")  # type: ignore[no-any-return]


def licence_at_customs(site: Site, **set_: Any) -> tuple[dict[str, Any], str]:
    """An approved licence for ten machining centres that customs has: its document and its number."""
    rows = [line("6", "42000", model="VMC-850"), line("4", "61500", model="VMC-1060")]
    document = declared(site, m.APPROVED, CodeTS=MACHINE, Condition="used", Line=rows, **set_)
    customs_status(site, document, "海关入库成功")
    return document, document["numbers"]["licence"]


def used(licence: str, quantity: str) -> dict[str, Any]:
    """A line of a declaration that cites the licence under code O."""
    return entry_line(licence, quantity, MACHINE, "001", "O")


def told(site: Site, kind: str, **filters: str) -> dict[str, Any]:
    """A query's result in JSON, rows inside rows included."""
    name = site.drop(b.xml(b.query(m.APPLICATION, kind, filters=filters, format="json")))
    found: dict[str, Any] = json.loads(site.result(name).read_bytes())
    return found


@pytest.mark.requirement("ME-08")
@pytest.mark.parametrize("source", ["journal", "authority"])
def test_the_customs_status_of_approved_applications(site: Site, source: str) -> None:
    arrived = declared(site, m.APPROVED)
    pending = declared(site, "审批中", "!stay=10")
    waiting = declared(site, m.APPROVED, "!stay=30")
    row = customs_status(site, arrived, "海关入库成功", source=source)

    assert row == {
        "document": arrived["document"],
        "application": arrived["numbers"]["application"],
        "licence": arrived["numbers"]["licence"],
        "code": "9022120000",
        "name": "X射线断层检查仪",
        "applied": today(),
        "status": m.APPROVED,
        "customs": "海关入库成功",
    }
    assert customs_status(site, waiting, "-", source=source)
    asked = {"application": pending["numbers"]["application"]}
    assert b.rows(site, b.query(m.APPLICATION, "customs", filters=asked, source=source)) == []


@pytest.mark.requirement("ME-08")
@pytest.mark.parametrize(("marker", "text"), [("!stay=50", "暂未到达海关"), ("!centre-fail", "数据中心处理失败")])
def test_a_licence_that_has_not_arrived_says_why(site: Site, marker: str, text: str) -> None:
    assert customs_status(site, declared(site, m.APPROVED, marker), text)["status"] == m.APPROVED


@pytest.mark.requirement("ME-08")
def test_one_that_customs_did_not_store_is_sent_again(site: Site) -> None:
    document = declared(site, m.APPROVED, "!customs-fail")
    customs_status(site, document, "海关入库成功")
    shown = site.document(m.APPLICATION, document["document"]) or {}

    assert "海关入库失败" in [r["text"] for r in shown["receipts"]]


@pytest.mark.requirement("ME-08")
def test_one_that_finds_customs_closed_is_sent_again_when_it_opens(own_site: Site) -> None:
    own_site.simulate("--fast", "--faults", str(outage(own_site)))
    own_site.run()
    b.registered(own_site, m.REGISTRATION)
    document = declared(own_site, m.APPROVED)

    def receipts() -> list[str]:
        shown = own_site.document(m.APPLICATION, document["document"]) or {}
        return [r["text"] for r in shown["receipts"]]

    wait_until(lambda: "发往海关失败" in receipts(), "customs to be closed")
    own_site.put_faults("customs")

    customs_status(own_site, document, "海关入库成功")
    assert receipts()[-1] == "海关入库成功"


def outage(site: Site) -> Any:
    """A plan in which customs is closed."""
    path = site.home / "outage.toml"
    path.write_text('[[outage]]\nauthority = "customs"\nafter = "0s"\nlasts = "8h"\n', "utf-8")
    return path


@pytest.mark.requirement("ME-08")
def test_the_customs_status_is_found_by_number_goods_and_day(site: Site) -> None:
    document, licence = licence_at_customs(site)
    for filters in (
        {"licence": licence},
        {"code": MACHINE},
        {"name": "立式加工金属的加工中心"},
        {"code": MACHINE, "applied_from": today(), "applied_to": today()},
    ):
        for source in ("journal", "authority"):
            rows = b.rows(site, b.query(m.APPLICATION, "customs", filters=filters, source=source, size="1000"))
            assert document["numbers"]["application"] in {row["application"] for row in rows}, (filters, source)
            assert {row["code"] for row in rows} == {MACHINE}


@pytest.mark.requirement("ME-09")
def test_what_is_left_of_a_licence_of_several_batches_and_each_use(site: Site, desk: Desk) -> None:
    document, licence = licence_at_customs(site, OneBatchOneLicence="0")
    entries = [declaration(used(licence, quantity), trader="2100MA0EXAMPL", port="0902") for quantity in ("3", "2.5")]
    assert [desk.declare(entry)[0] for entry in entries] == [200, 200]

    result = told(site, "remaining", licence=licence)

    assert (result["note"], result["source"]) == ("结果仅供参考", "authority")
    (row,) = result["rows"]
    assert {name: row[name] for name in row if name != "uses"} == {
        "document": document["document"],
        "application": document["numbers"]["application"],
        "licence": licence,
        "code": MACHINE,
        "name": "立式加工金属的加工中心",
        "unit": "台",
        "approved": "10",
        "remaining": "4.5",
        "applied": today(),
    }
    assert [(use["entry"], use["quantity"]) for use in row["uses"]] == [
        (entry["entry"], quantity) for entry, quantity in zip(entries, ("3", "2.5"), strict=True)
    ]


@pytest.mark.requirement("ME-09")
def test_a_licence_of_one_batch_has_no_remaining_quantity(site: Site) -> None:
    _, licence = licence_at_customs(site)

    assert told(site, "remaining", licence=licence)["total"] == 0


@pytest.mark.requirement("ME-10")
def test_the_clearance_data_of_a_licence_with_its_goods(site: Site, desk: Desk) -> None:
    _, licence = licence_at_customs(site)
    entry = declaration(used(licence, "10"), trader="2100MA0EXAMPL", port="0902")
    assert desk.declare(entry)[0] == 200
    assert [desk.happen(entry["entry"], event)[0] for event in ("release", "clear")] == [200, 200]

    (row,) = told(site, "clearance", licence=f"{licence[:2]}-{licence[2:4]}-{licence[4:]}")["rows"]

    assert list(row) == [
        *(
            "document",
            "entry",
            "licence",
            "trader",
            "owner",
            "country",
            "port",
            "bill",
            "district",
            "contract",
            "packages",
            "date",
            "goods",
        )
    ]
    assert (row["entry"], row["licence"], row["port"], row["packages"]) == (entry["entry"], licence, "大连机场", "3")
    (goods,) = row["goods"]
    assert list(goods) == ["licence", "code", "name", "model", "quantity", "unit", "price", "currency"]
    assert (goods["licence"], goods["code"], goods["quantity"], goods["unit"]) == (licence, MACHINE, "10", "台")


@pytest.mark.requirement("ME-10")
def test_clearance_data_need_a_licence_number(site: Site) -> None:
    assert "GW-F09" in b.codes(b.refused(site, b.query(m.APPLICATION, "clearance")))


def test_a_licence_is_cited_under_its_own_code_only(site: Site, desk: Desk) -> None:
    _, licence = licence_at_customs(site)
    wrong = declaration(entry_line(licence, "1", MACHINE, "001", "7"), trader="2100MA0EXAMPL", port="0902")

    assert "LIC-12" in desk.faults(wrong)
