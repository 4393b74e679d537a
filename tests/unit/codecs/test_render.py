"""What leaves is canonical XML byte by byte."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tongguan.codecs.writing.render import package, render_document, technical_response, technical_response_json
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.profile import AttachmentRule, Field, Profile, Text

NS = "urn:tongguan:XX.test:1"


def field(path: str, type_: str = "text") -> Field:
    name = path.rpartition("/")[2].removesuffix("[]")
    return Field(
        path, name, name, name, type_, 0, 0, "", "", "", "", "", "", frozenset(), frozenset(), "", "", "", "", "", "", ""
    )


FIELDS = (
    field("Year"),
    field("User", "group"),
    field("User/Name"),
    field("User/Code"),
    field("Goods[]", "table"),
    field("Goods[]/CodeTS"),
    field("Goods[]/Spec[]", "table"),
    field("Goods[]/Spec[]/Model"),
    field("Remark"),
)
PROFILE = Profile(
    "XX.test",
    "customs",
    Path(),
    "v",
    Text("", ""),
    "XX",
    NS,
    "customs_code",
    "own",
    FIELDS,
    (),
    {},
    {},
    {},
    {},
    {},
    AttachmentRule(),
)
COMPILED: Any = SimpleNamespace(profile=PROFILE)


def message(**given_: Any) -> Message:
    return Message(
        "id-1", Kind.SUBMISSION, "demo", "XX.test", "declare", State.CHECKED, 0, 0,
        **{"reference": "r", "document": "d", **given_},
    )  # fmt: skip


def canonical(raw: bytes) -> bytes:
    return etree.tostring(etree.fromstring(raw), method="c14n", exclusive=True)


def packed(document: bytes, **given_: str) -> bytes:
    facts = {
        "message_id": "id-1-1", "file_name": "f.xml", "message_type": "XX.test", "operation": "declare", "sender_id": "2102960001",
        "receiver_id": "customs", "send_time": "2026-11-20T18:00:00.000+08:00", "ic_card": "8000", "environment": "test",
    }  # fmt: skip
    return package(**{**facts, **given_}, document=document)


nasty = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("&<>\"'\r\n\t]] 　\x7f\x85\u2028"),
    min_size=1,
    max_size=20,
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "Year": nasty,
        "User": st.fixed_dictionaries({}, optional={"Code": nasty, "Name": nasty}),
        "Goods": st.lists(
            st.fixed_dictionaries(
                {}, optional={"CodeTS": nasty, "Spec": st.lists(st.fixed_dictionaries({"Model": nasty}), max_size=2)}
            ),
            max_size=3,
        ),
        "Remark": nasty,
    },
)


@given(contents, nasty, nasty, st.lists(st.tuples(nasty, st.just("") | nasty, nasty, st.binary(max_size=50)), max_size=2))
def test_document_and_package_are_in_the_form_of_exclusive_c14n(content, reference, file_name, attachments):
    document = render_document(COMPILED, message(reference=reference, document=None), content, attachments)
    whole = packed(document, file_name=file_name)

    assert canonical(document) == document
    assert canonical(whole) == whole


@given(contents)
def test_every_text_comes_back(content):
    root = etree.fromstring(render_document(COMPILED, message(), content, []))

    models = [s["Model"] for g in content.get("Goods", []) for s in g.get("Spec", [])]
    assert [e.text for e in root.iterfind(f"{{{NS}}}Goods/{{{NS}}}Spec/{{{NS}}}Model")] == models
    assert root.findtext(f"{{{NS}}}Remark") == content.get("Remark")


def test_elements_stand_in_the_order_of_the_profile_and_others_are_left_out():
    content = {
        "Remark": "x",
        "Goods": [{"CodeTS": "1"}, {"Spec": [{"Model": "m"}]}],
        "User": {"Code": "c"},
        "Stranger": "s",
        "Year": "",
    }

    assert (
        render_document(COMPILED, message(number="N"), content, [])
        == (
            f'<XX.test xmlns="{NS}" document="d" number="N" operation="declare" reference="r">'
            "<User><Code>c</Code></User><Goods><CodeTS>1</CodeTS></Goods><Goods><Spec><Model>m</Model></Spec></Goods>"
            "<Remark>x</Remark></XX.test>"
        ).encode()
    )


def test_attachments_stand_at_the_end_with_their_digest():
    raw = b"%PDF \x00\xff"
    root = etree.fromstring(
        render_document(COMPILED, message(), {"Remark": "x"}, [("声明.pdf", "1", hashlib.sha256(raw).hexdigest(), raw)])
    )
    last = root[-1]

    assert (last.tag, last.get("name"), last.get("category")) == (f"{{{NS}}}Attachment", "声明.pdf", "1")
    assert hashlib.sha256(base64.b64decode(last.text or "")).hexdigest() == last.get("sha256")


def test_the_package_says_who_sends_what_to_whom():
    root = etree.fromstring(packed(render_document(COMPILED, message(), {}, [])))
    envelope = {e.tag.rpartition("}")[2]: e.text for e in root[0]}

    assert list(envelope) == [
        "version", "message_id", "file_name", "message_type", "operation", "sender_id", "receiver_id", "send_time", "ic_card", "environment",
    ]  # fmt: skip
    assert envelope["message_id"] == "id-1-1"
    assert root.find("{*}DataInfo/{*}BussinessData")[0].tag == f"{{{NS}}}XX.test"


FAULTS = (
    Fault("NA-R05", "<必填>", "required & more", path='/a["1"]', line=12, label="进口商"),
    Fault("GW-C01", "无", "none", severity="warning"),
)


def test_the_technical_response_lists_numbers_and_faults():
    raw = technical_response(message(faults=FAULTS), numbers={"application": "NA26&1"}, language="zh", code="1")
    root = etree.fromstring(raw)

    assert dict(root.attrib) == {"message_id": "id-1", "reference": "r", "document": "d", "code": "1"}
    assert root.tag == "{urn:tongguan:response:1}Response"
    assert [(n.get("name"), n.text) for n in root[0]] == [("application", "NA26&1")]
    assert [dict(f.attrib) for f in root[1]] == [
        {"code": "NA-R05", "path": '/a["1"]', "line": "12", "label": "进口商", "severity": "error"},
        {"code": "GW-C01", "path": "", "label": "", "severity": "warning"},
    ]
    assert [f.text for f in root[1]] == ["<必填>", "无"]
    assert len(etree.fromstring(technical_response(message(reference=None), numbers={}, language="en", code="0"))) == 2


def test_the_technical_response_in_json_says_the_same():
    said = orjson.loads(technical_response_json(message(faults=FAULTS), numbers={"licence": "26AA"}, language="en", code="1"))

    assert (said["message_id"], said["reference"], said["document"], said["code"]) == ("id-1", "r", "d", "1")
    assert said["numbers"] == {"licence": "26AA"}
    assert said["faults"][0] == {
        "code": "NA-R05", "severity": "error", "path": '/a["1"]', "line": 12, "label": "进口商", "message": "required & more",
    }  # fmt: skip
