"""XML from strangers, as a tree that may be walked: decoded, without DTD, bounded in everything that costs more than its length.

Promises: bytes of any kind become a tree or `NotRead` in about the time that they take to be read, and whatever is done with
the tree then (canonical form, walks, names as `{namespace}name`) costs no more than a small multiple of that. Nothing is
fetched or expanded, and no DTD reaches the parser. Never says what a document means, nor whom to believe.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from lxml import etree

from tongguan.gateway.model.errors import TongguanError

MOST_PARTS = 1_000_000  #: elements of one document, and attributes
MOST_ATTRIBUTES = 64  #: of one element: canonical form sorts them one by one into a list
MOST_NAMESPACES = 32  #: declared at one place and around it: canonical form looks through all of them for each element
MOST_NAMESPACE = 256  #: characters of a namespace: it is part of every name in it
_SMALL = 20_000_000  #: length times elements; from it on attributes and namespaces are counted in any case

Code = Literal["encoding", "bytes", "doctype", "parts", "form", "attributes", "namespaces", "namespace"]

_COMMON = (b'<?xml version="1.0" encoding="UTF-8"?>', b"<?xml version='1.0' encoding='UTF-8'?>")
_ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "gb_2312-80": "gb18030", "cp936": "gb18030",
    "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ASCII = re.compile("[\x00-\x7f]+")
_HAN = re.compile("[\u4e00-\u9fff\u3000-\u3020\uff01-\uff5e\u2014-\u201d\xb7]")
_BLANKS = re.compile(rb"\s*")
#: a declaration in the usual form with few enough letters; any other may be long, or only looks like one
_SHORT = re.compile(rb"""xmlns(?::[^=\s"']{1,64})?=(?:"[^"]{0,%d}"|'[^']{0,%d}')""" % (MOST_NAMESPACE, MOST_NAMESPACE))
_WIDE = etree.XPath(f"(/descendant-or-self::*[@*[{MOST_ATTRIBUTES + 1}]])[1]")


_SAYS: dict[Code, tuple[str, str]] = {
    "encoding": ("不读编码 {text}", "encoding {text} is not read"),
    "bytes": ("内容不是编码 {text}", "the bytes are not in encoding {text}"),
    "doctype": ("不读文档类型声明", "a document type declaration is not read"),
    "parts": ("元素多于 {most} 个", "more than {most} elements"),
    "form": ("格式不正确：{text}", "not well-formed: {text}"),
    "attributes": ("有元素的属性多于 {most} 个", "an element has more than {most} attributes"),
    "namespaces": ("一处声明的命名空间多于 {most} 个", "more than {most} namespaces are declared at one place"),
    "namespace": ("有命名空间长于 {most} 个字符", "a namespace is longer than {most} characters"),
}


class NotRead(TongguanError):
    """The bytes are no XML that we read: why not, and the line where that is known."""

    def __init__(self, code: Code, text: str = "", *, line: int | None = None, most: int = 0, found: str = "") -> None:
        self.code, self.said, self.line, self.most = code, text, line, most
        self.found = found  #: the encoding that the bytes are in, where that is certain
        super().__init__(*(says.format(text=text[:200], most=most) for says in _SAYS[code]))


def new_parser(**more: Any) -> etree.XMLParser:
    """A parser for `parse`; it serves one thread at a time."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, **more
    )


def parse(raw: bytes, parser: etree.XMLParser) -> etree._Element:
    """The root of a tree within our bounds; `parser` reads UTF-8 whatever is declared. Raises NotRead."""
    text = as_utf8(raw)
    if _has_dtd(text) and b"<!DOCTYPE" in text:
        raise NotRead("doctype", line=text.count(b"\n", 0, text.index(b"<!DOCTYPE")) + 1)
    last = text.rfind(b"=") + 1  # no attribute or declaration ends behind it; mostly it stands in the first tag
    values = text.count(b"=", 0, last)  # no fewer than there are of both
    if len(text) > MOST_PARTS and (values > MOST_PARTS or text.count(b"<") > 2 * MOST_PARTS):
        raise NotRead("parts", most=MOST_PARTS)
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as wrong:
        found = "GB18030" if text is raw and not _decodes(raw) and _is_gb(raw) else ""
        raise NotRead("form", wrong.msg or "empty", line=wrong.lineno or None, found=found) from None
    except ValueError as wrong:
        raise NotRead("form", str(wrong)) from None
    large = len(text) ** 2 > 3 * _SMALL and len(text) * text.count(b"<") > _SMALL  # an element takes three letters at least
    if large or values > MOST_ATTRIBUTES:
        _refuse_wide(root)
    if large or _declares_much(text, last):
        _refuse_declared(root)
    return root


def _declares_much(text: bytes, last: int) -> bool:
    """May more namespaces be declared at one place, or a longer one, than the bounds allow?"""
    at = -1
    for _ in range(MOST_NAMESPACES + 1):
        at = text.find(b"xmlns", at + 1, last)
        if at < 0:
            return False
        if _SHORT.match(text, at) is None:
            break
    return True


def _refuse_wide(root: etree._Element) -> None:
    """Hold attributes against their bound; the parser has read them in linear time, nothing else would."""
    found: Any = _WIDE(root)
    for wide in found:
        raise NotRead("attributes", line=wide.sourceline, most=MOST_ATTRIBUTES)


def _refuse_declared(root: etree._Element) -> None:
    """Hold namespaces against their bounds."""
    declared = 0
    for event, what in etree.iterwalk(root, events=("start-ns", "end-ns")):
        if event == "end-ns":
            declared -= 1
            continue
        declared += 1
        if declared > MOST_NAMESPACES:
            raise NotRead("namespaces", most=MOST_NAMESPACES)
        if len(what[1]) > MOST_NAMESPACE:
            raise NotRead("namespace", most=MOST_NAMESPACE)


def as_utf8(raw: bytes) -> bytes:
    """The text in UTF-8, by byte order mark, else by declaration, else as it is; raises NotRead."""
    if raw.startswith(_COMMON):
        return raw
    if raw.startswith(b"\xef\xbb\xbf"):
        return raw[3:]
    if raw.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\0\0\0<", b"<\0\0\0")):
        raise NotRead("encoding", "UTF-32", line=1)
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
        raise NotRead("encoding" if encoding is None else "bytes", name, line=1)
    if encoding == "utf-8":
        return raw
    if _is_utf8(raw):
        raise NotRead("bytes", name, line=1, found="UTF-8")
    return _decoded(raw, encoding, name)


def _is_utf8(raw: bytes) -> bool:
    """Are these bytes certainly UTF-8? Letters of three bytes each throughout are no text in a GB encoding; of two there are such (茅台)."""
    try:
        return max(raw.decode("utf-8")) >= "\u0800"
    except UnicodeDecodeError:
        return False


def _decodes(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_gb(raw: bytes) -> bool:
    """Are these bytes, which are no UTF-8, surely a Chinese text in a GB encoding? One in Big5 read so has letters of many scripts."""
    try:
        letters = _ASCII.sub("", raw.decode("gb18030"))
    except UnicodeDecodeError:
        return False
    return bool(_HAN.search(letters)) and len(_HAN.sub("", letters)) * 10 <= len(letters)


def encoding_of(raw: bytes) -> str:
    """What a text that is no UTF-8 is in, where that is sure; empty where it is not."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    return "GB18030" if _is_gb(raw) else ""


def _decoded(raw: bytes, encoding: str, called: str = "") -> bytes:
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as wrong:
        start = getattr(wrong, "start", 0)
        raise NotRead("bytes", called or encoding.upper(), line=raw.count(b"\n", 0, start) + 1) from None


def _has_dtd(text: bytes) -> bool:
    """Does a document type declaration stand before the root? The same letters in a text or comment do no harm."""
    at = 0
    while True:
        at = _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # nothing is a match too
        if text.startswith(b"<?", at):
            end = text.find(b"?>", at)
        elif text.startswith(b"<!--", at):
            end = text.find(b"-->", at + 4)
        else:
            return text.startswith(b"<!DOCTYPE", at)
        if end < 0:
            return True
        at = end + (2 if text.startswith(b"?>", end) else 3)
