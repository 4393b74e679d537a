"""Lists of collective declaration (集报清单) for acceptance tests, on filings that are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bodies as b
import filings as f
from lxml import etree
from sites import Site

from tongguan.gateway.document.lines import with_keys
from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.database.rows import keyed_line_rows, keyed_row
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import read_settings

LINE = {
    "GQty": "100", "FirstQty": "100", "DeclPrice": "12.5", "TradeCurr": "USD", "OriginCountry": "KOR", "DestinationCountry": "CHN",
    "DutyMode": "1", "DistrictCode": "21029",
}  # fmt: skip
BY_ROAD = {"TrafMode": "4", "TrafName": None, "VoyNo": None, "BillNo": None}


@dataclass(frozen=True)
class Filing:
    """What lists rest on: a customs, its approved qualification and an approved volume of three goods."""

    customs: str
    qualification: dict[str, Any]
    volume: dict[str, Any]

    @property
    def manual(self) -> str:
        """备案号 of the lists."""
        return str(self.volume["numbers"]["volume"])


def filing(site: Site, rows: list[dict[str, Any]] | None = None, **qualification: Any) -> Filing:
    approved = f.qualified(site, **qualification)
    volume = f.filed(site, approved["numbers"]["unified"], rows)
    return Filing(approved["body"]["CustomMaster"], approved, volume)


def line(item: str, **more: str | None) -> dict[str, Any]:
    """A line of the good with this 备案序号."""
    return {name: value for name, value in {"ContrItem": item, **LINE, **more}.items() if value is not None}


def listed(
    on: Filing, operation: str = "declare", marker: str = "", *, lines: list[dict[str, Any]] | None = None, **set_: Any
) -> etree._Element:
    """An import list by road of general trade, of the first two goods of a volume."""
    document = set_.pop("document", None)
    body = {"CustomMaster": on.customs, "ManualNo": on.manual, **BY_ROAD, **set_, "DecList": lines or [line("1"), line("2")]}
    return b.message(f.LIST, operation, like="ok-save.xml", set_=body, document=document, reference=b.fresh("l") + marker)


def declared(site: Site, on: Filing, text: str, marker: str = "", **set_: Any) -> dict[str, Any]:
    """The document of a list that has come to this status."""
    status = b.done(site, listed(on, "declare", marker, **set_), "sent", "accepted", "rejected")
    return site.wait_business(f.LIST, status["document"], text)


def kept_rows(home: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a home's journal keeps of lists for merging them, and what its lists themselves come to; in one order."""
    profile = load_profiles()[f.LIST]
    with JournalClient.open(read_settings(home).database.url, home) as client, client.search() as records:
        stored = [
            dict(row)
            for table in ("keyed", "keyed_line")
            for row in records._connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY document_id").mappings()
        ]
        documents, after = list[Any](), ""
        while page := records.documents_after(after, 100):
            documents, after = documents + page, page[-1].id
    made = [with_keys(profile, None, document) for document in documents if document.type == f.LIST]
    kept = [document for document in made if document.keyed is not None]
    heads = [keyed_row(document, document.keyed) for document in kept]
    return stored, heads + [row for document in kept for row in keyed_line_rows(document.id, document.keyed)]
