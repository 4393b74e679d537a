"""What a message of a queue stands for: the bytes, name and key that the flow takes, or every reason why nobody can."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.model.queueing import QueueMessage
from tongguan.inbox.queues.submission import Submission, Unreadable, submission_of


def message(told: Any, **more: Any) -> QueueMessage:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return QueueMessage("tongguan.submit.demo", 1, body, **{"content_type": "application/json", **more})


def taken(told: Any, **more: Any) -> Submission:
    return submission_of(message(told, **more), "demo", ["demo", "other"], most_bytes=100_000)


def reasons(told: Any, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(Unreadable) as wrong:
        taken(told, **more)
    return [(fault.code, fault.path) for fault in wrong.value.faults]


def test_the_bytes_are_those_that_were_sent() -> None:
    raw = "<a>中</a>".encode("gb18030")

    assert taken({"content_type": "text/xml", "body_base64": base64.b64encode(raw).decode()}).raw == raw
    assert taken({"content_type": "text/xml", "body_base64": base64.encodebytes(raw * 40).decode()}).raw == raw * 40
    assert taken({"content_type": "application/xml; charset=utf-8", "body": "<a>中</a>"}).raw == "<a>中</a>".encode()


@pytest.mark.parametrize("odd", ["erp\nreplies", "erp\0", "erp\x06\x163", "erp\u202egnorw", "erp\u00a0replies"])
def test_no_reply_queue_has_a_character_that_is_not_printed(odd: str) -> None:
    assert taken({"body": "<a/>", "content_type": "text/xml"}, reply_to="erp replies/答复").message.reply_to
    assert reasons({"body": "<a/>", "content_type": "text/xml"}, reply_to=odd) == [("GW-Q08", "")]


def test_numbers_of_a_body_that_is_an_object_stay_as_they_were_written() -> None:
    body = b'{"body": {"a": 1.10, "b": 12345678901234567890123.45, "c": 1e400, "d": [007]}}'.replace(b"007", b"7.00")

    assert taken(body).raw == b'{"a":1.10,"b":12345678901234567890123.45,"c":1e400,"d":[7.00]}'


@pytest.mark.parametrize(
    ("body", "zh", "en"),
    [
        (b"<a/>", "不是 JSON：此处应有一个值（文字写在半角双引号之内） (1:1)", "a value must stand here"),
        (b'{"body": NaN}', "不是 JSON：NaN 不是 JSON 的数字", "NaN is no number of JSON"),
        (b'{"content_type": "text/xml", "body_base64": "PGE-Pg=="}', "base64url：- 和 _ 应为 + 和 /", "- and _ must be + and /"),
        (b'{"content_type": "text/xml", "body_base64": "PGEv Pg"}', "结尾的 = 或长度不对", "is it cut off?"),
        ('{"content_type": "text/xml", "body_base64": "PGEv\u200bPg=="}'.encode(), "第 5 个字符 '⟨U+200B⟩'", "character 5, "),
    ],
)
def test_why_it_is_none_is_told_in_both_languages(body: bytes, zh: str, en: str) -> None:
    with pytest.raises(Unreadable) as wrong:
        taken(body)

    (fault,) = wrong.value.faults
    assert zh in fault.zh and en in fault.en


@pytest.mark.parametrize(("deep", "path"), [(300, "/body"), (200_000, "")])
def test_an_object_that_is_nested_too_deep_is_told_as_such(deep: int, path: str) -> None:
    body = b'{"body": ' + b'{"a": ' * deep + b"1" + b"}" * deep + b"}"

    with pytest.raises(Unreadable) as wrong:
        submission_of(message(body), "demo", ["demo", "other"], most_bytes=10_000_000)

    (fault,) = wrong.value.faults
    assert (fault.code, fault.path) == ("GW-Q02", path)
    assert "nested too deep" in fault.en and fault.zh.endswith("嵌套太深")


@pytest.mark.parametrize(
    ("told", "id_", "name"),
    [
        ({"name": "订单.xml", "body": "<a/>"}, "", "订单.xml"),
        ({"name": "order", "content_type": "text/xml", "body": "<a/>"}, "", "order.xml"),
        ({"name": "ORDER.XML", "body": "<a/>"}, "", "ORDER.XML"),
        ({"content_type": "text/xml", "body": "<a/>"}, "m-1", "m-1.xml"),
        ({"body": {}}, "m-1", "m-1.json"),
        ({"name": "x.xml", "body": "<a/>", "attachments": []}, "", "x.xml"),
        ({"name": "x.xml", "body": "<a/>", "attachments": [{"name": "a", "body_base64": ""}]}, "", "x.zip"),
    ],
)
def test_the_name_is_the_senders_with_the_extension_of_the_form(told: Any, id_: str, name: str) -> None:
    assert taken(told, message_id=id_).name == name


def test_names_that_are_none_become_some_that_stay_the_same_and_apart() -> None:
    odd = [
        {"name": name, "content_type": "text/xml", "body": "<a/>"} for name in ("../../a.xml", "a\nb.xml", "x" * 500, "..\\a.xml")
    ]
    names = [taken(told).name for told in odd]

    assert names == [taken(told).name for told in odd]
    assert len(set(names)) == 4
    assert all("/" not in n and "\\" not in n and "\n" not in n and len(n.encode()) < 255 for n in names)
    nameless = [taken({"content_type": "text/xml", "body": body}).name for body in ("<a/>", "<b/>")]
    assert nameless[0] != nameless[1]


def test_attachments_make_the_zip_that_could_have_been_dropped_the_same_each_time() -> None:
    told = {"name": "x.xml", "body": "<a/>", "attachments": [{"name": "声明.pdf", "body_base64": "JVBERg=="}]}

    first, second = taken(told), taken(told)
    with zipfile.ZipFile(io.BytesIO(first.raw or b"")) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}

    assert found == {"x.xml": b"<a/>", "声明.pdf": b"%PDF"}
    assert (first.raw, first.sha256) == (second.raw, second.sha256)


def test_the_same_id_with_the_same_bytes_is_the_same_delivery_and_with_others_another() -> None:
    one, two = {"name": "x.xml", "body": "<a/>"}, {"name": "x.xml", "body": "<b/>"}

    assert taken(one, message_id="m").key == taken(one, message_id="m").key
    assert len({taken(one, message_id="m").key, taken(two, message_id="m").key, taken(one, message_id="n").key}) == 3
    assert taken(one).key == ""


def test_every_fault_is_told_with_its_place() -> None:
    told = {"nmae": "x", "content_type": 1, "attachments": [{"name": "a"}, 5, {"name": 1, "body_base64": "", "size": 1}]}

    assert sorted(reasons(told)) == [
        ("GW-Q03", "/attachments/0/body_base64"),
        ("GW-Q03", "/attachments/1"),
        ("GW-Q03", "/attachments/2/name"),
        ("GW-Q03", "/attachments/2/size"),
        ("GW-Q03", "/body"),
        ("GW-Q03", "/content_type"),
        ("GW-Q03", "/nmae"),
    ]
    assert reasons({"name": "a.zip", "body": "PK"}) == [("GW-Q06", "/body")]
    assert reasons({"name": "a.xml", "body": {}}) == [("GW-Q06", "/body")]
    assert reasons({"name": "a.zip", "body_base64": "", "attachments": [{"name": "b", "body_base64": ""}]}) == [
        ("GW-Q06", "/attachments")
    ]
    assert reasons(b'{"name": "a.xml", "body": "\\ud800"}') == [("GW-Q02", "/body")]
    assert reasons(b'{"body": NaN}') == [("GW-Q02", "")]


def test_what_is_larger_than_a_file_may_be_is_not_taken() -> None:
    assert reasons({"name": "a.xml", "body": "x" * 100_001}) == [("GW-Q04", "")]
    files = [{"name": f"{n}", "body_base64": base64.b64encode(b"x" * 20_000).decode()} for n in range(6)]
    assert reasons({"name": "a.xml", "body": "x", "attachments": files}) == [("GW-Q04", "")]
    assert reasons(b"x" * 300_000) == [("GW-Q04", "")]


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_whatever_comes_is_taken_or_told(body: bytes, content_type: str, reply_to: str) -> None:
    for kind in (content_type, "application/json"):
        try:
            submission_of(message(body, content_type=kind, reply_to=reply_to), "demo", ["demo"], most_bytes=1000)
        except Unreadable as wrong:
            assert wrong.faults


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "body", "body_base64", "content_type", "attachments", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_json_comes_is_taken_or_told(told: Any) -> None:
    try:
        found = taken(told)
    except Unreadable as wrong:
        assert wrong.faults
    else:
        assert found.raw is not None
        assert found.name.endswith((".xml", ".json", ".zip"))
