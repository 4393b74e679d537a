"""Messages of collective declaration (集中申报) for acceptance tests. A customs is used by one test only: an enterprise has one living qualification there."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta, timezone
from typing import Any

import bodies as b
from lxml import etree
from sites import Site

QUALIFICATION, GOODS, ACCOUNT, LIST, CHANGE = "CD.qualification", "CD.goods", "CD.account", "CD.list", "CD.change"
DECLARATION, MERGE = "CD.declaration", "CD.merge"
APPROVED = "海关审批通过"
BONDED_ACCOUNT = "C09082600001"  #: what simulated customs has of the sample enterprise
_TAKEN = ("0908",)  #: of the bonded account, and of the manifest


def _customs(begins: tuple[str, ...]) -> Any:
    with (b.PROFILES / "tables" / "customs.csv").open(encoding="utf-8", newline="") as lines:
        codes = [row["code"] for row in csv.DictReader(lines)]
    return iter([code for code in codes if code.startswith(begins) and code not in _TAKEN])


_GENERAL = _customs(
    ("01", "02", "04", "08", "09", "22", "23", "29", "31", "33", "35", "37", "40", "42", "46", "47", "51", "52", "53")
)
_OF_NATURE = {"3": _customs(("07",)), "4": _customs(("57",))}


def fresh_customs(nature: str = "1") -> str:
    """A customs at which no test has filed yet."""
    return str(next(_OF_NATURE.get(nature, _GENERAL)))


def today(days: int = 0) -> str:
    """A day in China, so many days from now, as forms write it."""
    return str(datetime.now(timezone(timedelta(hours=8))).date() + timedelta(days=days))


def months_ahead(months: int) -> str:
    """The first of the month so many months from now."""
    year, month = divmod(date.today().year * 12 + date.today().month - 1 + months, 12)
    return f"{year}-{month + 1:02d}-01"


def qualification(
    operation: str = "declare", marker: str = "", *, nature: str = "1", document: str | None = None, **set_: Any
) -> etree._Element:
    """A whole qualification, by default at a customs of its own; bonded ones have no guarantee."""
    changes: dict[str, Any] = {"Nature": nature}
    changes["CustomMaster"] = set_.pop("CustomMaster") if "CustomMaster" in set_ else fresh_customs(nature)
    if nature == "2":
        changes |= {"GuaranteeAmount": None, "GuaranteeUntil": None}
    changes |= set_
    return b.message(
        QUALIFICATION, operation, like="ok-save.xml", set_=changes, reference=b.fresh("q") + marker, document=document
    )


def act(type_: str, operation: str, document: str, marker: str = "", **set_: Any) -> etree._Element:
    """An operation on a document, with these elements as its body."""
    return b.message(type_, operation, document=document, set_=set_, reference=b.fresh("do") + marker)


def body(site: Site, status: dict[str, Any]) -> dict[str, Any]:
    """The content of a message's document."""
    found: dict[str, Any] = b.document(site, status)["body"]
    return found


def qualified(site: Site, marker: str = "", **given: Any) -> dict[str, Any]:
    """The document of an approved qualification."""
    return b.document(site, b.done(site, qualification("declare", marker, **given)))


def goods(number: int = 1, **more: str | None) -> dict[str, Any]:
    """A good that may be filed; each number is another one."""
    row = {
        "CodeTS": f"03061{number:05d}",
        "GName": f"冻虾{number}号",
        "GModel": f"冻|去头|规格{number}",
        "GUnit": "035",
        "FirstUnit": "035",
    }
    return {name: value for name, value in {**row, **more}.items() if value is not None}


def volume(
    filing: str, operation: str = "declare", marker: str = "", *, rows: list[dict[str, Any]] | None = None, **set_: Any
) -> etree._Element:
    """A volume of goods under a qualification."""
    document = set_.pop("document", None)
    body = {"FilingNo": filing, "DecList": rows or [goods(1), goods(2), goods(3)], **set_}
    return b.message(GOODS, operation, set_=body, document=document, reference=b.fresh("g") + marker)


def filed(site: Site, filing: str, rows: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The document of an approved volume."""
    return b.document(site, b.done(site, volume(filing, rows=rows)))
