"""XML messages: bytes to items.

Promises: no DTD, no entity, no network; size, depth and text length bounded; only Refused comes out of bad bytes. Blank text,
comments and processing instructions are dropped while parsing, so that the layout of a message is no part of its content.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from typing import Any

from lxml import etree

from tongguan.codecs.faults import fault
from tongguan.codecs.frame import attachment_faults, frame
from tongguan.codecs.item import Item
from tongguan.codecs.words import MOST_DEPTH, MOST_TEXT, near
from tongguan.gateway.kernel.errors import Fault, Refused

BATCH = "Batch"
_CODECS = {"utf-8": "", "utf8": "", "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "utf-16": "utf-16"}
_DECLARED = re.compile(rb"""^<\?xml\s[^>]{0,120}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_TOO_DEEP = etree.XPath("boolean(" + "/".join(["*"] * MOST_DEPTH) + ")")
_TOO_LONG = etree.XPath(f"boolean(//text()[string-length(.) > {MOST_TEXT}] | //@*[string-length(.) > {MOST_TEXT}])")
_BAD_BYTES = {etree.ErrorTypes.ERR_INVALID_ENCODING, etree.ErrorTypes.ERR_INVALID_CHAR, etree.ErrorTypes.I18N_CONV_FAILED}
_own = threading.local()


def _parser() -> etree.XMLParser:
    """This thread's parser: a shared one would make the threads wait for each other."""
    try:
        return _own.parser  # type: ignore[no-any-return]
    except AttributeError:
        _own.parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_blank_text=True,
            remove_comments=True,
            remove_pis=True,
        )
        return _own.parser


def parse(raw: bytes) -> etree._Element:
    """The root element; Refused with code, line and column when the bytes are no XML that we read."""
    raw, encoding = _utf8(raw)
    if b"<!DOCTYPE" in raw:
        raise Refused([fault("GW-X03", path="/", line=raw[: raw.index(b"<!DOCTYPE")].count(b"\n") + 1)])
    try:
        root = etree.fromstring(raw, _parser())
    except etree.XMLSyntaxError as wrong:
        raise Refused([_explained(wrong, encoding)]) from None
    if _TOO_DEEP(root):
        raise Refused([fault("GW-X04", path="/", most=MOST_DEPTH)])
    if len(raw) > MOST_TEXT and _TOO_LONG(root):
        raise Refused([fault("GW-X05", path="/", most=MOST_TEXT)])
    return root


def _utf8(raw: bytes) -> tuple[bytes, str]:
    """The message in UTF-8 whatever its encoding, and the name of that."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _recoded(raw, "utf-16"), "UTF-16"
    if raw.startswith((b"<\0", b"\0<")):
        return _recoded(raw, "utf-16-le" if raw[1] == 0 else "utf-16-be"), "UTF-16"
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    declared = _DECLARED.match(raw)
    encoding = declared[1].decode() if declared else "UTF-8"
    codec = _CODECS.get(encoding.lower())
    if codec is None:
        raise Refused([fault("GW-X02", path="/", line=1, encoding=encoding)])
    return (_recoded(raw, codec) if codec else raw), encoding


def _recoded(raw: bytes, codec: str) -> bytes:
    try:
        return raw.decode(codec).encode()
    except UnicodeError:
        raise Refused([fault("GW-X06", path="/", encoding=codec.upper())]) from None


def _explained(wrong: etree.XMLSyntaxError, encoding: str) -> Fault:
    line, why = wrong.lineno, (wrong.msg or "empty").replace("\n", " ")
    if wrong.code in _BAD_BYTES:
        return fault("GW-X06", path="/", line=line, encoding=encoding)
    if "depth" in why:
        return fault("GW-X04", path="/", line=line, most=MOST_DEPTH)
    if "huge" in why.lower() or "too long" in why.lower():
        return fault("GW-X05", path="/", line=line, most=MOST_TEXT)
    return fault("GW-X01", path="/", line=line, why=why)


def split(tag: str) -> tuple[str, str]:
    """Namespace and local name."""
    if tag[0] == "{":
        namespace, _, name = tag[1:].partition("}")
        return namespace, name
    return "", tag


def is_batch(root: etree._Element) -> bool:
    return split(root.tag)[1] == BATCH


def batch(root: etree._Element) -> tuple[str | None, list[etree._Element], list[Fault]]:
    """Reference and item elements of a batch."""
    faults = []
    if split(root.tag)[0] not in ("", "urn:tongguan:batch:1"):
        faults.append(fault("GW-M05", path=f"/{BATCH}", right="urn:tongguan:batch:1", given=split(root.tag)[0]))
    for name in root.attrib:
        if name != "reference" and not str(name).startswith(_XSI):
            faults.append(
                fault("GW-M10", path=f"/{BATCH}/@{name}", line=root.sourceline, name=name, **near(str(name), ["reference"]))
            )
    return root.get("reference"), list(root), faults


def item(
    root: etree._Element, *, place: str = "", lent: str | None = None, types: Collection[str] | None = None
) -> tuple[Item, str]:
    """The message that an element is, and its canonical form's place; frame faults are in the item."""
    namespace, name = split(root.tag)
    place = place or f"/{name}"
    line = root.sourceline
    right = f"urn:tongguan:{name}:1"
    faults = []
    if namespace != right:
        faults.append(fault("GW-M05", path=place, line=line, right=right, given=namespace or '""'))
    given = {str(k): str(v) for k, v in root.items() if k[0] != "{" or not str(k).startswith(_XSI)}
    attachments: tuple[tuple[str, str], ...] = ()
    lists = root.findall(f"{{{namespace}}}Attachments" if namespace else "Attachments")
    if lists:
        attachments, wrong = _attachments(lists, place)
        faults += wrong
    made = frame(
        "xml",
        name,
        given,
        at=lambda attribute: f"{place}/@{attribute}",
        line=line,
        types=types,
        body=root if len(root) > len(lists) or (root.text and root.text.strip()) else None,
        attachments=attachments,
        canonical=etree.tostring(root, method="c14n", exclusive=True, with_comments=False, with_tail=False),
        place=place,
        faults=faults,
        reference=lent,
    )
    return made, place


def _attachments(lists: list[Any], place: str) -> tuple[tuple[tuple[str, str], ...], list[Fault]]:
    faults, named = [], []
    for extra in lists[1:]:
        faults.append(fault("GW-C02", path=f"{place}/Attachments", line=extra.sourceline, label="Attachments"))
    for element in [e for part in lists for e in part]:
        path = f"{place}/Attachments/Attachment[{len(named) + 1}]"
        name = split(element.tag)[1]
        if name != "Attachment":
            known = ["Attachment"]
            faults.append(
                fault("GW-C01", path=f"{place}/Attachments/{name}", line=element.sourceline, name=name, **near(name, known))
            )
            continue
        for attribute in element.keys():
            if attribute not in ("file", "category"):
                faults.append(fault("GW-C26", path=path, line=element.sourceline, name="Attachment", attribute=attribute))
        named.append((element.get("file", ""), element.get("category", "")))
    faults += attachment_faults(named, at=lambda n: f"{place}/Attachments/Attachment[{n + 1}]")
    return tuple(named), faults
