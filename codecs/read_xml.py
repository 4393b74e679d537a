"""Messages in XML: no DTD, no entities, no network, bounded depth and texts; comments and processing instructions are dropped.

Blank text between elements is dropped too, so that the layout of a message is no part of its content.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from itertools import islice
from typing import Any

from lxml import etree

from tongguan.codecs.faults import fault
from tongguan.codecs.frame import Place, attachment_faults, name_faults, read_frame, told_apart, unknown_attribute
from tongguan.codecs.item import Item, Read, digest, spoiled
from tongguan.codecs.words import ATTRIBUTES, MOST_DEPTH, MOST_FAULTS, MOST_ITEMS, MOST_LISTED, MOST_NAME, MOST_PARTS, MOST_TEXT
from tongguan.gateway.kernel.errors import Fault, Refused

_COMMON = b'<?xml version="1.0" encoding="UTF-8"?>'
_BATCH = "urn:tongguan:batch:1"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "gb_2312-80": "gb18030", "cp936": "gb18030",
    "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MOST_DEPTH + 1) + ")")
_own = threading.local()  # a parser is locked while it parses: each thread has its own


def read_xml(raw: bytes, files: Mapping[str, bytes]) -> Read:
    """Read a message or a batch; raises Refused."""
    root = parse(raw)
    namespace, _, name = root.tag.rpartition("}")
    if len(root.tag) > 3 * MOST_NAME:
        raise Refused([fault("GW-M08", path="/*", line=_line(root), name="type")])
    if name == "Batch" and namespace in ("", "{" + _BATCH):
        return _batch(root, files)
    faults: list[Fault] = []
    item = _item(root, Place(f"/{name}", "/@", _line(root)), faults, files=files)
    if faults:
        raise Refused(faults)
    return Read("xml", item.reference, (item,), False, files)


def parse(raw: bytes) -> etree._Element:
    """The root of a tree that keeps our limits; raises Refused."""
    text = _as_utf8(raw)
    if b"<!DOCTYPE" in text and _has_dtd(text):
        raise Refused([fault("GW-X03", line=text.count(b"\n", 0, text.index(b"<!DOCTYPE")) + 1)])
    if len(text) > MOST_PARTS and text.count(b"<") > 2 * MOST_PARTS:
        raise Refused([fault("GW-X07", most=MOST_PARTS)])
    try:
        root = etree.fromstring(text, _parser())
    except etree.XMLSyntaxError as wrong:
        raise Refused([fault("GW-X01", line=wrong.lineno or None, why=wrong.msg or "empty")]) from None
    except ValueError as wrong:
        raise Refused([fault("GW-X01", why=wrong)]) from None
    if _TOO_DEEP(root):
        raise Refused([fault("GW-X04", most=MOST_DEPTH)])
    if len(text) > MOST_TEXT:
        _refuse_long_texts(root)
    return root


def _parser() -> etree.XMLParser:
    parser: etree.XMLParser | None = getattr(_own, "parser", None)
    if parser is None:
        parser = _own.parser = etree.XMLParser(
            encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
            huge_tree=False, remove_comments=True, remove_pis=True,
            remove_blank_text=True,
        )  # fmt: skip
    return parser


def _as_utf8(raw: bytes) -> bytes:
    """The text in UTF-8, by byte order mark, else by declaration, else as it is."""
    if raw.startswith(_COMMON):
        return raw
    if raw.startswith(b"\xef\xbb\xbf"):
        return raw[3:]
    if raw.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\0\0\0<", b"<\0\0\0")):
        raise Refused([fault("GW-X02", line=1, encoding="UTF-32")])
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decoded(raw, "utf-16")
    if raw.startswith((b"<\0", b"\0<")):
        return _decoded(raw, "utf-16-le" if raw[0] else "utf-16-be")
    declared = _DECLARED.match(raw)
    if declared is None:
        return raw
    name = declared[1].decode("ascii")
    encoding = _ENCODINGS.get(name.lower())
    if encoding is None or encoding.startswith("utf-16"):
        raise Refused([fault("GW-X02" if encoding is None else "GW-X06", line=1, encoding=name)])
    return raw if encoding == "utf-8" else _decoded(raw, encoding)


def _decoded(raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as wrong:
        start = getattr(wrong, "start", 0)
        raise Refused([fault("GW-X06", line=raw.count(b"\n", 0, start) + 1, encoding=encoding.upper())]) from None


def _has_dtd(text: bytes) -> bool:
    """Does a document type declaration stand before the root? The same letters in a text or comment do no harm."""
    at = 0
    while True:
        while text[at : at + 1].isspace():
            at += 1
        if text.startswith(b"<?", at):
            end = text.find(b"?>", at)
        elif text.startswith(b"<!--", at):
            end = text.find(b"-->", at + 4)
        else:
            return text.startswith(b"<!DOCTYPE", at)
        if end < 0:
            return True
        at = end + (2 if text.startswith(b"?>", end) else 3)


def _refuse_long_texts(root: etree._Element) -> None:
    faults = []
    for element in root.iter():
        texts = (element.text or "", element.tail or "", *(str(v) for v in element.attrib.values()))
        if any(len(t) > MOST_TEXT for t in texts):
            faults.append(fault("GW-X05", path=root.getroottree().getpath(element), line=_line(element), most=MOST_TEXT))
    if faults:
        raise Refused(faults)


def _line(element: etree._Element) -> int | None:
    line: Any = element.sourceline
    return line or None


def _batch(root: etree._Element, files: Mapping[str, bytes]) -> Read:
    faults: list[Fault] = []
    place = Place("/Batch", "/@", _line(root))
    for name in islice(root.attrib, MOST_FAULTS):
        if name != "reference" and not str(name).startswith(_XSI):
            faults.append(unknown_attribute(str(name), place))
    reference = root.get("reference") or None
    if reference:
        faults += name_faults("reference", reference, place)
    if not 0 < len(root) <= MOST_ITEMS:
        code = "GW-M11" if len(root) else "GW-M13"
        raise Refused([*faults, fault(code, path="/Batch", line=place.line, most=MOST_ITEMS, count=len(root))])
    if any(t and not t.isspace() for t in (root.text, *(e.tail for e in root))):
        faults.append(fault("GW-C25", path="/Batch", line=place.line, value="".join(t or "" for t in (root.text,)).strip()))
    places = [Place(f"/Batch/*[{n}]", "/@", _line(element)) for n, element in enumerate(root, 1)]
    if faults:
        raise Refused(faults)
    items = []
    for n, (element, where) in enumerate(zip(root, places, strict=True), 1):
        wrong: list[Fault] = []
        spare = f"{reference}-{n}" if reference else None
        items.append(spoiled(_item(element, where, wrong, files=files, spare=spare, batch=True), wrong))
    return Read("xml", reference, told_apart(items, places), True, files)


def _item(
    element: etree._Element,
    place: Place,
    faults: list[Fault],
    *,
    files: Mapping[str, bytes],
    spare: str | None = None,
    batch: bool = False,
) -> Item:
    namespace, _, type_ = element.tag[: 3 * MOST_NAME].rpartition("}")  # a longer one is in no namespace that is right
    right = f"urn:tongguan:{type_}:1"
    if namespace[1:] != right:
        faults.append(fault("GW-M05", path=place.path, line=place.line, right=right, given=namespace[1:] or '""'))
    given: dict[str, str] = {}
    for name, value in islice(element.attrib.items(), MOST_FAULTS):  # more of them cannot all be known: it is refused
        if name in ATTRIBUTES:
            given[str(name)] = str(value)
        elif not str(name).startswith(_XSI):
            faults.append(unknown_attribute(str(name), place))
    frame = read_frame(given, place, faults, spare=spare)
    attachments = _take_attachments(element, place, faults)
    canonical: bytes = etree.tostring(element, method="c14n", exclusive=True)
    return Item(
        type=type_,
        operation=frame.operation,
        reference=frame.reference,
        document=frame.document,
        number=frame.number,
        check=frame.check,
        kind=frame.kind,
        body=element,
        attachments=attachments,
        sha256=digest(canonical, attachments, files, prefix=f"{frame.reference}/" if batch else ""),
        place=place.path,
        paging=frame.paging,
    )


def _take_attachments(element: etree._Element, place: Place, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    """Read the Attachments and take them out of the body."""
    found: list[tuple[str, str]] = []
    for child in element.iterchildren("{*}Attachments"):
        line = _line(child)
        path = f"{place.path}/Attachments"
        faults.extend(unknown_attribute(str(name), Place(path, "/@", line)) for name in islice(child.attrib, MOST_FAULTS))
        places = (Place(f"{path}/Attachment[{n}]", "/@", _line(one)) for n, one in enumerate(child, 1))
        named = [_attachment(one, where, faults) for one, where in islice(zip(child, places, strict=True), MOST_LISTED + 1)]
        faults += attachment_faults([*found, *named], path, line)
        found += named
        if child.tail and child.tail.strip():
            element.text = (element.text or "") + child.tail
        element.remove(child)
    return tuple(found)


def _attachment(one: etree._Element, place: Place, faults: list[Fault]) -> tuple[str, str]:
    name = one.tag.rpartition("}")[2]
    if name != "Attachment":
        faults.append(fault("GW-C01", path=place.path, line=place.line, name=name, near=" → Attachment ?"))
    for attribute in islice(one.attrib, MOST_FAULTS):
        if attribute not in ("file", "category"):
            faults.append(fault("GW-C26", path=place.of(str(attribute)), line=place.line, name="Attachment", attribute=attribute))
    if len(one) or (one.text or "").strip():
        faults.append(fault("GW-C25", path=place.path, line=place.line, value=(one.text or "").strip()))
    return one.get("file", ""), one.get("category", "")
