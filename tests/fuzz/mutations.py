"""Ways to spoil an input that know what markup, numbers and lists look like. All chance comes from the generator that is given."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

MOST_BYTES = 120_000

WORDS = [
    *(b"<!DOCTYPE a [<!ENTITY e 'x'>]>", b"<!--", b"-->", b"<?x ?>", b"<![CDATA[", b"]]>", b"&amp;", b"&#0;", b"&#xD800;", b"&#xFFFE;", b"&e;"),
    *(b"<", b">", b"</", b"/>", b'"', b"'", b"=", b" ", b"\n", b"\r", b"\t", b"\0", b"\x01", b"\x7f", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b' xmlns=""', b" xmlns='sub'", b' xmlns:x="urn:x"', b" xmlns:xml='urn:x'", b' xsi:nil="1"', b"x:", b"<x:a/>", b"<Batch>", b"</Batch>"),
    *(b'<?xml version="1.0" encoding="GB18030"?>', b'<?xml version="1.1"?>', b'encoding="UTF-16"', b'encoding="utf-7"', b"standalone='no'"),
    *(b"<Attachments>", b'<Attachment file="a.pdf" category="1"/>', b"<Attachments/>", b' file=""', b' operation="query"', b' number="1"'),
    *(b"\\ud800", b"\\u0000", b"\\uffff", b"\\", b"NaN", b"-Infinity", b"1e999999999", b"null", b"true", b"[", b"]", b"{", b"}", b":", b","),
    *(b'"batch":[]', b'"body":{}', b'"attachments":[{"file":"a.pdf"}]', b'"type":1', b'"page":"99999999999999999999"', b'"check":"maybe"'),
    *(b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04", b"PK\x06\x06", b"PK\x06\x07", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x30\x80", b"\x30\x84"),
    *("\u2028\u200b\u202e\ufeff".encode(), "\ufffe\uffff".encode(), b"\xed\xa0\x80", "😀".encode(), "１２３".encode(), "٣".encode()),
]  # fmt: skip
VALUES = [
    *(b"", b"0", b"-0", b"+1", b"1e5", b"1E-400", b".5", b"5.", b"0" * 70, b"9" * 61, b"9" * 5000, b"0." + b"0" * 61 + b"1", b"NaN", b"1,000"),
    *(b"0001-01-01", b"9999-12-31", b"2026-02-30", b"20261120", b"9999-12-31T23:59:59-12:00", b"0001-01-01T00:00:00+14:00", b"2026-11-20 18:00"),
    *(b"true", b"2", b"***", b"file:a", b"env:TONGGUAN_SECRET_A", b"x" * 3000, "中".encode() * 1000, b"../../etc/passwd", b"=1+1", b"a b", b"\xc2\x85"),
]  # fmt: skip
_TEXTS = re.compile(rb'>[^<>]*<|"[^"]*"')
_TAGS = re.compile(rb"<[A-Za-z:.]{1,40}[^<>]*>")
Mutation = Callable[[random.Random, bytes], bytes]


def _slice(chance: random.Random, raw: bytes, most: int) -> tuple[int, int]:
    start = chance.randrange(len(raw) + 1)
    return start, min(len(raw), start + chance.randrange(1, most + 1))


def _part(chance: random.Random, raw: bytes) -> tuple[int, int]:
    """A part with a meaning where there is one: from a sign of markup to another."""
    marks = [m.start() for m in re.finditer(rb"[<,{\[]|PK", raw)]
    if len(marks) < 2:
        return _slice(chance, raw, 40)
    first = chance.randrange(len(marks) - 1)
    return marks[first], marks[min(len(marks) - 1, first + chance.choice((1, 1, 2, 3, 8, 40)))]


def insert_word(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + chance.choice(WORDS) + raw[at:]


def replace_bytes(chance: random.Random, raw: bytes) -> bytes:
    start, end = _slice(chance, raw, 8)
    return raw[:start] + chance.choice((chance.choice(WORDS), chance.randbytes(chance.randrange(1, 5)))) + raw[end:]


def cut(chance: random.Random, raw: bytes) -> bytes:
    start, end = chance.choice((_part, lambda c, r: _slice(c, r, 60)))(chance, raw)
    return raw[:start] + raw[end:]


def repeat(chance: random.Random, raw: bytes) -> bytes:
    """What costs more than its length shows when there is much of it."""
    start, end = _part(chance, raw)
    if start == end:
        return raw
    times = chance.choice((2, 2, 3, 3, 5, 10, 10, 100, 1000, MOST_BYTES))
    return raw[:end] + raw[start:end] * min(times, max(0, MOST_BYTES - len(raw)) // (end - start)) + raw[end:]


def numbered(chance: random.Random, raw: bytes) -> bytes:
    """The same with another number in each: no two of them alike."""
    start, end = _part(chance, raw)
    part = raw[start:end]
    times = min(chance.choice((3, 10, 10, 100, 5000)), max(0, MOST_BYTES - len(raw)) // (end - start + 6)) if part else 0
    return (
        raw[:end]
        + b"".join(re.sub(rb"(?<=[<A-Za-z])([A-Za-z]+)", rb"\g<1>%d" % n, part, count=2) for n in range(times))
        + raw[end:]
    )


def nest(chance: random.Random, raw: bytes) -> bytes:
    start, end = _part(chance, raw)
    tag = chance.choice(_TAGS.findall(raw) or [b"<a>"]).rstrip(b"/>").lstrip(b"<")
    opening, closing = chance.choice(((b"<" + tag + b">", b"</" + tag.split()[0] + b">"), (b"[", b"]"), (b'{"a":', b"}")))
    times = min(chance.choice((1, 2, 31, 33, 257, 3000)), MOST_BYTES // (2 * len(opening)))
    return raw[:start] + opening * times + raw[start:end] + closing * times + raw[end:]


def set_value(chance: random.Random, raw: bytes) -> bytes:
    texts = list(_TEXTS.finditer(raw))
    if not texts:
        return insert_word(chance, raw)
    found = chance.choice(texts)
    return raw[: found.start() + 1] + chance.choice(VALUES) + raw[found.end() - 1 :]


def attributes(chance: random.Random, raw: bytes) -> bytes:
    tags = list(_TAGS.finditer(raw))
    if not tags:
        return insert_word(chance, raw)
    at = chance.choice(tags).end() - 1
    at -= raw[at - 1 : at] == b"/"
    form = chance.choice((b' a%d=""', b' xmlns:n%d="urn:%d"', b' xmlns:n%d="urn:%d" n%d:a=""', b' n%d:a="1"'))
    count = chance.choice((1, 1, 3, 3, 31, 33, 63, 65, 12_000))
    return raw[:at] + b"".join(form.replace(b"%d", b"%d" % n) for n in range(count)) + raw[at:]


def in_another_encoding(chance: random.Random, raw: bytes) -> bytes:
    text = raw.decode("utf-8", "replace")
    return text.encode(chance.choice(("utf-16", "utf-16-le", "utf-16-be", "gb18030", "utf-8-sig", "utf-32", "utf-7")), "replace")


def swap(chance: random.Random, raw: bytes) -> bytes:
    (a, b), (c, d) = sorted((_part(chance, raw), _part(chance, raw)))
    return raw if c < b else raw[:a] + raw[c:d] + raw[b:c] + raw[a:b] + raw[d:]


USUAL: Sequence[Mutation] = (
    *(insert_word, insert_word, replace_bytes, cut, repeat, repeat, numbered, nest, set_value, set_value, set_value),
    *(attributes, swap),
)


def mutated(chance: random.Random, raw: bytes, others: Sequence[bytes]) -> bytes:
    """The input after a few changes; now and then with the end of another, now and then in another encoding."""
    for _ in range(chance.choice((1, 1, 2, 2, 3, 5, 8))):
        raw = chance.choice(USUAL)(chance, raw)
    if chance.random() < 0.05:
        other = chance.choice(others)
        raw = raw[: chance.randrange(len(raw) + 1)] + other[chance.randrange(len(other) + 1) :]
    if chance.random() < 0.03:
        raw = in_another_encoding(chance, raw)
    return raw[: 2 * MOST_BYTES]
