"""Import licences at customs: whether they arrived there, what was declared with them, what is left of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import pytest
from customs_desk import Desk, declaration, desk_at, line, today
from endpoint import Endpoint, running_with_endpoints
from openpyxl import load_workbook
from sites import Site, wait_until

ISSUED, APPROVED = "已打印或生成电子许可证", "复审通过"
COLUMNS = ["document", "application", "licence", "goods", "status", "applied", "customs"]
GRAIN = b.PLAIN


def declared(site: Site, text: str, *, marker: str = "", **set_: Any) -> dict[str, Any]:
    """The document of an application that has come to this status."""
    reference = b.fresh("customs") + marker
    key = b.done(site, b.application("declare", reference=reference, **set_), "sent", "accepted")["document"]
    return site.wait_business(b.APPLICATION, key, text)


def customs_status(site: Site, document: dict[str, Any], text: str, **paging: str) -> dict[str, str]:
    """The line of a document in the customs status list, once it says so."""
    asked = b.query(b.APPLICATION, "customs", filters={"application": document["numbers"]["application"]}, **paging)

    def look() -> dict[str, str] | None:
        rows = b.rows(site, asked)
        return rows[0] if rows and rows[0]["customs"] == text else None

    return wait_until(look, f"customs status {text}")  # type: ignore[no-any-return]


@pytest.mark.requirement("NA-17")
@pytest.mark.parametrize("source", ["journal", "authority"])
def test_the_customs_status_of_what_is_approved_or_issued(site: Site, source: str) -> None:
    arrived = declared(site, ISSUED)
    paper = declared(site, ISSUED, goods_=[b.goods("2402200000")])
    approved = declared(site, APPROVED, marker="!stay=30")
    pending = declared(site, "入库成功待初审", marker="!stay=10")
    asked = b.query(b.APPLICATION, "customs", filters={"application": pending["numbers"]["application"]}, source=source)

    row = customs_status(site, arrived, "海关入库成功", source=source)

    assert list(row) == COLUMNS
    assert row == {
        "document": arrived["document"],
        "application": arrived["numbers"]["application"],
        "licence": arrived["numbers"]["licence"],
        "goods": "干玉米酒糟",
        "status": ISSUED,
        "applied": today(),
        "customs": "海关入库成功",
    }
    assert customs_status(site, paper, "-", source=source)["status"] == ISSUED
    assert customs_status(site, approved, "-", source=source)["status"] == APPROVED
    assert b.rows(site, asked) == []


@pytest.mark.requirement("NA-17")
@pytest.mark.parametrize("source", ["journal", "authority"])
def test_the_customs_status_is_found_by_year_numbers_and_days(site: Site, source: str) -> None:
    year = str(int(b.YEAR) + 2)
    document = declared(site, ISSUED, Year=year)
    customs_status(site, document, "海关入库成功")
    licence = document["numbers"]["licence"]
    other = declared(site, ISSUED)["numbers"]["application"]
    for filters in (
        {"year": year},
        {"licence": licence},
        {"licence": f"{licence[:2]}-{licence[2:4]}-{licence[4:]}"},
        {"application": document["numbers"]["application"]},
        {"year": year, "applied_from": today(), "applied_to": today()},
    ):
        found = {r["application"] for r in b.rows(site, b.query(b.APPLICATION, "customs", filters=filters, source=source))}
        assert document["numbers"]["application"] in found and other not in found, filters
    assert b.rows(site, b.query(b.APPLICATION, "customs", filters={"applied_to": "2020-01-01"}, source=source)) == []


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Endpoint]]:
    """A running gateway and the MOFCOM that it talks to, which is the test's."""
    with running_with_endpoints(tmp_path_factory.mktemp("customs")) as (site, mofcom, _):
        yield site, mofcom


@pytest.mark.requirement("NA-17")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("50", "暂未到达海关"),
        ("51", "发往海关失败"),
        ("52", "海关入库成功"),
        ("53", "海关入库失败"),
        ("54", "数据中心处理失败"),
    ],
)
def test_each_customs_status_is_shown_as_it_was_pushed(own: tuple[Site, Endpoint], code: str, text: str) -> None:
    site, mofcom = own
    reference = b.fresh("pushed")
    status = b.done(site, b.application("declare", reference=reference), "sent")
    said = {"type": b.APPLICATION, "number": status["numbers"]["application"], "message": mofcom.wire_id(reference)}
    mofcom.issue(mofcom.receipt(code="30", numbers={"licence": f"26AA0000{code}"}, **said))
    mofcom.issue(mofcom.receipt(code=code, **said))

    assert customs_status(site, status, text)["licence"] == f"26AA0000{code}"


# What was declared with a licence


@pytest.fixture(scope="module")
def desk(site: Site) -> Desk:
    """Customs' desk for declarations."""
    return desk_at(site)


def licence_at_customs(site: Site, **set_: Any) -> tuple[dict[str, Any], str]:
    """An issued licence for 100 kg of goods without rules of their own that customs has: its document and its number."""
    set_ = {"CustomsPort1": "0908", "TradeMode": "0110", **set_}
    document = declared(site, ISSUED, goods_=[b.goods(GRAIN, quantity="100", unit="035")], **set_)
    customs_status(site, document, "海关入库成功")
    return document, document["numbers"]["licence"]


def told(site: Site, kind: str, **filters: str) -> dict[str, Any]:
    """A query's result in JSON, rows inside rows included."""
    name = site.drop(b.xml(b.query(b.APPLICATION, kind, filters=filters, format="json")))
    found: dict[str, Any] = json.loads(site.result(name).read_bytes())
    return found


