"""Messages for acceptance tests: the installed examples, changed where a test needs something else.

Every message gets references of its own, so that tests can share a site.
"""

from __future__ import annotations

import copy
import io
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pikepdf
from lxml import etree
from sites import wait_until

import tongguan.gateway
from tongguan.gateway.profile.example_dates import moved
from tongguan.gateway.system import clock, times

if TYPE_CHECKING:
    from sites import Site

TODAY = times.china_date(clock.now_ms())  #: the day on which the tests began
YEAR = TODAY[:4]  #: as an application names it; the first digits of most numbers that are given
YY = TODAY[2:4]
PROFILES = Path(tongguan.gateway.__path__[0]) / "profiles"
APPLICATION = "NA.application"
INSPECTION = "EW.declaration"
INSPECTION_OTHER = "EW.other"
_AUTHORITIES = {
    "CD": "customs",
    "NA": "mofcom",
    "ME": "mofcom",
    "EX": "mofcom",
    "EW": "customs",
    "DP": "customs",
    "LR": "ministries",
}
_serials = itertools.count(1)
_entries = itertools.count(90220261000001001)
_bills = itertools.count(1)


def about_now() -> dict[str, str]:
    """The longest span of days in which a question for inspections may look for what was done today."""
    first = date.fromisoformat(TODAY) - timedelta(days=10)
    return {"operated_from": str(first), "operated_to": str(first + timedelta(days=25))}


def fresh(word: str = "r") -> str:
    """A reference that no other test uses."""
    return f"{word}-{os.getpid()}-{next(_serials)}"


def fresh_entry() -> str:
    """An entry number in customs' books: the sample enterprise's own, not released. There are 999 for each site."""
    return f"{next(_entries):018d}"


def fresh_bill() -> str:
    """A bill of lading that customs knows, inside the pilot."""
    return f"DEMOBL{next(_bills):04d}"


def example(type_: str, name: str) -> etree._Element:
    """An example as of today."""
    path = PROFILES / _AUTHORITIES[type_[:2]] / type_ / "examples" / name
    return etree.fromstring(moved(path.read_bytes(), TODAY))


def message(
    type_: str,
    operation: str,
    *,
    like: str | None = None,
    set_: dict[str, Any] | None = None,
    **attributes: str | None,
) -> etree._Element:
    """A message with the body of an example (none: empty), some elements set (None: taken out), and these attributes."""
    root = (
        example(type_, like)
        if like
        else etree.Element(f"{{urn:tongguan:{type_}:1}}{type_}", nsmap={None: f"urn:tongguan:{type_}:1"})
    )
    for name in list(root.attrib):
        del root.attrib[name]
    for found in root.findall("{*}Attachments"):
        root.remove(found)
    root.set("operation", operation)
    root.set("reference", attributes.pop("reference", None) or fresh(operation))
    for name, value in attributes.items():
        if value is not None:
            root.set(name, value)
    for path, value in (set_ or {}).items():
        put(root, path, value)
    return root


def put(root: etree._Element, path: str, value: Any) -> None:
    """Set the element at a path (`Goods/Spec/Quantity`, `Goods[2]/Unit`): a text, a list of elements, or None to take it out.

    A missing one is made at the end: the order of elements does not matter.
    """
    namespace = etree.QName(root).namespace
    *groups, name = path.split("/")
    place = root
    for group in groups:
        found = place.find(f"{{{namespace}}}{group}")
        place = found if found is not None else etree.SubElement(place, f"{{{namespace}}}{group}")
    for old in place.findall(f"{{{namespace}}}{name}"):
        if value is None or isinstance(value, list):
            place.remove(old)
    if value is None:
        return
    if isinstance(value, list):
        for row in value:
            place.append(_row(namespace, name, row))
        return
    element = place.find(f"{{{namespace}}}{name}")
    if element is None:
        element = etree.SubElement(place, f"{{{namespace}}}{name}")
    element.text = value


def _row(namespace: str | None, name: str, row: dict[str, Any]) -> etree._Element:
    element = etree.Element(f"{{{namespace}}}{name}")
    for key, value in row.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                element.append(_row(namespace, key, each))
            else:
                etree.SubElement(element, f"{{{namespace}}}{key}").text = each
    return element


def with_files(root: etree._Element, *files: tuple[str, str]) -> etree._Element:
    """The message naming these attachments: (file name, category)."""
    namespace = etree.QName(root).namespace
    given = etree.SubElement(root, f"{{{namespace}}}Attachments")
    for name, category in files:
        etree.SubElement(given, f"{{{namespace}}}Attachment", {"file": name, **({"category": category} if category else {})})
    return root


