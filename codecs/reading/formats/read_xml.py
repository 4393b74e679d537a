"""Messages in XML: no DTD, no entities, no network, bounded depth and texts; comments and processing instructions are dropped.

Blank text between elements is dropped too, so that the layout of a message is no part of its content.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from lxml import etree

from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.frame import (
    ItemPlace,
    TakenFiles,
    alone,
    attachment_faults,
    bare_item,
    foreign_fault,
    name_faults,
    read_frame,
    told_apart,
    unknown_attribute,
    whole_item,
)
from tongguan.codecs.reading.item import Item, Read, spoiled
from tongguan.codecs.reading.vocabulary import ATTRIBUTES, MOST_DEPTH, MOST_FAULTS, MOST_ITEMS, MOST_LISTED, MOST_NAME, MOST_TEXT
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.profile.profile import OwnForm
from tongguan.gateway.profile.sections.own_form import own_answers
from tongguan.gateway.system import safe_xml
from tongguan.gateway.system.parser_messages import in_words

_BATCH = "urn:tongguan:batch:1"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MOST_DEPTH + 1) + ")")
_CODES: dict[safe_xml.Code, str] = {
    "encoding": "GW-X02", "bytes": "GW-X06", "doctype": "GW-X03", "parts": "GW-X07", "form": "GW-X01",
    "attributes": "GW-X08", "namespaces": "GW-X09", "namespace": "GW-X10",
}  # fmt: skip
_own = threading.local()  # a parser is locked while it parses: each thread has its own


def read_xml(raw: bytes, files: Mapping[str, bytes], taken: TakenFiles) -> Read:
    """Read a message or a batch, each with what is wrong with it; raises Refused for what is neither."""
    root = parse(raw)
    namespace, _, name = root.tag.rpartition("}")
    if len(root.tag) > 3 * MOST_NAME:
        raise Refused([fault("GW-M08", path="/*", line=_line(root), name="type")])
    if name == "Batch" and namespace in ("", "{" + _BATCH):
        return _batch(root, files, taken)
    faults: list[Fault] = []
    return alone("xml", _item(root, ItemPlace(f"/{name}", "/@", _line(root)), faults, files, taken), faults, files)


def parse(raw: bytes) -> etree._Element:
    """The root of a tree that keeps our limits; raises Refused."""
    try:
        root = safe_xml.parse(raw, _parser())
    except safe_xml.NotRead as wrong:
        code = "GW-X12" if wrong.code == "bytes" and wrong.found else _CODES[wrong.code]
        why: dict[str, Any] = dict(zip(("why", "why_en"), in_words(wrong.said), strict=True))
        if wrong.code == "form" and wrong.found:
            why = {"why": f'内容是 {wrong.found}，请声明 encoding="{wrong.found}"，或以 UTF-8 保存'}
            why["why_en"] = f'the bytes are {wrong.found}: declare encoding="{wrong.found}", or save it in UTF-8'
        said = fault(code, line=wrong.line, most=wrong.most, encoding=wrong.said, found=wrong.found, **why)
        raise Refused([said]) from None
    if _TOO_DEEP(root):
        raise Refused([fault("GW-X04", most=MOST_DEPTH)])
    if len(raw) > MOST_TEXT:
        _refuse_long_texts(root)
    return root


def _parser() -> etree.XMLParser:
    parser: etree.XMLParser | None = getattr(_own, "parser", None)
    if parser is None:
        parser = _own.parser = safe_xml.new_parser(remove_comments=True, remove_pis=True, remove_blank_text=True)
    return parser


def _refuse_long_texts(root: etree._Element) -> None:
    faults = []
    for element in root.iter():
        texts = (element.text or "", element.tail or "", *(str(v) for v in element.attrib.values()))
        if any(len(t) > MOST_TEXT for t in texts):
            faults.append(fault("GW-X05", path=_path(element), line=_line(element), most=MOST_TEXT))
    if faults:
        raise Refused(faults)


def _path(element: etree._Element) -> str:
    steps = []
    for one in (element, *element.iterancestors()):
        name = one.tag.rpartition("}")[2]
        before = sum(1 for _ in one.itersiblings(one.tag, preceding=True))
        several = before or next(one.itersiblings(one.tag), None) is not None
        steps.append(f"/{name}[{before + 1}]" if several else f"/{name}")
    return "".join(reversed(steps))


def _line(element: etree._Element) -> int | None:
    line: Any = element.sourceline
    return line or None


def _batch(root: etree._Element, files: Mapping[str, bytes], taken: TakenFiles) -> Read:
    faults: list[Fault] = []
    place = ItemPlace("/Batch", "/@", _line(root))
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
    places = [
        ItemPlace(f"/Batch/*[{n}]", "/@", _line(element), batch=True, spare=f"{reference}-{n}" if reference else None)
        for n, element in enumerate(root, 1)
    ]
    items = []
    for element, where in zip(root, places, strict=True):
        wrong: list[Fault] = []
        items.append(spoiled(_item(element, where, wrong, files, taken), wrong))
    return Read("xml", reference, told_apart(items, places), True, files, tuple(faults))


def _item(element: etree._Element, place: ItemPlace, faults: list[Fault], files: Mapping[str, bytes], taken: TakenFiles) -> Item:
    if (profile := taken.own_forms.get(element.tag)) is not None and profile.own_form is not None:
        return _in_own_form(element, place, faults, profile.type, profile.own_form)
    namespace, _, type_ = element.tag[: 3 * MOST_NAME].rpartition("}")  # a longer one is in no namespace that is right
    right = f"urn:tongguan:{type_}:1"
    if taken.known is not None and type_ not in taken.known.types:
        return _no_message(type_, namespace[1:] == right, element, place, faults, taken)
    if namespace[1:] != right:
        faults.append(fault("GW-M05", path=place.path, line=place.line, right=right, given=namespace[1:] or '""'))
    given: dict[str, str] = {}
    for name, value in islice(element.attrib.items(), MOST_FAULTS):  # more of them cannot all be known: it is refused
        if name in ATTRIBUTES:
            given[str(name)] = str(value)
        elif not str(name).startswith(_XSI):
            faults.append(unknown_attribute(str(name), place))
    frame = read_frame(given, place, faults)
    attached_at = next((_line(one) for one in element.iterchildren("{*}Attachments")), None)
    attachments = _take_attachments(element, place, faults)
    canonical = _canonical(element, faults)
    item = whole_item(type_, frame, place, body=element, canonical=canonical, named=attachments, files=files)
    return replace(item, attached_at=attached_at) if attached_at else item


def _no_message(
    type_: str, ours: bool, element: etree._Element, place: ItemPlace, faults: list[Fault], taken: TakenFiles
) -> Item:
    """What has the root of no type: of a namespace of ours it is a type that there is not, which the flow tells; else it is told what it is."""
    assert taken.known is not None
    if element.tag in own_answers(taken.own_forms):
        zh, en = "主管部门的回执", "an authority's receipt"
        faults.append(
            fault("GW-M16", path=place.path, line=place.line, name=type_, known=taken.known.listed, what=zh, what_en=en)
        )
    elif right := _own_root(element.tag, taken):
        namespace, _, name = right[1:].rpartition("}")
        if name == type_:
            given = element.tag[: 3 * MOST_NAME].rpartition("}")[0][1:] or '""'
            faults.append(fault("GW-M05", path=place.path, line=place.line, right=namespace, given=given))
        else:
            faults.append(fault("GW-C01", path=place.path, line=place.line, name=type_, near=f" → {name} ?"))
    elif not ours:
        faults.append(foreign_fault(taken.known, type_, place))
    return bare_item(type_, place, element)


def _own_root(tag: str, taken: TakenFiles) -> str:
    """The root of an authority's own form that is meant by one in another namespace, or in other letters; empty: by none."""
    name = tag.rpartition("}")[2].lower()
    return next((each for each in taken.own_forms if each.rpartition("}")[2].lower() == name), "")


