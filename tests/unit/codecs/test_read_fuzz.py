"""Whatever the bytes are, reading them gives a Read or Refused."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from tongguan.codecs.reading.read import Read, read
from tongguan.gateway.model.errors import Refused

XML = (
    '<?xml version="1.0" encoding="UTF-8"?><XX.test xmlns="urn:tongguan:XX.test:1" operation="save" reference="r">'
    '<A>进口</A><Attachments><Attachment file="a.pdf"/></Attachments></XX.test>'
).encode()
JSON = b'{"type":"X","operation":"save","reference":"r","check":true,"body":{"a":[1,2.5,"x"]},"attachments":[{"file":"a.pdf"}]}'
WORDS = [
    b"<!DOCTYPE", b"<!--", b"-->", b"<?", b"?>", b"<![CDATA[", b"]]>", b"&amp;", b"&#0;", b"&#xD800;", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\0", b"<", b">", b"GB18030", b"UTF-16", b"xmlns=''", b"xmlns:a='b'", b"a:", b"Batch", b"\\ud800", b"\\u0000", b"NaN", b"1e999",
    b"null", b"[", b"]", b"{", b"}", b'"', b":", b",", b"batch", b"PK\x05\x06", b"PK\x01\x02", b"\xff\xff\xff\xff",
]  # fmt: skip
names = st.sampled_from(["m.xml", "m.json", "m.zip", "m", ""])


@st.composite
def spoiled(draw: st.DrawFn, whole: bytes) -> bytes:
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(raw)))
        end = min(len(raw), at + draw(st.integers(0, 12)))
        raw[at:end] = draw(st.sampled_from(WORDS) | st.binary(max_size=4))
    return bytes(raw)


def zip_of(*entries: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in entries:
            archive.writestr(name, raw)
    return target.getvalue()


ZIP = zip_of(("m.xml", XML), ("a.pdf", b"%PDF" * 20))


def reads_or_refuses(name: str, raw: bytes) -> None:
    with contextlib.suppress(Refused):
        content = read(name, raw, most_bytes=1_000_000)
        assert isinstance(content, Read)
        for item in content.items:
            json.dumps(item.filters()).encode()
            assert len(item.sha256) == 64


@given(names, st.binary(max_size=400))
def test_any_bytes(name, raw):
    reads_or_refuses(name, raw)


@settings(max_examples=400)
@given(spoiled(XML))
def test_spoiled_xml(raw):
    reads_or_refuses("m.xml", raw)


@settings(max_examples=400)
@given(spoiled(JSON))
def test_spoiled_json(raw):
    reads_or_refuses("m.json", raw)


@settings(max_examples=400)
@given(spoiled(ZIP))
def test_spoiled_zip(raw):
    reads_or_refuses("m.zip", raw)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["type", "operation", "reference", "document", "number", "check", "kind", "page", "body", "attachments", "batch", "x"]
)


@settings(max_examples=400)
@given(st.dictionaries(keys, values | st.sampled_from(["save", "query", "r", "a.pdf"]), max_size=8))
def test_any_values_under_the_known_keys(given_):
    reads_or_refuses("m.json", json.dumps(given_).encode())
