"""Questions about import licence applications, and the licence itself."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import bodies as b
import pypdf
import pytest
from sites import Site

from tongguan.gateway.system import clock, times

COLUMNS = [
    "document",
    "status",
    "application",
    "mofcom",
    "withdrawal",
    "licence",
    "goods",
    "quantity",
    "unit",
    "unit_code",
    "usd",
    "applied",
]


def issued(site: Site, **set_: Any) -> dict[str, Any]:
    status = b.done(site, b.application("declare", **set_))
    return site.wait_business(b.APPLICATION, status["document"], "已打印或生成电子许可证")


@pytest.mark.requirement("NA-14")
def test_a_list_without_an_end_is_asked_for_until_the_last_day_that_there_is(site: Site) -> None:
    numbers = b.done(site, b.application("declare"))["numbers"]
    days = {"applied_from": "0001-01-01", "applied_to": "9999-12-31"}

    found = b.rows(site, b.query(b.APPLICATION, "list", filters={"application": numbers["application"], **days}))

    assert [row["application"] for row in found] == [numbers["application"]]


@pytest.mark.requirement("NA-14")
def test_a_list_has_its_columns_and_every_filter_finds_its_documents(site: Site) -> None:
    next_year = str(int(times.china_date(clock.now_ms())[:4]) + 1)
    importer = {"Code": "3100MA1OTHER1", "CreditCode": "91310000MA1OTHER13", "Name": "上海示例贸易有限公司"}
    user = {"Code": "4400MA1USER01", "CreditCode": "91310000MA1OTHER13", "Name": b.fresh("用户")}
    more = {**{f"Importer__{k}": v for k, v in importer.items()}, **{f"User__{k}": v for k, v in user.items()}}
    document = issued(site, TradeMode="0130", IssuingAgency="0100", Year=next_year, **more)
    other = b.done(site, b.application("save"))["numbers"]["application"]
    numbers = document["numbers"]
    today = document["created_at"][:10]

    found = b.rows(site, b.query(b.APPLICATION, "list", filters={"application": numbers["application"]}))
    assert [list(row) for row in found] == [COLUMNS]
    assert {k: found[0][k] for k in COLUMNS if k != "applied"} == {
        "document": document["document"],
        "status": "已打印或生成电子许可证",
        "application": numbers["application"],
        "mofcom": numbers["mofcom"],
        "withdrawal": "-",
        "licence": numbers["licence"],
        "goods": "干玉米酒糟",
        "quantity": "1000",
        "unit": "千克",
        "unit_code": "035",
        "usd": "1000",
    }
    assert found[0]["applied"] == today
    for filters in (
        {"status": "已打印或生成电子许可证"},
        {"user_code": user["Code"]},
        {"user_name": user["Name"]},
        {"importer_code": importer["Code"]},
        {"trade_mode": "0130"},
        {"trade_mode": "易货贸易"},
        {"trade_mode": "barter"},
        {"mofcom": numbers["mofcom"]},
        {"year": next_year},
        {"issuing_agency": "0100"},
        {"applied_from": today, "applied_to": today},
    ):
        rows = b.rows(site, b.query(b.APPLICATION, "list", filters=filters, size="1000"))
        assert numbers["application"] in {row["application"] for row in rows}, filters
        assert other not in {row["application"] for row in rows}, filters
    none = b.query(b.APPLICATION, "list", filters={"applied_to": "2020-01-01", "application": numbers["application"]})
    assert b.rows(site, none) == []


@pytest.mark.requirement("NA-14")
def test_a_list_comes_in_pages_with_its_total(site: Site) -> None:
    user = b.fresh("用户")
    for _ in range(5):
        b.done(site, b.application("save", User__Name=user, User__Code="4400MA1USER01", User__CreditCode="91310000MA1OTHER13"))
    pages = [
        b.result(site, b.query(b.APPLICATION, "list", filters={"user_name": user}, page=str(page), size="2"))
        for page in (1, 2, 3, 4)
    ]

    assert [head["total"] for head, _ in pages] == ["5"] * 4
    assert [len(rows) for _, rows in pages] == [2, 2, 1, 0]
    assert len({row["application"] for _, rows in pages for row in rows}) == 5
    assert {pages[0][0]["source"], pages[0][0]["page"], pages[0][0]["size"]} == {"journal", "1", "2"}


@pytest.mark.requirement("NA-14")
@pytest.mark.parametrize("filters", [{"colour": "red"}, {"applied_from": "gestern"}])
def test_a_filter_that_does_not_exist_is_refused(site: Site, filters: dict[str, str]) -> None:
    assert b.refused(site, b.query(b.APPLICATION, "list", filters=filters))["faults"]


@pytest.mark.requirement("NA-14")
@pytest.mark.parametrize("paging", [{"page": "0"}, {"size": "1001"}, {"size": "viele"}])
def test_a_page_that_cannot_be_is_refused(site: Site, paging: dict[str, str]) -> None:
    assert b.refused(site, b.query(b.APPLICATION, "list", **paging))["faults"]


@pytest.mark.requirement("NA-15")
@pytest.mark.parametrize(("marker", "text"), [("!stay=10", "待初审"), ("!stay=20", "初审通过"), ("!stay=30", "复审通过")])
def test_the_status_of_a_submitted_one_is_asked_of_mofcom_now(site: Site, marker: str, text: str) -> None:
    key = b.done(site, b.application("declare", reference=b.fresh("q") + marker), "sent", "accepted")["document"]
    site.wait_business(b.APPLICATION, key, text, "入库成功待初审" if text == "待初审" else text)
    head, (row,) = b.result(site, b.query(b.APPLICATION, "status", document=key))

    document = site.document(b.APPLICATION, key)
    assert document is not None
    assert (head["source"], row["status"]) == ("authority", text)
    assert (row["application"], row["mofcom"]) == (document["numbers"]["application"], document["numbers"]["mofcom"])


@pytest.mark.requirement("NA-15")
def test_a_draft_has_no_status_at_mofcom(site: Site) -> None:
    key = b.done(site, b.application("save"))["document"]
    status = b.do(site, b.query(b.APPLICATION, "status", document=key))

    assert status["state"] in ("refused", "rejected")
    assert status["faults"]


@pytest.mark.requirement("NA-19")
def test_the_issued_electronic_licence_is_downloaded_as_a_file(site: Site) -> None:
    document = issued(site)
    name = site.drop(b.xml(b.message(b.APPLICATION, "export", document=document["document"])))
    file = site.result(name)

    assert site.wait(name)["state"] == "accepted"
    assert file.suffix == ".pdf"
    assert file.read_bytes().startswith(b"%PDF-")


@pytest.mark.requirement("NA-19")
def test_the_electronic_licence_is_signed_by_the_ministry(site: Site, tmp_path: Path) -> None:
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl is not installed")
    document = issued(site)
    name = site.drop(b.xml(b.message(b.APPLICATION, "export", document=document["document"])))
    licence = site.result(name).read_bytes()
    start, first, second, last = map(int, re.search(rb"/ByteRange \[([0-9 ]+)\]", licence)[1].split())  # type: ignore[index]
    (tmp_path / "signed").write_bytes(licence[start : start + first] + licence[second : second + last])
    (tmp_path / "signature").write_bytes(bytes.fromhex(licence[first + 1 : second - 1].decode()))
    trusted = ["-CAfile", str(site.home / "trust" / "mofcom.pem"), "-purpose", "any"]
    command = [openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-content", "signed", *trusted]
    verified = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert verified.returncode == 0, verified.stderr
    assert second + last == len(licence)
    page = pypdf.PdfReader(io.BytesIO(licence)).pages[0]
    shown = "".join(page.extract_text().split())
    for said in (
        document["numbers"]["licence"],
        "干玉米酒糟",
        "2303300011",
        "1000千克",
        "美元",
        "美国",
        "发证日期",
        "SAMPLE",
    ):
        assert said in shown, said
    right = max(float(box[2]) for box in [page.mediabox])
    placed: list[float] = []
    page.extract_text(visitor_text=lambda text, cm, tm, font, size: placed.append(tm[4]) if text.strip() else None)
    assert all(30 < x < right - 30 for x in placed), "nothing begins off the page"


@pytest.mark.requirement("NA-19")
@pytest.mark.parametrize(
    ("marker", "text"), [("!stay=10", "入库成功待初审"), ("!stay=30", "复审通过"), ("!refuse", "初审不通过")]
)
def test_before_it_is_issued_the_download_is_refused_naming_the_status(site: Site, marker: str, text: str) -> None:
    key = b.done(site, b.application("declare", reference=b.fresh("x") + marker), "sent", "accepted", "rejected")["document"]
    site.wait_business(b.APPLICATION, key, text)
    status = b.refused(site, b.message(b.APPLICATION, "export", document=key))

    assert re.search(text, b.faults(status)["GW-F05 @operation"])


@pytest.mark.requirement("NA-19")
def test_a_paper_licence_has_no_file(site: Site) -> None:
    document = issued(site, goods_=[b.goods("2402200000")])
    status = b.do(site, b.message(b.APPLICATION, "export", document=document["document"]))

    assert status["state"] in ("refused", "rejected")
    assert status["faults"]
