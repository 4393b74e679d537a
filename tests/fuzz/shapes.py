"""Shapes of XML and JSON that cost more than their length where nothing bounds them; each grows to the size that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def grown(unit: Callable[[int], str], size: int) -> str:
    """`unit(0) + unit(1) + …`, about `size` letters of it."""
    parts, total = [], 0
    while total < size:
        parts.append(unit(len(parts)))
        total += len(parts[-1])
    return "".join(parts)


def prefixes(n: int, *, uri: str = "urn:") -> str:
    return "".join(f' xmlns:n{i}="{uri}{i}"' for i in range(n))


_MIXED = "".join(f' n{i % 30}:a{i}=""' for i in range(60))


@dataclass(frozen=True)
class Shape:
    """What stands before a root element, in its tag, and in it; each for a wanted size."""

    tag: Callable[[int], str] = lambda size: ""
    body: Callable[[int], str] = lambda size: ""
    prolog: Callable[[int], str] = lambda size: ""

    def document(self, size: int, *, name: str = "XX.test", attributes: str = "", end: str = "") -> bytes:
        namespace = f' xmlns="urn:tongguan:{name}:1"' if name != "Receipt" else ' xmlns="urn:tongguan:receipt:1"'
        root = f"<{name}{namespace}{attributes}{self.tag(size)}>{self.body(size)}{end}</{name}>"
        return (self.prolog(size) + root).encode()


def body(unit: Callable[[int], str]) -> Shape:
    return Shape(body=lambda size: grown(unit, size))


def tag(unit: Callable[[int], str]) -> Shape:
    return Shape(tag=lambda size: grown(unit, size))


XML: dict[str, Shape] = {
    "attributes of one element": tag(lambda i: f' a{i}=""'),
    "attributes of one element inside": Shape(body=lambda size: "<b " + grown(lambda i: f' a{i}=""', size) + "/>"),
    "attributes of many elements": body(lambda i: "<b " + "".join(f' a{n}=""' for n in range(60)) + "/>"),
    "attributes in another order": body(lambda i: "<b " + "".join(f' a{60 - n:02}=""' for n in range(60)) + "/>"),
    "a long attribute": Shape(tag=lambda size: f' a="{"b" * size}"'),
    "namespaces": tag(lambda i: f' xmlns:n{i}="urn:{i}"'),
    "namespaces that are used": tag(lambda i: f' xmlns:n{i}="urn:{i}" n{i}:a=""'),
    "namespaces and elements": Shape(
        tag=lambda size: grown(lambda i: f' xmlns:n{i}="urn:{i}"', size // 2),
        body=lambda size: grown(lambda i: "<b/>", size // 2),
    ),
    "some namespaces and elements": Shape(tag=lambda size: prefixes(30), body=lambda size: grown(lambda i: "<b/>", size)),
    "namespaces of attributes": Shape(tag=lambda size: prefixes(30), body=lambda size: grown(lambda i: f"<b{_MIXED}/>", size)),
    "long namespaces of attributes": Shape(
        tag=lambda size: prefixes(30, uri="urn:" + "x" * 240), body=lambda size: grown(lambda i: f"<b{_MIXED}/>", size)
    ),
    "a namespace on each element": body(lambda i: f'<b xmlns="urn:{i}"/>'),
    "a prefix on each element": body(lambda i: f'<n{i}:b xmlns:n{i}="urn:{i}"/>'),
    "the same prefix again at each level": Shape(
        body=lambda size: "".join(f'<b xmlns:n="urn:{i}">' for i in range(30)) + grown(lambda i: "<n:b/>", size) + "</b>" * 30
    ),
    "namespaces at each level": Shape(
        body=lambda size: "".join(f'<b xmlns:n{i}="urn:{i}">' for i in range(200)) + grown(lambda i: "<b/>", size) + "</b>" * 200
    ),
    "a long namespace and elements": Shape(
        tag=lambda size: f' xmlns:p="urn:{"x" * (size // 2)}"', body=lambda size: grown(lambda i: "<p:b/>", size // 2)
    ),
    "a long default namespace": Shape(
        body=lambda size: f'<b xmlns="urn:{"x" * (size // 2)}">' + grown(lambda i: "<c/>", size // 2) + "</b>"
    ),
    "long prefixes": body(lambda i: f'<{"p" * 500}:b xmlns:{"p" * 500}="urn:x"/>'),
    "long names": body(lambda i: f"<{'b' * 5000}{i}/>"),
    "elements": body(lambda i: "<b/>"),
    "elements of different names": body(lambda i: f"<b{i}/>"),
    "elements and texts": body(lambda i: "x<b/>"),
    "depth": Shape(body=lambda size: "<b>" * (size // 7) + "</b>" * (size // 7)),
    "depth without end": body(lambda i: "<b>"),
    "sections": body(lambda i: "x<![CDATA[y]]>"),
    "comments": body(lambda i: "x<!---->"),
    "instructions": body(lambda i: "x<?b?>"),
    "references": body(lambda i: "&#65;&amp;"),
    "blanks before": Shape(prolog=lambda size: '<?xml version="1.0"?>' + " " * size, body=lambda size: "<![CDATA[<!DOCTYPE]]>"),
    "comments before": Shape(prolog=lambda size: "<!---->" * (size // 7), body=lambda size: "<![CDATA[<!DOCTYPE]]>"),
    "a type declaration": Shape(
        prolog=lambda size: "<!DOCTYPE a [" + grown(lambda i: f"<!ATTLIST a b{i} CDATA #IMPLIED>", size) + "]>"
    ),
    "entities": Shape(
        prolog=lambda size: (
            '<!DOCTYPE a [<!ENTITY e0 "x">' + "".join(f'<!ENTITY e{i + 1} "&e{i};&e{i};">' for i in range(40)) + "]>"
        ),
        body=lambda size: "&e40;",
    ),
    "lists of attachments": body(lambda i: '<Attachments><Attachment file="x"/></Attachments>'),
    "texts between attachments": body(lambda i: "<Attachments/>x"),
    "attachments": Shape(
        body=lambda size: "<Attachments>" + grown(lambda i: f'<Attachment file="{i}"/>', size) + "</Attachments>"
    ),
    "attributes of attachments": Shape(
        body=lambda size: "<Attachments>" + grown(lambda i: f'<Attachment file="{i}" x="" y="" z=""/>', size) + "</Attachments>"
    ),
}


def listed(before: str, unit: Callable[[int], str], after: str) -> Callable[[int], str]:
    return lambda size: before + grown(lambda i: unit(i) + ",", size)[:-1] + after


def _object(name: str) -> str:
    return "{" + ",".join(f'"{name}{n}":1' for n in range(90)) + "}"


JSON: dict[str, Callable[[int], str]] = {
    "digits": lambda size: '{"a":' + "9" * size + "}",
    "an exponent": lambda size: '{"a":1e' + "9" * size + "}",
    "a fraction": lambda size: '{"a":0.' + "9" * size + "}",
    "numbers": listed('{"a":[', lambda i: "1e999", "]}"),
    "depth of lists": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "depth of objects": lambda size: '{"a":' * (size // 6) + "1" + "}" * (size // 6),
    "depth without end": lambda size: '{"a":' * (size // 5),
    "keys": listed("{", lambda i: f'"k{i}":1', "}"),
    "the same key": listed("{", lambda i: '"k":1', "}"),
    "objects with double keys": listed('{"a":[', lambda i: '{"k":1,"k":1}', "]}"),
    "forbidden letters": listed('{"a":[', lambda i: '"\\u0001"', "]}"),
    "halves of letters": listed('{"a":[', lambda i: '"\\ud800"', "]}"),
    "forbidden letters below a long key": lambda size: listed(
        '{"' + "k" * (size // 2) + '":{', lambda i: f'"{i}":"\\u0001"', "}}"
    )(size // 2),
    "escapes": lambda size: '{"a":"' + "\\u0041" * (size // 6) + '"}',
    "a text without end": lambda size: '{"a":"' + '\\"' * (size // 2),
    "blanks": lambda size: " " * size + "{}",
    "unknown keys of items": listed('{"reference":"b","batch":[', lambda i: _object("opera"), "]}"),
    "unknown keys of attachments": listed(
        '{"type":"XX.test","operation":"save","reference":"b","attachments":[', lambda i: _object("fille"), "]}"
    ),
}
