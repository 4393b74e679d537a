"""The first look at a message and the walk over it come to the same, for every example, and whatever is spoilt in it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from first_look import with_and_without
from mutations import mutated

from tongguan.codecs.checking.check import Checked, check
from tongguan.codecs.checking.compile import compile_all
from tongguan.codecs.checking.validation import plain_xml
from tongguan.codecs.reading.item import MOST_KEPT
from tongguan.codecs.reading.read import Item, read
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import Account

COMPILED = compile_all(load_profiles(home=Path("none")))
EXAMPLES = sorted(file for one in COMPILED.values() for file in (one.profile.folder / "examples").rglob("*.xml"))
ACCOUNT = Account(
    name="demo", title="示例公司", uscc="91210200MA0EXAMPLC", customs_code="2102960001", mofcom_code="2100MA0EXAMPL"
)
NOON = 1_795_147_200_000
SPOILT = 20  #: of each example
BENCH = next(file for file in EXAMPLES if file.name.startswith("bench-")).read_text("utf-8")
NA = COMPILED["NA.application"]


def items(raw: bytes) -> list[Item]:
    """The messages that can be checked; the files that they name are not looked for."""
    raw = re.sub(rb"<Attachments>.*</Attachments>", b"", raw, flags=re.DOTALL)
    try:
        found = read("m.xml", raw, most_bytes=10**7).items
    except Refused:
        return []
    return [i for i in found if i.type in COMPILED and i.operation in COMPILED[i.type].profile.operations]


def checked(item: Item, document: Document | None = None) -> Checked:
    compiled = COMPILED[item.type]
    return check(compiled, item, account=ACCOUNT, document=document, operation=item.operation, numbers={}, now_ms=NOON)


def looked(item: Item) -> object:
    return plain_xml(COMPILED[item.type].root, COMPILED[item.type].profile.namespace, item.canonical)


def bench(old: str = "", new: str = "") -> Item:
    assert old in BENCH
    (item,) = items(BENCH.replace(old, new, 1).encode())
    return item


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.parent.parent.name}/{e.name}")
def test_an_example_comes_to_the_same_and_so_does_what_is_spoilt_of_it(example: Path) -> None:
    raw, chance = example.read_bytes(), random.Random(example.name)
    pool = [raw, BENCH.encode()]
    for one in (raw, *(mutated(chance, raw, pool) for _ in range(SPOILT))):
        for item in items(one):
            for document in (None, Document("d", "demo", item.type, "k", "v", 1, "", NOON, NOON, {"Year": "2025"})):
                first, walked = with_and_without(lambda item=item, document=document: checked(item, document))

                assert first == walked


def test_a_good_message_needs_no_walk() -> None:
    good = [item for example in EXAMPLES if example.name[:3] in ("ok-", "ben") for item in items(example.read_bytes())]
    filled = [item for item in good if len(item.body) and item.operation in ("save", "declare")]

    assert len(filled) > 20
    assert [item.type for item in filled if looked(item) is None] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<Year>2026</Year>", "<Year><![CDATA[20]]>26<!-- x --></Year>"),
        ("Example Mining", "A &amp; B &lt;&gt;&#13; &amp;lt; Mining"),
        ("<Year>2026</Year>", "<Year> \n2026\u3000</Year>"),
        ("<Year>2026</Year>", "<Year>2026</Year><Remark/><Remark> </Remark>"),
        ('reference="bench-0"', 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:x="1" reference="bench-0"'),
        ("<Enterprise>", "<Enterprise/><Enterprise>"),
        ("<NA.application ", "<!-- x --><?p?><NA.application "),
    ],
)
def test_nor_does_one_that_is_written_in_another_way(old: str, new: str) -> None:
    item = bench(old, new)

    assert looked(item) is not None
    first, walked = with_and_without(lambda: checked(item))
    assert first == walked


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<Year>2026</Year>", "<Year>2026</Year><Year>2026</Year>"),
        ("<Year>2026</Year>", '<Year a="1">2026</Year>'),
        ("<Year>2026</Year>", '<Year xmlns="">2026</Year>'),
        ("<Year>2026</Year>", '<p:Year xmlns:p="urn:tongguan:NA.application:1">2026</p:Year>'),
        ("<Year>2026</Year>", "<Year>2026</Year>stray"),
        ("<Year>2026</Year>", "<Year>2026<Year>2026</Year></Year>"),
        ("<Year>2026</Year>", '<Year a=">/NA.application>">2026</Year>'),
        ("<Goods>", "<Goods>stray"),
        ("<Enterprise>", "<Enterprise><Level>9</Level></Enterprise><Enterprise>"),
        ("<Goods>", "<Goods/><Goods/><Goods/><Goods/><Goods>"),
        ('reference="bench-0"', 'reference="bench-0>>/NA.application>>"'),
        ('reference="bench-0"', 'reference="bench-0>>/NA.application>"'),
        ('reference="bench-0"', 'reference="bench-0>"'),
        ("0110", "999"),
        ("2026-12-31", "2026-02-30"),
    ],
)
def test_whatever_may_be_wrong_is_walked(old: str, new: str) -> None:
    item = bench(old, new)

    first, walked = with_and_without(lambda: checked(item))
    assert first == walked
    assert looked(item) is None


@pytest.mark.parametrize(("letters", "seen"), [(MOST_KEPT - 10_000, True), (MOST_KEPT + 10_000, False)])
def test_a_long_message_is_walked_at_once(letters: int, seen: bool) -> None:
    blanks = " " * letters
    item = bench("<Year>2026</Year>", f"<Year>2026{blanks}</Year>")

    assert (looked(item) is not None) is seen
    first, walked = with_and_without(lambda: checked(item))
    assert first == walked