def _in_own_form(element: etree._Element, place: ItemPlace, faults: list[Fault], type_: str, form: OwnForm) -> Item:
    """A message as the authority itself writes it: what is asked for, and of which document, stands among its elements."""
    place = replace(place, paths={"operation": form.operation, "reference": form.reference}, spare=None)
    words = {word: operation for operation, word in form.operations.items()}
    word, reference = _text_at(element, form.operation), _text_at(element, form.reference)
    given = {"operation": words.get(word, word), "reference": reference, "document": reference}
    frame = read_frame(given, place, faults)
    canonical = _canonical(element, faults)
    item = whole_item(type_, frame, place, body=element, canonical=canonical, named=(), files={})
    return replace(item, own_form=True)


def _text_at(element: etree._Element, path: str) -> str:
    return (element.findtext("/".join(f"{{*}}{name}" for name in path.split("/"))) or "").strip()


def _canonical(element: etree._Element, faults: list[Fault]) -> bytes:
    """The bytes by which the same content is known again; a namespace that has no canonical form is a fault."""
    try:
        canonical: bytes = etree.tostring(element, method="c14n", exclusive=True)
    except etree.C14NError:
        where, uri = next(_odd_namespaces(element), (element, ""))
        faults.append(fault("GW-X11", path=_path(where), line=_line(where), uri=uri))
        return b""
    return canonical


def _odd_namespaces(element: etree._Element) -> Iterator[tuple[etree._Element, str]]:
    for one in element.iter():
        yield from ((one, uri) for uri in one.nsmap.values() if not _ABSOLUTE.match(uri))


def _take_attachments(element: etree._Element, place: ItemPlace, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    """Read the Attachments and take them out of the body."""
    lists = list(element.iterchildren("{*}Attachments"))
    if not lists:
        return ()
    found: list[tuple[str, str]] = []
    path = f"{place.path}/Attachments"
    for child in islice(lists, MOST_LISTED):
        faults.extend(unknown_attribute(str(name), ItemPlace(path, "/@", _line(child))) for name in child.attrib)
        places = (ItemPlace(f"{path}/Attachment[{n}]", "/@", _line(one)) for n, one in enumerate(child, 1))
        room = MOST_LISTED + 1 - len(found)
        found += [_attachment(one, where, faults) for one, where in islice(zip(child, places, strict=True), room)]
    faults += attachment_faults(found, path, _line(lists[0]))
    stray = "".join(child.tail for child in lists if child.tail and not child.tail.isspace())
    if stray:
        element.text = (element.text or "") + stray
    for child in lists:
        element.remove(child)
    return tuple(found)


def _attachment(one: etree._Element, place: ItemPlace, faults: list[Fault]) -> tuple[str, str]:
    name = one.tag.rpartition("}")[2]
    if name != "Attachment":
        faults.append(fault("GW-C01", path=place.path, line=place.line, name=name, near=" → Attachment ?"))
    for attribute in islice(one.attrib, MOST_FAULTS):
        if attribute not in ("file", "category"):
            faults.append(fault("GW-C26", path=place.of(str(attribute)), line=place.line, name="Attachment", attribute=attribute))
    if len(one) or (one.text or "").strip():
        faults.append(fault("GW-C25", path=place.path, line=place.line, value=(one.text or "").strip()))
    return one.get("file", ""), one.get("category", "")
