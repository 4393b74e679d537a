"""Papers and data that customs has made: exported, printed, logged, and only as long as they are kept."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import bodies as b
import declared_papers as dp
import pytest
from declared_papers import CLEARED, EXPORT, EXPORTED, PRINT
from lxml import etree
from openpyxl import load_workbook
from pypdf import PdfReader
from sites import Site, wait_until


def get(site: Site, document: dict[str, Any], operation: str = "export", *entries: str) -> dict[str, Any]:
    """The status of a message that wants files of a request."""
    type_ = PRINT if document["numbers"]["request"].startswith("DY") else EXPORT
    root = b.message(type_, operation, set_={"Entries": ",".join(entries)} if entries else {}, document=document["document"])
    return site.wait(site.drop(b.xml(root)), "accepted", "rejected", "refused", "held")


def got(site: Site, document: dict[str, Any], operation: str = "export", *entries: str) -> Path:
    """Its result."""
    status = get(site, document, operation, *entries)
    assert status["state"] == "accepted", status["faults"] or status
    return site.result(status["file"])


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def index(files: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files["index.csv"].decode("utf-8-sig"))))


def verified(path: Path) -> str:
    """What `pdfsig` of poppler says."""
    program = shutil.which("pdfsig")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("pdfsig (poppler-utils) is not installed")
        pytest.skip("pdfsig (poppler-utils) is not installed")
    return subprocess.run([program, str(path)], capture_output=True, text=True, check=False).stdout


@pytest.mark.requirement("DP-05", "DP-08")
def test_a_sealed_paper_is_the_declarations_form_and_its_signature_verifies(site: Site) -> None:
    document = dp.asked(site, PRINT, EXPORTED[:1], seal="1")
    paper = got(site, document)
    pages = PdfReader(paper).pages
    text = "\n".join(page.extract_text() for page in pages)

    assert (paper.suffix, len(pages)) == (".pdf", 2)
    assert EXPORTED[0] in text
    assert paper.read_bytes().count(b"/ByteRange") == 1
    says = verified(paper)
    assert "Signature is Valid" in says and "Total document signed" in says
    spoilt = paper.with_name("spoilt.pdf")
    content = paper.read_bytes()
    spoilt.write_bytes(content.replace(b"/MediaBox", b"/MediaBux", 1))
    assert "Signature is Valid" not in verified(spoilt)
    spoilt.unlink()


@pytest.mark.requirement("DP-05", "DP-08")
def test_an_unsealed_paper_carries_no_signature(site: Site) -> None:
    paper = got(site, dp.asked(site, PRINT, CLEARED[:1], seal="0"), "print")

    assert b"/ByteRange" not in paper.read_bytes()
    assert "does not contain any signatures" in verified(paper)


@pytest.mark.requirement("DP-05")
def test_data_are_customs_own_message_and_a_workbook_of_texts(site: Site) -> None:
    files = unpacked(got(site, dp.asked(site, EXPORT, EXPORTED[:1])))
    root = etree.fromstring(files[f"{EXPORTED[0]}.xml"])
    book = load_workbook(io.BytesIO(files[f"{EXPORTED[0]}.xlsx"]))
    goods = list(book["商品"].iter_rows(values_only=True))
    head = {row[0]: row[1] for row in book["表头"].iter_rows(values_only=True)}

    assert root.tag == "{http://www.chinaport.gov.cn/dec}DecMessage"
    assert root.findtext("{*}DecHead/{*}EntryId") == EXPORTED[0] == head["EntryId"]
    assert len(goods) == 1 + len(root.findall("{*}DecLists/{*}DecList")) == 9
    assert all(isinstance(cell, str) for row in goods for cell in row if cell is not None)


@pytest.mark.requirement("DP-05")
def test_many_are_exported_into_one_archive_with_an_index(site: Site) -> None:
    document = dp.asked(site, PRINT, CLEARED[:5], seal="0")
    files = unpacked(got(site, document))

    assert list(files) == ["index.csv", *(f"{entry}.pdf" for entry in CLEARED[:5])]
    assert [row["EntryId"] for row in index(files)] == CLEARED[:5]
    some = unpacked(got(site, document, "export", CLEARED[3], CLEARED[1]))
    assert [row["EntryId"] for row in index(some)] == [CLEARED[3], CLEARED[1]]


@pytest.mark.requirement("DP-05")
def test_where_some_could_not_be_made_a_person_confirms_in_the_manuals_words(site: Site) -> None:
    document = dp.asked(site, EXPORT, CLEARED[:3], "!failed=2")
    status = get(site, document)
    assert status["state"] == "refused"
    assert [f["message"] for f in status["faults"]] == [f"报关单号 {CLEARED[1]}数据生成失败，请确认是否继续导出？"]

    files = unpacked(got(site, document, "confirm"))
    assert sorted(name for name in files if name.endswith(".xml")) == [f"{CLEARED[0]}.xml", f"{CLEARED[2]}.xml"]
    assert [(row["EntryId"], row["State"], row["file"] != "") for row in index(files) if row["EntryId"] == CLEARED[1]] == [
        (CLEARED[1], "2", False)
    ]
    assert len(unpacked(got(site, document, "export", CLEARED[0]))) == 3


@pytest.mark.requirement("DP-05")
@pytest.mark.parametrize("entry", [dp.RELEASED, dp.OLD_EDITION])
def test_what_was_not_made_is_neither_exported_nor_printed(site: Site, entry: str) -> None:
    document = dp.asked(site, PRINT, [CLEARED[0], entry])
    status = get(site, document, "print", entry)

    assert [f["code"] for f in status["faults"]] == ["GW-F99"]
    assert "海关作业流程未完结" in status["faults"][0]["message"] or "旧版本暂不支持" in status["faults"][0]["message"]
    assert [f["code"] for f in get(site, document, "export", CLEARED[9])["faults"]] == ["GW-F98"]


@pytest.mark.requirement("DP-05")
def test_nothing_can_be_had_of_a_request_that_is_being_made_or_was_not_done(site: Site) -> None:
    root = dp.request(PRINT, CLEARED[:1], "!stay=P1")
    site.drop(b.xml(root))
    making = site.wait_business(PRINT, root.get("reference") or "", "处理中")
    failed = dp.asked(site, PRINT, CLEARED[:1], "!unfinished")

    assert [f["code"] for f in get(site, making)["faults"]] == ["GW-F05"]
    assert [f["code"] for f in get(site, failed)["faults"]] == ["GW-F05"]


@pytest.mark.requirement("DP-06")
def test_every_export_and_print_is_in_the_log_of_each_declaration(site: Site) -> None:
    document = dp.asked(site, PRINT, CLEARED[40:42], seal="0")
    got(site, document, "export")
    got(site, document, "print", CLEARED[41])
    get(site, document, "export", CLEARED[9])  # refused
    of_request = b.rows(site, b.query(PRINT, "log", document=document["document"]))
    of_entry = b.rows(site, b.query(PRINT, "log", filters={"entries": CLEARED[41], "at": "today"}))

    assert [(row["entry"], row["operation"]) for row in of_request] == [
        (CLEARED[41], "打印"),
        (CLEARED[40], "导出"),
        (CLEARED[41], "导出"),
    ]
    assert [(row["entry"], row["operation"], row["request"]) for row in of_entry] == [
        (CLEARED[41], word, document["numbers"]["request"]) for word in ("打印", "导出")
    ]


@pytest.mark.long
@pytest.mark.requirement("DP-07")
def test_after_a_calendar_month_it_is_gone_everywhere_said_as_expired_and_asked_for_anew(fast_site: Site) -> None:
    fast_site.simulate("--fast")
    fast_site.run()
    document = dp.asked(fast_site, PRINT, CLEARED[:2])
    made, until = (document["body"]["Entry"][0][name] for name in ("MadeAt", "Until"))
    paper = got(fast_site, document, "export", CLEARED[0])
    assert (until[8:], until[5:7]) == (made[8:], f"{int(made[5:7]) % 12 + 1:02d}") or until[8:] in ("28", "29", "30")

    wait_until(lambda: not paper.exists(), "the paper to be taken away")
    with closing(sqlite3.connect(f"file:{fast_site.home}/tongguan.db?mode=ro", uri=True)) as base:
        results = "SELECT count(*) FROM body WHERE role = 'result'"
        wait_until(lambda: base.execute(results).fetchone() == (0,), "its body to follow the file")
    with closing(sqlite3.connect(f"file:{fast_site.home}/simulators/customs.db?mode=ro", uri=True)) as base:
        assert base.execute("SELECT count(*) FROM made WHERE until < ?", (made,)).fetchone() == (0,)
    number = document["numbers"]["request"]
    over = {"request": number, "status": "6"}
    (row,) = wait_until(lambda: b.rows(fast_site, b.query(PRINT, "list", filters=over)), "the request to be over")
    assert (row["request"], row["status"]) == (number, "已过期")
    assert "已过期" in get(fast_site, document)["faults"][0]["message"]
    again = dp.request(PRINT, CLEARED[:2], document=document["document"])
    assert fast_site.wait(fast_site.drop(b.xml(again)))["state"] == "accepted"
    assert got(fast_site, document, "export", CLEARED[0]).suffix == ".pdf"
    assert fast_site.command("audit", "verify").returncode == 0
