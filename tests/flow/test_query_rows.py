"""Questions that an authority answers with a table: what goes out, what comes back, and what is never believed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from endpoint import RECEIPT, Call, Endpoint, site_with_endpoints, without_route
from lxml import etree
from openpyxl import load_workbook
from sites import Site, wait_until

from tongguan.gateway.home.home import change_settings

ROW = {"EntryNo": "010120261000000053", "LicenceNo": "26AA000001", "Packages": "007", "Port": "大窑湾海关"}
GOODS = [{"CodeTS": "0201100000", "Quantity": "21.50", "Price": "-1"}, {"CodeTS": "2711210000", "Quantity": "3", "Price": "2"}]


@dataclass
class Asked:
    """A running site whose authorities are the test's own."""

    site: Site
    mofcom: Endpoint
    customs: Endpoint


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    site, mofcom, customs = site_with_endpoints(tmp_path_factory.mktemp("rows"))
    site.run()
    yield Asked(site, mofcom, customs)
    site.stop()


def elements(parent: etree._Element, name: str, cells: dict[str, Any]) -> None:
    row = etree.SubElement(parent, f"{{{RECEIPT}}}{name}")
    for key, value in cells.items():
        if isinstance(value, list):
            for inner in value:
                elements(row, key, inner)
        else:
            etree.SubElement(row, f"{{{RECEIPT}}}{key}").text = value


def table(endpoint: Endpoint, rows: list[dict[str, Any]], **head: str) -> Callable[[Call], Any]:
    """Answer every question with these rows."""

    def answer(call: Call) -> tuple[int, bytes, dict[str, str]]:
        said = endpoint.unsigned(code="Q0", message=call.message_id, issued_at="2026-11-20T08:00:00.000+08:00")
        inside = etree.SubElement(etree.SubElement(said, f"{{{RECEIPT}}}Content"), f"{{{RECEIPT}}}Rows")
        for name, value in {"total": str(len(rows)), "page": "1", "size": "50", **head}.items():
            inside.set(name, value)
        for row in rows:
            elements(inside, "Row", row)
        return 202, endpoint.sealer.seal(said), {}

    return answer


def clearance(**paging: str) -> etree._Element:
    return b.query(b.APPLICATION, "clearance", filters={"licence": "26-AA-000001"}, **paging)


def question(endpoint: Endpoint) -> etree._Element:
    """The document of the last question that came."""
    asked = [call for call in endpoint.calls if call.what == "query"][-1]
    return etree.fromstring(asked.body)


def test_the_filters_go_to_the_authority_that_knows_under_the_code_that_it_knows_us_by(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [], size="20", page="3", total="0")
    b.done(asked.site, clearance(page="3", size="20", sort="-entry"))
    root = question(asked.customs)
    document = root.find("{*}DataInfo/{*}BussinessData")[0]

    assert root.findtext("{*}EnvelopInfo/{*}receiver_id") == "customs"
    assert root.findtext("{*}EnvelopInfo/{*}sender_id") == asked.customs.account
    assert etree.QName(document) == etree.QName("urn:tongguan:NA.application:1", "NA.application")
    assert {k: document.get(k) for k in ("kind", "page", "size", "sort")} == {
        "kind": "clearance",
        "page": "3",
        "size": "20",
        "sort": "-EntryNo",
    }
    assert [(etree.QName(e).localname, e.text) for e in document] == [("licence", "26-AA-000001")]


def test_a_range_of_days_goes_out_as_two_dates_in_the_usual_form(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [])
    b.done(asked.site, b.query(b.APPLICATION, "writeoff", filters={"released_from": "20260101", "released_to": "2026-12-31"}))
    document = question(asked.customs).find("{*}DataInfo/{*}BussinessData")[0]

    assert [(etree.QName(e).localname, e.text) for e in document] == [
        ("released_from", "2026-01-01"),
        ("released_to", "2026-12-31"),
    ]


