"""Receipts in any order, any number of times, lead to the same document."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tongguan.codecs.receipts.receipt import ReceiptContent, read_receipt
from tongguan.codecs.receipts.settle import settle
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.profile import ReceiptRule, Text

NONE = Text("", "")
RULES = {
    "10": ReceiptRule("10", NONE, status="pending", rank=10),
    "20": ReceiptRule("20", NONE, status="first_passed", rank=20),
    "30": ReceiptRule("30", NONE, status="approved", rank=30),
    "52": ReceiptRule("52", NONE, marks={"customs": "52"}),
    "53": ReceiptRule("53", NONE, marks={"customs": "53"}),
    "60": ReceiptRule("60", NONE, status="withdrawn", rank=60, marks={"withdrawal": "60"}),
}


def document(**given_: object) -> Document:
    first = Document("d", "demo", "XX.test", "k", "v", 1, "declaring", 0, 0, round=2, changing="m", status_before="draft")
    return replace(first, **given_)  # type: ignore[arg-type]


def content(code: str, at: int = 0, **numbers: str) -> ReceiptContent:
    return ReceiptContent(f"{code}-{at}", "business", "mofcom", "a", None, "XX.test", None, code, "", at, numbers, (), None)


def test_a_higher_rank_moves_the_status():
    after, applied = settle(RULES["20"], content("20", licence="26AA"), document(), round_=2)

    assert applied
    assert (after.status, after.rank, after.version, after.numbers) == ("first_passed", 20, 2, {"licence": "26AA"})


@pytest.mark.parametrize("code", ["10", "20"])
def test_a_lower_or_equal_rank_adds_its_numbers_only(code):
    after, applied = settle(RULES[code], content(code, mofcom="M1"), document(status="x", rank=20), round_=2)

    assert not applied
    assert (after.status, after.rank, after.version, after.numbers) == ("x", 20, 2, {"mofcom": "M1"})


def test_an_older_round_never_moves_the_status():
    after, applied = settle(RULES["60"], content("60", licence="new"), document(numbers={"licence": "kept"}), round_=1)

    assert not applied
    assert (after.status, after.rank, after.numbers) == ("declaring", 0, {"licence": "kept"})
    assert after.marks["withdrawal"] == "60"


def test_a_mark_counts_without_moving():
    after, applied = settle(RULES["52"], content("52"), document(rank=30, status="approved"), round_=2)

    assert applied
    assert (after.status, after.rank, after.marks["customs"]) == ("approved", 30, "52")


def test_whose_operation_it_is_stays_untouched():
    after, _ = settle(RULES["30"], content("30"), document(), round_=2)

    assert (after.changing, after.status_before) == ("m", "draft")


def test_the_document_given_is_not_changed():
    before = document(numbers={"a": "1"}, marks={"customs": "52"})
    settle(RULES["53"], content("53", 5, b="2"), before, round_=2)

    assert (before.numbers, before.marks) == ({"a": "1"}, {"customs": "52"})


#: a number of a kind is said once for a document
receipts = st.tuples(st.sampled_from(sorted(RULES)), st.integers(0, 3), st.sampled_from([1, 2]))


@given(
    st.lists(receipts, max_size=6).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some + some[: len(some) // 2])))
)
def test_any_order_and_any_repetition_give_the_same_end(pair):
    def end(those: list[tuple[str, int, int]]) -> Document:
        now = document()
        for code, at, round_ in those:
            now, _ = settle(RULES[code], content(code, at, **{f"n{code}": f"v{code}"}), now, round_=round_)
        return replace(now, version=0)

    some, mixed = pair

    assert end(mixed) == end(some)


RECEIPT = """<Receipt xmlns="urn:tongguan:receipt:1" id="1" kind="business" authority="customs" account="2102960001" message="m-1"
 type="XX.test" number="N1" code="L" text="海关已接收" issued_at="2026-11-20T18:00:00.000+08:00">
 <Numbers><Number name="entry"> E1 </Number></Numbers><Faults><Fault code="F" path="/a">错</Fault></Faults><Content><A/></Content></Receipt>"""


def test_a_receipt_is_taken_apart():
    said = read_receipt(etree.fromstring(RECEIPT))

    assert (said.id, said.kind, said.authority, said.account, said.message) == ("1", "business", "customs", "2102960001", "m-1")
    assert (said.type, said.number, said.code, said.text) == ("XX.test", "N1", "L", "海关已接收")
    assert said.issued_at == 1_795_168_800_000
    assert said.numbers == {"entry": "E1"}
    assert [(f.code, f.path, f.zh) for f in said.faults] == [("F", "/a", "错")]
    assert said.content is not None and len(said.content) == 1


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (' id="1"', ""),
        (' code="L"', ""),
        ('kind="business"', 'kind="other"'),
        ("2026-11-20T18:00", "yesterday"),
        ("2026-11-20T18:00", "0001-01-01T00:00"),
        ("2026-11-20T18:00", "9999-12-31T23:59"),
        ("2026-11-20T18:00", "1999-11-20T18:00"),
        (' id="1"', ' id="1&#10;"'),
        (' id="1"', ' id=" "'),
        (' code="L"', ' code="L\u200b"'),
        ('number="N1"', f'number="{"9" * 10_000}"'),
        (' text="海关已接收"', f' text="{"收" * 10_001}"'),
        (' account="2102960001"', ""),
        ("> E1 <", f"> {'E' * 201} <"),
        ("> E1 <", "> <"),
        ('name="entry"', 'name=""'),
        ("<Numbers>", "<Numbers>" + "".join(f'<Number name="n{n}">1</Number>' for n in range(1001))),
        ("<Faults>", "<Faults>" + "<Fault/>" * 1001),
        ("urn:tongguan:receipt:1", "urn:tongguan:receipt:2"),
        ('<Number name="entry">', '<Number name="entry">E2</Number><Number name="entry">'),
    ],
)
def test_a_receipt_without_what_every_receipt_has_is_refused(good, bad):
    with pytest.raises(Refused) as caught:
        read_receipt(etree.fromstring(RECEIPT.replace(good, bad)))

    assert [f.code for f in caught.value.faults] == ["GW-P01"]
