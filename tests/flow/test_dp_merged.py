"""Papers and data of declarations that the merge has made of lists: customs holds them as they were declared."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import bodies as b
import declared_papers as dp
import pytest
from filings import DECLARATION, MERGE, today
from lxml import etree
from openpyxl import load_workbook
from pypdf import PdfReader
from sites import Site, make_site
from test_cd_at_customs import cleared, filed, listed
from test_dp_files import got, index, unpacked, verified

pytestmark = pytest.mark.requirement("DP-03", "DP-05")


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, list[dict[str, Any]]]]:
    """A running site, and its declarations: two that came of three lists, declared and cleared."""
    site = make_site(tmp_path_factory.mktemp("merged"))
    site.simulate("--fast")
    site.run()
    filed(site)
    lists = [b.done(site, listed(site, CutMode=mode)) for mode in ("101", "101", "299")]
    for status in lists:
        cleared(site, status)
    set_ = {"IEFlag": "I", "Month": today()[:7], "NoAgent": "1"}
    merge = site.wait(site.drop(b.xml(b.message(MERGE, "merge", set_=set_))), "accepted", "refused")
    drafts = [f"{merge['document']}-{n}" for n in (1, 2)]
    for draft in drafts:
        site.wait_business(DECLARATION, draft, "暂存")
        site.drop(b.xml(b.message(DECLARATION, "declare", document=draft, reference=b.fresh("dec"))))
    yield site, [site.wait_business(DECLARATION, draft, "已结关") for draft in drafts]
    for name in list(site.processes):
        site.stop(name)


def entry_of(declaration: dict[str, Any]) -> str:
    return str(declaration["numbers"]["entry"])


def leaves(element: etree._Element) -> dict[str, str]:
    return {etree.QName(one).localname: one.text for one in element if one.text and not len(one)}


def as_sent(row: dict[str, Any]) -> dict[str, str]:
    """Days as customs writes them; without what is told by receipts, or is a table."""
    told = {name: value for name, value in row.items() if isinstance(value, str) and name not in ("EntryId", "SeqNo")}
    return {name: value.replace("-", "") if name.endswith("Date") else value for name, value in told.items()}


def test_its_data_are_what_was_declared(merged: tuple[Site, list[dict[str, Any]]]) -> None:
    site, declarations = merged
    entries = [entry_of(one) for one in declarations]
    files = unpacked(got(site, dp.asked(site, dp.EXPORT, entries)))

    assert sorted({row["EntryId"] for row in index(files)}) == sorted(entries)
    for entry, body in zip(entries, (one["body"] for one in declarations), strict=True):
        root = etree.fromstring(files[f"{entry}.xml"])
        head, lines = root.find("{*}DecHead"), root.findall("{*}DecLists/{*}DecList")
        assert head is not None and head.findtext("{*}EntryId") == entry
        assert as_sent(body["DecHead"]).items() <= leaves(head).items()
        assert [as_sent(row) for row in body["DecLists"]["DecList"]] == [leaves(line) for line in lines]
        rows = load_workbook(io.BytesIO(files[f"{entry}.xlsx"]))["商品"].iter_rows(values_only=True)
        columns = next(rows)
        assert [{n: str(v) for n, v in zip(columns, row, strict=True) if v} for row in rows] == [leaves(line) for line in lines]


@pytest.mark.requirement("DP-08")
@pytest.mark.parametrize(("seal", "operation"), [("1", "export"), ("0", "print")])
def test_its_paper_says_what_was_declared(merged: tuple[Site, list[dict[str, Any]]], seal: str, operation: str) -> None:
    site, declarations = merged
    for declaration in declarations:
        paper = got(site, dp.asked(site, dp.PRINT, [entry_of(declaration)], seal=seal), operation)
        text = "".join(page.extract_text() for page in PdfReader(paper).pages)
        head, lines = declaration["body"]["DecHead"], declaration["body"]["DecLists"]["DecList"]

        said = [entry_of(declaration), declaration["numbers"]["seq"], head["GrossWet"], head["NetWt"], head["PackNo"]]
        said += [row[name] for row in lines for name in ("CodeTS", "GName", "DeclTotal")]
        assert [word for word in said if word not in text] == []
        assert ("Signature is Valid" in verified(paper)) == (seal == "1")