@pytest.mark.requirement("NA-18")
def test_the_rows_and_the_rows_inside_them_come_back_as_they_were_told(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [{**ROW, "Goods": GOODS}])
    name = asked.site.drop(b.xml(clearance(format="json")))
    result = json.loads(asked.site.result(name).read_bytes())

    assert {k: result[k] for k in ("total", "page", "size", "source", "as_of")} == {
        "total": 1,
        "page": 1,
        "size": 50,
        "source": "authority",
        "as_of": "2026-11-20T08:00:00.000+08:00",
    }
    row = result["rows"][0]
    assert (row["entry"], row["packages"], row["port"], row["bill"]) == ("010120261000000053", "007", "大窑湾海关", "-")
    assert [(g["code"], g["quantity"], g["price"]) for g in row["goods"]] == [
        ("0201100000", "21.50", "-1"),
        ("2711210000", "3", "2"),
    ]


def test_a_spreadsheet_of_the_rows_holds_texts_only_and_a_line_for_each_inner_row(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [{**ROW, "Goods": GOODS}])
    name = asked.site.drop(b.xml(clearance(format="xlsx")))
    file = asked.site.result(name)
    sheet = load_workbook(file).worksheets[0]
    lines = [dict(zip((c.value for c in sheet[1]), (c.value for c in line), strict=True)) for line in sheet.iter_rows(min_row=2)]

    assert file.suffix == ".xlsx"
    assert [(line["报关单号"], line["件数"], line["结关商品: 商品编号"]) for line in lines] == [
        ("010120261000000053", "007", "0201100000"),
        ("010120261000000053", "007", "2711210000"),
    ]
    assert {cell.data_type for line in sheet.iter_rows() for cell in line} == {"s"}


def test_csv_of_the_rows_keeps_codes_and_numbers(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [{**ROW, "Goods": GOODS}])
    name = asked.site.drop(b.xml(clearance(format="csv")))
    lines = list(csv.DictReader(io.StringIO(asked.site.result(name).read_text("utf-8-sig"))))

    assert [(line["packages"], line["goods.code"], line["goods.price"]) for line in lines] == [
        ("007", "0201100000", "-1"),
        ("007", "2711210000", "2"),
    ]


def test_what_is_only_for_reference_says_so(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [{"LicenceNo": "26AA000001", "Remaining": "5"}])
    head, (row,) = b.result(asked.site, b.query(b.APPLICATION, "remaining"))

    assert head["note"] == "结果仅供参考"
    assert (row["licence"], row["remaining"], row["approved"]) == ("26AA000001", "5", "-")


