"""Reading JSON: nothing is lost, nothing is guessed, and the place is a pointer."""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import Any

import pytest

from tongguan.codecs.reading.item import Numeral
from tongguan.codecs.reading.read import Item, read
from tongguan.gateway.model.errors import Fault, Refused

FRAME = {"type": "XX.test", "operation": "save", "reference": "r"}


def item(given: Any) -> Item:
    raw = given if isinstance(given, bytes) else json.dumps(given).encode()
    return read("m.json", raw, most_bytes=10_000_000).items[0]


def refused(given: Any) -> tuple[Fault, ...]:
    with pytest.raises(Refused) as caught:
        item(given)
    return caught.value.faults


def places(given: Any) -> list[tuple[str, str]]:
    return [(fault.code, fault.path) for fault in refused(given)]


def test_the_frame_is_read_from_the_top_keys():
    one = item({**FRAME, "operation": "query", "kind": "list", "page": 2, "check": True, "body": {"a": 1, "b": {"c": True}}})

    assert (one.type, one.operation, one.reference, one.kind, one.check, one.place) == ("XX.test", "query", "r", "list", True, "")
    assert one.filters() == {"a": "1", "c": "true", "page": "2"}


@pytest.mark.parametrize("digits", ["0.1", "1e3", "12345678901234567890.10", "-0", "100000000000000000000000000000000001"])
def test_numbers_keep_every_digit_and_are_told_from_strings(digits):
    body = item(b'{"type":"XX.test","operation":"save","reference":"r","body":{"n":%s,"s":"1"}}' % digits.encode()).body

    assert body["n"] == digits
    assert isinstance(body["n"], Numeral)
    assert not isinstance(body["s"], Numeral)


def test_a_byte_order_mark_is_allowed_and_other_encodings_are_not():
    raw = json.dumps(FRAME).encode()

    assert item(b"\xef\xbb\xbf" + raw).reference == "r"
    assert places(json.dumps({**FRAME, "body": {"a": "中"}}, ensure_ascii=False).encode("gb18030")) == [("GW-J02", "")]


def test_what_is_no_json_is_refused_with_its_line():
    assert [(f.code, f.line) for f in refused(b'{"type": "x",\n oops}')] == [("GW-J01", 2)]
    assert places(b"[]") == [("GW-J07", "")]
    assert places(b'"text"') == [("GW-J07", "")]


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_words_that_are_no_numbers_are_refused(word):
    assert places(b'{"type": %s}' % word) == [("GW-J04", "")]


def test_a_key_that_stands_twice_is_refused_with_its_place():
    assert places(b'{"type":"X","operation":"save","reference":"r","body":{"Goods":[{"a":"1","a":"2"}]}}') == [
        ("GW-J03", "/body/Goods/0/a")
    ]
    assert places(b'{"body":{"a":{"b":1,"b":2},"a":0}}')[0] == ("GW-J03", "/body/a")


def test_deep_nesting_is_refused():
    deep = b'{"type":"X","operation":"save","reference":"r","body":%s}'

    assert item(deep % (b'{"a":' * 30 + b"1" + b"}" * 30)).body
    assert places(deep % (b'{"a":' * 40 + b"1" + b"}" * 40))[0][0] == "GW-J05"
    assert places(deep % (b"[" * 200_000 + b"]" * 200_000))[0][0] == "GW-J05"


def test_unknown_keys_are_refused_naming_the_nearest():
    faults = refused({**FRAME, "refrence": "x", "Body": {}})

    assert [(f.code, f.path) for f in faults] == [("GW-J06", "/refrence"), ("GW-J06", "/Body")]
    assert "reference" in faults[0].en and "body" in faults[1].en


def test_wrong_kinds_are_refused_each_with_its_place():
    given = {"type": 1, "operation": ["save"], "reference": 5, "body": [], "attachments": {}}

    assert {p for c, p in places(given) if c == "GW-J07"} == {"/type", "/operation", "/reference", "/body", "/attachments"}


def test_a_flood_of_parts_is_refused_quickly():
    assert places(b"[" + b"0," * 1_000_001 + b"0]") == [("GW-J10", "")]
    assert len(places({**FRAME, **{f"k{n}": 1 for n in range(5000)}})) < 200
    assert "GW-E10" in [c for c, _ in places({**FRAME, "attachments": [{"file": "a"}] * 5000})]
    assert places({**FRAME, "type": "x" * 65}) == [("GW-M08", "/type")]


def test_a_missing_type_and_operation_are_named():
    assert places({"reference": "r"}) == [("GW-M07", "/type"), ("GW-M07", "/operation")]
    for empty in ("", None):
        assert places({**FRAME, "type": empty}) == [("GW-M07", "/type")]


def test_characters_that_no_message_may_contain_are_refused():
    assert places({**FRAME, "body": {"a": "x\x00"}}) == [("GW-J09", "/body/a")]
    assert places(b'{"type":"X","operation":"save","reference":"r","body":{"a":"\\ud800"}}') == [("GW-J09", "/body/a")]
    assert places({**FRAME, "body": {"a": "x" * 1_000_001}}) == [("GW-J08", "/body/a")]