def importer(document: dict[str, Any]) -> str:
    body = document["body"]["Importer"]
    return str(body.get("CreditCode") or body["Code"])


@pytest.mark.requirement("NA-18")
def test_the_clearance_data_of_a_licence_with_the_goods_of_each_declaration(site: Site, desk: Desk) -> None:
    document, licence = licence_at_customs(site)
    shown = f"{licence[:2]}-{licence[2:4]}-{licence[4:]}"
    entry = declaration(line(licence, "21.5", GRAIN), trader=importer(document))
    assert desk.declare(entry)[0] == 200
    assert desk.happen(entry["entry"], "release")[0] == 200
    assert told(site, "clearance", licence=shown)["total"] == 0
    assert desk.happen(entry["entry"], "clear")[0] == 200

    result = told(site, "clearance", licence=shown)

    assert (result["total"], result["source"]) == (1, "authority")
    row = result["rows"][0]
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
    assert {k: row[k] for k in ("entry", "licence", "owner", "country", "bill", "district", "contract", "packages", "date")} == {
        "entry": entry["entry"],
        "licence": licence,
        "owner": "货主公司",
        "country": "澳大利亚",
        "bill": "B-1",
        "district": "大连市",
        "contract": "C-1",
        "packages": "3",
        "date": today(),
    }
    assert row["goods"] == [
        {
            "licence": licence,
            "code": GRAIN,
            "name": "铁矿砂",
            "model": "粉",
            "quantity": "21.5",
            "unit": "千克",
            "price": "80.5",
            "currency": "美元",
        }
    ]


@pytest.mark.requirement("NA-18")
def test_clearance_data_open_in_a_spreadsheet_as_texts(site: Site, desk: Desk) -> None:
    document, licence = licence_at_customs(site)
    entry = declaration(line(licence, "1", GRAIN), line(licence, "2", GRAIN, place=2), trader=importer(document))
    assert desk.declare(entry)[0] == 200
    for event in ("release", "clear"):
        desk.happen(entry["entry"], event)
    name = site.drop(b.xml(b.query(b.APPLICATION, "clearance", filters={"licence": licence}, format="xlsx")))
    sheet = load_workbook(io.BytesIO(site.result(name).read_bytes())).worksheets[0]
    header, *lines = [[cell.value for cell in row] for row in sheet.iter_rows()]

    assert header[:3] == ["单证号", "报关单号", "许可证号"]
    assert [(row[1], row[header.index("结关商品: 数量")]) for row in lines] == [(entry["entry"], "1"), (entry["entry"], "2")]


@pytest.mark.requirement("NA-18")
def test_clearance_data_need_a_licence_number(site: Site) -> None:
    assert "GW-F09" in b.codes(b.refused(site, b.query(b.APPLICATION, "clearance")))


def test_what_is_left_of_a_licence_of_several_batches_and_how_it_was_used(site: Site, desk: Desk) -> None:
    document, licence = licence_at_customs(site, OneBatchOneLicence="0")
    entry = declaration(line(licence, "30.5", GRAIN), trader=importer(document))
    assert desk.declare(entry)[0] == 200

    result = told(site, "remaining", licence=licence)

    assert result["note"] == "结果仅供参考"
    (row,) = result["rows"]
    assert (row["licence"], row["approved"], row["remaining"]) == (licence, "100", "69.5")
    assert [(use["entry"], use["quantity"]) for use in row["uses"]] == [(entry["entry"], "30.5")]


def test_what_was_written_off_is_listed_by_the_day_of_its_release(site: Site, desk: Desk) -> None:
    document, licence = licence_at_customs(site)
    entry = declaration(line(licence, "10", GRAIN), trader=importer(document))
    desk.declare(entry)
    desk.happen(entry["entry"], "release")

    (row,) = told(site, "writeoff", licence=licence, released_from=today(), released_to=today())["rows"]

    assert (row["entry"], row["contract"], row["released"]) == (entry["entry"], "C-1", today())


def quantities(site: Site, document: dict[str, Any], source: str) -> list[dict[str, Any]]:
    """What a document's file says of its licence, once it has it from there."""

    def look() -> list[dict[str, Any]] | None:
        found = site.document(b.APPLICATION, document["document"])
        lines = (found or {}).get("quantities") or []
        return lines if lines and {line["source"] for line in lines} == {source} else None

    return wait_until(look, f"quantities told by {source}")  # type: ignore[no-any-return]


def test_the_document_file_tells_what_was_approved_and_once_asked_what_is_left(site: Site, desk: Desk) -> None:
    document, licence = licence_at_customs(site, OneBatchOneLicence="0")
    (before,) = quantities(site, document, "journal")
    desk.declare(declaration(line(licence, "0.1", GRAIN), trader=importer(document)))
    result = told(site, "remaining", licence=licence)
    (after,) = quantities(site, document, "authority")

    assert {k: before[k] for k in ("licence", "commodity", "approved", "used", "remaining")} == {
        "licence": licence,
        "commodity": GRAIN,
        "approved": "100",
        "used": None,
        "remaining": None,
    }
    assert {k: after[k] for k in ("licence", "commodity", "approved", "used", "remaining", "as_of")} == {
        "licence": licence,
        "commodity": GRAIN,
        "approved": "100",
        "used": "0.1",
        "remaining": "99.9",
        "as_of": result["as_of"],
    }


def test_a_draft_has_no_quantities(site: Site) -> None:
    key = b.done(site, b.application("save"))["document"]

    assert wait_until(lambda: site.document(b.APPLICATION, key), "the draft")["quantities"] is None