def test_what_an_authority_says_of_a_document_is_known_here_from_then_on(asked: Asked) -> None:
    reference = b.fresh("told")
    status = b.done(asked.site, b.application("declare", reference=reference), "sent")
    number = status["numbers"]["application"]
    said = {"type": b.APPLICATION, "number": number, "message": asked.mofcom.wire_id(reference)}
    asked.mofcom.issue(asked.mofcom.receipt(code="40", numbers={"licence": "26AA000077"}, **said))
    before = asked.site.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")
    row = {"ApplicationNo": number, "LicenceNo": "26AA000077", "CustomsStatus": "海关入库成功"}
    asked.mofcom.answer = table(asked.mofcom, [row, {**row, "ApplicationNo": "NA2699999999999999"}])
    now = b.query(b.APPLICATION, "customs", filters={"application": number}, source="authority")
    b.done(asked.site, now)
    shown = b.rows(asked.site, b.query(b.APPLICATION, "customs", filters={"application": number}))

    assert [r["customs"] for r in shown] == ["海关入库成功"]
    document = wait_until(
        lambda: (d := asked.site.document(b.APPLICATION, status["document"])) and d["marks"] and d,
        "the mark in the document's file",
    )
    assert (document["marks"], document["updated_at"]) == ({"customs": "52"}, before["updated_at"])


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [
        ([ROW], {"total": "0"}, "1 rows on page 1"),
        ([ROW], {"page": "2"}, "page 2 of 50"),
        ([ROW], {"total": "many"}, "total is 'many'"),
        ([{"EntryNo": [{"No": "1"}]}], {}, "elements instead of a text"),
        ([{"Goods": "drei"}], {}, "a text instead of elements"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_held_with_what_to_do(
    asked: Asked, rows: list[dict[str, Any]], head: dict[str, str], why: str
) -> None:
    asked.customs.answer = table(asked.customs, rows, **head)
    status = b.do(asked.site, clearance(), "held")

    assert why in status["hold"]["reason"]
    assert f"tongguan retry {status['message_id']}" in status["hold"]["do"]


def test_a_question_is_answered_when_its_answer_is_mended(asked: Asked) -> None:
    asked.customs.answer = table(asked.customs, [ROW], total="9")
    name = asked.site.drop(b.xml(clearance()))
    held = asked.site.wait(name, "held")
    asked.customs.answer = table(asked.customs, [ROW])
    asked.site.command("retry", held["message_id"], check=True)

    assert asked.site.wait(name)["state"] == "accepted"


def test_only_the_authority_that_was_asked_is_believed(asked: Asked) -> None:
    asked.customs.answer = table(asked.mofcom, [ROW])
    name = asked.site.drop(b.xml(clearance()))
    wait_until(lambda: len([c for c in asked.customs.calls if c.what == "query" and name.encode() in c.body]) > 1, "a second try")
    waiting = asked.site.status(name)
    asked.customs.answer = table(asked.customs, [ROW])

    assert waiting is not None and waiting["state"] == "checked"
    assert asked.site.wait(name)["state"] == "accepted"


@pytest.mark.parametrize(
    ("kind", "filters", "paging", "code"),
    [
        ("clearance", {}, {}, "GW-F09"),
        ("clearance", {"licence": "26AA000001"}, {"sort": "goods"}, "GW-F10"),
        ("clearance", {"licence": "26AA000001"}, {"source": "journal"}, "GW-F10"),
        ("clearance", {"licence": "26AA000001", "colour": "red"}, {}, "GW-F10"),
        ("writeoff", {"released_from": "2026-02-30"}, {}, "GW-F18"),
        ("list", {}, {"source": "authority"}, "GW-F10"),
        ("list", {}, {"format": "docx"}, "GW-F10"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    asked: Asked, kind: str, filters: dict[str, str], paging: dict[str, str], code: str
) -> None:
    assert code in b.codes(b.refused(asked.site, b.query(b.APPLICATION, kind, filters=filters, **paging)))


@pytest.mark.parametrize(
    ("paging", "most"),
    [
        ({"page": "0"}, "999999999"),
        ({"page": "1000000000"}, "999999999"),
        ({"page": "１"}, "999999999"),
        ({"size": "1001"}, "1000"),
        ({"size": "１０"}, "1000"),
    ],
)
def test_a_page_that_no_list_has_is_told_the_most(asked: Asked, paging: dict[str, str], most: str) -> None:
    (fault,) = b.refused(asked.site, b.query(b.APPLICATION, "list", **paging))["faults"]

    assert fault["code"] == "GW-F17"
    assert fault["message"].endswith(f"应为 1 至 {most}")


def test_a_filter_that_stands_twice_is_refused_and_not_half_read(asked: Asked) -> None:
    root = clearance()
    again = etree.SubElement(root, root[0].tag)
    again.text = "26AA000002"

    assert "GW-F33" in b.codes(b.refused(asked.site, root))


def test_an_authority_that_says_no_rejects_the_question(asked: Asked, tmp_path: Path) -> None:
    asked.customs.answer = lambda call: (202, asked.customs.receipt(code="Q1", message=call.message_id), {})

    assert b.do(asked.site, clearance())["state"] == "rejected"


def test_an_authority_that_the_site_cannot_reach_or_has_no_code_for_is_told_at_once(tmp_path: Path) -> None:
    site, _, _ = site_with_endpoints(tmp_path)
    without_route(site.home, "customs")
    site.run()
    unreachable = b.codes(b.refused(site, clearance()))
    site.stop()
    change_settings(site.home, "account", "customs_code", "")
    site.run()
    nameless = b.codes(b.refused(site, clearance()))
    site.stop()

    assert (unreachable, nameless) == ({"GW-F32"}, {"GW-F31"})