def test_the_digest_does_not_depend_on_the_order_of_keys_or_blanks():
    first = item({**FRAME, "body": {"a": "1", "b": "2"}}).sha256

    assert item(json.dumps({"body": {"b": "2", "a": "1"}, **FRAME}, indent=3).encode()).sha256 == first
    assert item({**FRAME, "body": {"a": "1", "b": "3"}}).sha256 != first


def test_a_batch_gives_references_and_names_places():
    raw = json.dumps({"reference": "b", "batch": [{"type": "XX.test", "operation": "save"}, FRAME]}).encode()
    content = read("m.json", raw, most_bytes=10_000)

    assert [(i.reference, i.place) for i in content.items] == [("b-1", "/batch/0"), ("r", "/batch/1")]
    assert places({"batch": {}}) == [("GW-J07", "/batch")]
    assert places({"batch": []}) == [("GW-M13", "/batch")]
    assert places({"batch": [FRAME] * 501}) == [("GW-M11", "/batch")]
    assert places({"batch": [FRAME], "type": "X"}) == [("GW-J06", "/type")]


def test_a_bad_item_of_a_batch_keeps_its_faults_to_itself():
    items = read(
        "m.json", json.dumps({"batch": [FRAME, 7, {**FRAME, "x": 1, "reference": "s"}]}).encode(), most_bytes=10_000
    ).items

    assert items[0].faults == ()
    assert next((f.code, f.path) for f in items[1].faults) == ("GW-J07", "/batch/1")
    assert [(f.code, f.path) for f in items[2].faults] == [("GW-J06", "/batch/2/x")]
    assert [i.operation for i in items] == ["save", "", ""]


def test_references_of_a_batch_must_differ():
    items = read("m.json", json.dumps({"batch": [FRAME, FRAME]}).encode(), most_bytes=10_000).items

    assert [[(f.code, f.path) for f in i.faults] for i in items] == [
        [("GW-M12", "/batch/0/reference")],
        [("GW-M12", "/batch/1/reference")],
    ]


def test_a_message_without_body_has_an_empty_one():
    assert item(FRAME).body == {}
    assert item({**FRAME, "body": None}).body == {}


@pytest.mark.parametrize(
    "value", ["1", '"x"', '{"k": 1.50}', "[]", "NaN", '"\\u0001"', "[" * 40 + "]" * 40, '{"k": 1, "k": 2}', '"', "{"]
)
def test_a_file_of_many_values_is_read_as_one_of_few(value):
    def outcome(count: int) -> Any:
        many = ",".join(["0"] * count)
        raw = f'{{"type": "XX.test", "operation": "save", "reference": "r", "body": {{"a": {value}, "b": [{many}]}}}}'.encode()
        try:
            body = item(raw).body
        except Refused as wrong:
            return [(f.code, f.path, f.line) for f in wrong.faults]
        return body["a"], type(body["b"][0]), set(body["b"])

    assert outcome(30_000) == outcome(3)


@pytest.mark.parametrize("unit", ['"k{n}": {n}', '"k{n}": "{n}"'])
def test_other_threads_have_their_turn_while_a_large_file_is_read(unit):
    """All accounts share one interpreter: what reads in one piece holds all of them up. Measured in the reader's own CPU time."""
    inner = ",".join(unit.format(n=n) for n in range(30_000))
    raw = f'{{"type": "XX.test", "operation": "save", "reference": "r", "body": {{{inner}}}}}'.encode()

    gc.collect()
    gc.disable()  # it walks through all that the tests before this one have left, and that is nothing of the reader's
    try:
        assert any(longest_piece(raw) < 0.2 for _ in range(20))  # what another process takes from a piece comes and goes
    finally:
        gc.enable()


def longest_piece(raw: bytes) -> float:
    """The part of the work of reading that no other thread can come into: what is between two calls or returns is in one C function."""
    began = time.thread_time()
    item(raw)
    took = time.thread_time() - began
    longest, before = 0.0, time.thread_time()

    def turn(*_: object) -> None:
        nonlocal longest, before
        longest = max(longest, time.thread_time() - before)
        before = time.thread_time()

    sys.setprofile(turn)
    try:
        item(raw)
    finally:
        sys.setprofile(None)
    return longest / took


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize(
    ("encoding", "told"),
    [("gb18030", "GB18030"), ("utf-16", "UTF-16"), ("big5", ""), ("latin-1", "")],
    ids=lambda given: given or "none",
)
def test_another_encoding_is_named_where_it_is_sure(encoding: str, told: str) -> None:
    text = "é" if encoding == "latin-1" else "王示範例有限公司"
    (fault,) = refused(json.dumps({**FRAME, "body": {"a": text}}, ensure_ascii=False).encode(encoding))

    assert fault.code == "GW-J02"
    assert fault.zh == "JSON 必须是 UTF-8 编码" + (f"，现为 {told}" if told else "")
    assert fault.en == "JSON must be in UTF-8" + (f"; this is {told}" if told else "")