def xml(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def batch(items: Sequence[etree._Element], reference: str | None = None) -> bytes:
    """A Batch of these messages."""
    root = etree.Element("Batch", {"reference": reference or fresh("batch")})
    root.extend(copy.deepcopy(item) for item in items)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


REGISTRATION = "registration"  #: key of the enterprise's one registration of a type, on a shared site


def registered(site: Site, type_: str) -> None:
    """See to it that the site's enterprise has its registration of that type."""
    if site.document(type_, REGISTRATION) is None:
        done(site, message(type_, "declare", like="ok-declare.xml", document=REGISTRATION))


def goods(code: str, *, price: str = "1", quantity: str = "1000", unit: str = "035", currency: str = "USD") -> dict[str, Any]:
    """A row of goods with one specification."""
    spec = {"Model": "散装", "UnitPrice": price, "Quantity": quantity}
    return {"CodeTS": code, "Purpose": "3", "Unit": unit, "Currency": currency, "Spec": [spec]}


PLAIN = "2303300011"  #: goods without rules of their own


def application(operation: str = "save", *, reference: str | None = None, goods_: Any = None, **set_: Any) -> etree._Element:
    """A whole import licence application of goods without rules of their own; `__` in a name stands for a slash."""
    document = set_.pop("document", None)
    changes = {name.replace("__", "/"): value for name, value in set_.items()}
    changes["Goods"] = goods_ or [goods(PLAIN)]
    return message(
        APPLICATION, operation, like="ok-declare-attachments/message.xml", set_=changes, reference=reference, document=document
    )


def inspection(operation: str = "save", *, reference: str | None = None, **set_: Any) -> etree._Element:
    """An application not to attend the inspection of a declaration, by default of one that no test has used."""
    document = set_.pop("document", None)
    set_.setdefault("EntryId", fresh_entry())
    return message(INSPECTION, operation, like="ok-save.xml", set_=set_, reference=reference, document=document)


def inspection_other(operation: str = "save", *, reference: str | None = None, **set_: Any) -> etree._Element:
    document = set_.pop("document", None)
    set_.setdefault("BillNo", fresh_bill())
    return message(INSPECTION_OTHER, operation, like="ok-save.xml", set_=set_, reference=reference, document=document)


def pdf(pages: int = 1, *, bytes_a_page: int = 200) -> bytes:
    """A readable PDF of that many pages, each of about that size."""
    made = pikepdf.new()
    for _ in range(pages):
        page = made.add_blank_page(page_size=(595, 842))
        page.Contents = made.make_stream(os.urandom(bytes_a_page))
    target = io.BytesIO()
    made.save(target, compress_streams=False)
    return target.getvalue()


def query(
    type_: str, kind: str, *, document: str | None = None, filters: dict[str, str] | None = None, **paging: str
) -> etree._Element:
    return message(type_, "query", set_=filters, kind=kind, document=document, **paging)


def as_json(type_: str, operation: str, body: dict[str, Any], **frame: str) -> bytes:
    return json.dumps(
        {"type": type_, "operation": operation, "reference": frame.pop("reference", fresh(operation)), **frame, "body": body},
        ensure_ascii=False,
    ).encode()


# What a test does with a site


def do(
    site: Site, root: etree._Element, *states: str, files: Mapping[str, bytes] | None = None, seconds: float = 30
) -> dict[str, Any]:
    """Drop a message (with files: a ZIP) and give its status once it is in one of these states (default: final)."""
    name = site.drop(xml(root)) if files is None else site.drop_zip(xml(root), files)
    return site.wait(name, *states, seconds=seconds)


def done(site: Site, root: etree._Element, *states: str, **more: Any) -> dict[str, Any]:
    """As `do`, but the message must have been accepted (or be in one of these states)."""
    status = do(site, root, *states, **more)
    assert status["state"] in (states or ("accepted",)), status["faults"] or status
    return status


def faults(status: Mapping[str, Any]) -> dict[str, str]:
    """Code and place (of a word of the frame `@word`) to message of what is wrong; warnings left out."""
    return {f"{f['code']} {_place(f['path'])}": f["message"] for f in status["faults"] if f["severity"] == "error"}


def _place(path: str) -> str:
    last = path.rpartition("/")[2]
    return last if last.startswith("@") else path


def codes(status: Mapping[str, Any]) -> set[str]:
    return {f["code"] for f in status["faults"] if f["severity"] == "error"}


def refused(site: Site, root: etree._Element, **more: Any) -> dict[str, Any]:
    """As `do`, but the gateway must have refused the message, and its file lies in FailBox."""
    status = do(site, root, **more)
    assert status["state"] == "refused", status
    return status


def rows(site: Site, root: etree._Element) -> list[dict[str, str]]:
    """The rows of a query's result."""
    return result(site, root)[1]


def result(site: Site, root: etree._Element) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Head (total, page, size, …) and rows of a query's result file."""
    name = site.drop(xml(root))
    status = site.wait(name)
    assert status["state"] == "accepted", status
    found = etree.parse(str(site.result(name))).getroot()
    return dict(found.attrib), [{etree.QName(cell).localname: cell.text or "" for cell in row} for row in found]


def document(site: Site, status: Mapping[str, Any]) -> dict[str, Any]:
    """The document file of a message, once it shows the message as it ended: it is written a moment after the status file."""

    def look() -> dict[str, Any] | None:
        found = site.document(status["type"], status["document"])
        lines = found["messages"] if found else []
        ended = any(m["message_id"] == status["message_id"] and m["state"] == status["state"] for m in lines)
        return found if ended else None

    told: dict[str, Any] = wait_until(look, f"the file of document {status['document']}")
    return told
