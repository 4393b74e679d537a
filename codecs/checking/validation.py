"""One walk over what was sent, held against the field tree: canonical content, and everything that is wrong with it.

`plain_xml` is the first look: it knows no faults, and gives up at anything that is out of the ordinary. Where it gives a content,
the walk would give the same and find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from tongguan.codecs.checking.characters import unfit
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Node, Row, Trail
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.checking.secrets import HIDDEN

_NUMBER = (int, float)
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class _Unusual(Exception):
    """Something that only a walk can judge."""


def plain_xml(node: Node, namespace: str, canonical: bytes) -> Row | None:
    """The content of a message, read from its canonical form; None where it must be walked, for it may be wrong."""
    if not canonical.startswith(f'<{node.name} xmlns="{namespace}"'.encode()):
        return None
    # Canonical form has a `<` or `>` of its own only round tags; one in an attribute leaves an odd quotation mark before it.
    parts = iter(canonical.decode().replace(">", "<").split("<")[1:])
    tags = zip(parts, parts, strict=False)
    root, text = next(tags)
    if text or root.count('"') % 2:
        return None
    try:
        return _plain_row(node, tags)
    except (_Unusual, ValueWrong):
        return None


def _plain_row(node: Node, tags: Iterator[tuple[str, str]]) -> Row:
    """What stands up to the closing tag; each tag comes with the text behind it."""
    content: Row = {}
    children = node.children
    for name, text in tags:
        below = children.get(name)
        if below is None:
            if text or name[0] != "/":
                raise _Unusual
            break
        convert = below.convert
        if convert is not None:
            end, tail = next(tags)
            if tail or end[0] != "/" or name in content:
                raise _Unusual
            if "&" in text:
                text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#xD;", "\r").replace("&amp;", "&")
            if text := text.strip():
                content[below.name] = convert(text)
        elif text:
            raise _Unusual
        else:
            row = _plain_row(below, tags)
            if below.table:
                content.setdefault(below.name, []).append(row)
            elif name in content:
                raise _Unusual
            elif row:
                content[below.name] = row
    for table in node.bounded:
        rows = len(content.get(table.name, ()))
        if rows and not table.least <= rows <= (table.most or rows):
            raise _Unusual
    return content


def walk_xml(node: Node, element: etree._Element, trail: Trail, findings: FaultList) -> Row:
    """The content of an element; elements may come in any order, empty ones are absent."""
    content: Row = {}
    by_tag, unusable = node.by_tag, findings.unusable
    for child in element[:]:  # type: ignore[index]  # a fifth faster than the element itself
        tail = child.tail
        if tail is not None and not tail.isspace():
            findings.add("GW-C25", trail, None, value=tail.strip())
        found = by_tag.get(child.tag)
        if found is None:
            _unknown(child, node, trail, findings)
            continue
        name, convert, below = found
        if convert is None:
            _container(below, child, content, trail, findings)
            continue
        text = child.text
        if len(child) or child.keys():
            _not_plain(below, child, (*trail, name), findings)
        if text is None or not (text := text.strip()):
            continue
        if name in content or (unusable and (*trail, name) in unusable):
            findings.add("GW-C02", (*trail, name, 0 if findings.full else _before(child)), below)
            continue
        try:
            content[name] = convert(text)
        except ValueWrong as wrong:
            unfit(text, wrong, (*trail, name), below, findings)
    for table in node.bounded:
        if table.name in content:
            count_rows(table, content[table.name], trail, findings)
    return content


def count_rows(table: Node, rows: list[Row], trail: Trail, findings: FaultList) -> None:
    """A fault where a table has too many rows, or too few."""
    if table.most and len(rows) > table.most:
        findings.add("GW-C18", (*trail, table.name), table, most=table.most, count=len(rows))
    elif len(rows) < table.least:
        findings.add("GW-C17", (*trail, table.name), table, least=table.least, count=len(rows))


def _container(node: Node, element: etree._Element, content: Row, trail: Trail, findings: FaultList) -> None:
    """A group, or one row of a table."""
    name = node.name
    if node.table:
        rows = content.setdefault(name, [])
        here: Trail = (*trail, name, len(rows))
        rows.append(walk_xml(node, element, here, findings))
    else:
        here = (*trail, name)
        if name in content:
            findings.add("GW-C02", (*trail, name, 0 if findings.full else _before(element)), node)
            return
        inner = walk_xml(node, element, here, findings)
        if inner:
            content[name] = inner
    if element.keys():
        _not_plain(node, element, here, findings)
    if element.text and not element.text.isspace():
        findings.add("GW-C24", here, node)


def _before(element: etree._Element) -> int:
    return sum(1 for _ in element.itersiblings(element.tag, preceding=True))


def _not_plain(node: Node, element: etree._Element, trail: Trail, findings: FaultList) -> None:
    for attribute in element.attrib:
        if str(attribute).startswith(_XSI):
            continue  # xsi:nil and xsi:type are what some serializers add by themselves
        findings.add("GW-C26", trail, node, name=node.name, attribute=attribute)
    if node.convert is not None and any(isinstance(e.tag, str) for e in element):
        findings.spoil("GW-C23", trail, node)


def _unknown(element: etree._Element, node: Node, trail: Trail, findings: FaultList) -> None:
    if not isinstance(element.tag, str):
        return
    namespace, _, name = element.tag.rpartition("}")
    if name in node.children:
        right = next(iter(node.by_tag)).rpartition("}")[0][1:]
        findings.of_another(namespace[1:], (*trail, name), node.children[name], right=right)
        return
    if findings.lenient:
        findings.add("GW-C41", (*trail, name), name=name, severity="warning")
    else:
        findings.add("GW-C01", (*trail, name), name=name, known=node.children)


def walk_json(node: Node, given: Mapping[str, Any], trail: Trail, findings: FaultList) -> Row:
    """The content of an object; null and empty values are absent."""
    content: Row = {}
    for name, value in given.items():
        below = node.children.get(name)
        here = (*trail, name)
        if below is None:
            findings.add("GW-C01", here, name=name, known=node.children)
        elif value is None:
            continue
        elif below.table:
            rows = _rows(below, value, here, findings)
            if rows:
                content[name] = rows
        elif below.convert is None:
            if isinstance(value, Mapping):
                inner = walk_json(below, value, here, findings)
                if inner:
                    content[name] = inner
            else:
                findings.spoil("GW-J07", here, below, name=name, kind="对象", kind_en="an object")
        else:
            _leaf(below, value, here, content, findings)
    for table in node.bounded:
        if table.name in content:
            count_rows(table, content[table.name], trail, findings)
    return content


def _rows(node: Node, value: Any, trail: Trail, findings: FaultList) -> list[Row]:
    if not isinstance(value, list):
        findings.spoil("GW-J07", trail, node, name=node.name, kind="数组", kind_en="an array")
        return []
    rows = []
    for n, one in enumerate(value):
        if isinstance(one, Mapping):
            rows.append(walk_json(node, one, (*trail, n), findings))
        else:
            findings.spoil("GW-J07", (*trail, n), node, name=node.name, kind="对象", kind_en="an object")
            rows.append({})
    return rows


def _leaf(node: Node, value: Any, trail: Trail, content: Row, findings: FaultList) -> None:
    text = _text(node, value)
    if text is None:
        findings.spoil("GW-C15", trail, node, value=HIDDEN if node.field.type == "secret" else value)
        return
    if not (text := text.strip()):
        return
    try:
        content[node.name] = node.convert(text)  # type: ignore[misc]
    except ValueWrong as wrong:
        unfit(text, wrong, trail, node, findings)


def _text(node: Node, value: Any) -> str | None:
    """A JSON value as text: plain numbers for numbers only, true and false for flags only."""
    if isinstance(value, bool):
        return ("1" if value else "0") if node.field.type == "flag" else None
    if type(value) is str:
        return value
    if node.field.type in ("number", "flag") and isinstance(value, (str, *_NUMBER)):
        return str(value)
    return None
