"""Any name, any content: what the gateway writes is well-formed, is read back, and verifies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from tongguan.codecs.writing.markup import visible
from tongguan.codecs.writing.render import package, technical_response, technical_response_json
from tongguan.codecs.writing.results import Result, as_csv, as_json, as_xml
from tongguan.codecs.writing.xlsx import as_xlsx
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.profile.profile import Column, Text
from tongguan.gateway.system.storage import file_names
from tongguan.outbox.status.render import encoded, open_line
from tongguan.signer.cards.software import signature_of
from tongguan.signer.certificate import algorithm_of, der_chain, signing_key
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card
from tongguan.signer.verify import TrustedCertificate, verify
from tongguan.signer.xml_signature import prepare

VALID, NOW = Validity(datetime(2026, 1, 1, tzinfo=UTC)), datetime(2026, 11, 20, tzinfo=UTC)
names = st.binary(min_size=1, max_size=40).filter(lambda raw: b"/" not in raw and b"\0" not in raw).map(file_names.as_text)
#: every letter there is, those that no XML and no UTF-8 can hold too
anything = st.text(
    st.characters() | st.sampled_from("\0\x01\x1f\x7f\x85\u2028\ufffe\uffff\ud800\udfff&<>\"'\r\n\t]"), max_size=30
)
HEAD = {"message_id": "m-1", "message_type": "XX.test", "operation": "declare", "sender_id": "1", "receiver_id": "customs"}


def message(source: str, said: str) -> Message:
    faults = (Fault("GW-E02", said, said, path=said, label=said),)
    return Message(
        "id-1", Kind.SUBMISSION, "demo", "XX.test", "declare", State.REFUSED, 0, 0, source=source, reference=said, faults=faults
    )


class Signatory:
    """A key, and the certificate that is trusted for it."""

    def __init__(self) -> None:
        issued = make_software_card(
            make_authority("x", VALID), Holder("x", "8900000000017", ()), validity=VALID, key_type="p-256"
        )
        self.chain = der_chain(issued.certificates)
        self.key = load_pem_private_key(issued.key, None)
        self.trusted = TrustedCertificate(x509.load_der_x509_certificate(self.chain[0]))

    def signed(self, raw: bytes) -> bytes:
        prepared = prepare(raw, algorithm_of(signing_key(self.trusted.certificate)))
        return prepared.complete(signature_of(self.key, prepared.signed_info_digest), self.chain)


@pytest.fixture(scope="module")
def signatory() -> Signatory:
    return Signatory()


@given(names, anything)
@example("a\x01\ufffe\uffff.xml", "\ud800")
def test_a_sealed_package_verifies_and_names_its_file(signatory: Signatory, name: str, said: str) -> None:
    head = {**HEAD, "ic_card": said, "send_time": said, "environment": said}
    raw = package(**head, file_name=name, document=b'<a xmlns="urn:a"></a>')

    root = verify(signatory.signed(raw), [signatory.trusted], NOW).root

    assert etree.tostring(root, method="c14n", exclusive=True) == raw
    assert (root.findtext("{*}EnvelopInfo/{*}file_name") or "") == visible(name)
    assert (root.findtext("{*}EnvelopInfo/{*}ic_card") or "") == visible(said)


@given(names, anything)
def test_a_technical_response_is_read_back_in_both_forms(name: str, said: str) -> None:
    about = message(name, said)
    root = etree.fromstring(technical_response(about, numbers={said: said}, language="zh", code="1"))
    told = json.loads(technical_response_json(replace_surrogates(about), numbers={}, language="zh", code="1"))

    (fault,) = root.iterfind("{*}Faults/{*}Fault")
    assert (fault.get("path"), fault.text or "") == (visible(said), visible(said))
    assert (root.get("reference"), root.findtext("{*}Numbers/{*}Number") or "") == (visible(said), visible(said))
    assert told["faults"][0]["code"] == "GW-E02"


def replace_surrogates(about: Message) -> Message:
    """Names and contents come without halves of letters (`file_names.as_text`, the reader): JSON has no other way to say them."""
    plain = [re.sub("[\ud800-\udfff]", "?", f.zh) for f in about.faults]
    return replace(
        about,
        reference=plain[0],
        faults=tuple(replace(f, zh=p, en=p, path=p, label=p) for f, p in zip(about.faults, plain, strict=True)),
    )


@given(names, anything)
def test_status_files_and_the_index_are_json_whatever_stands_in_them(name: str, said: str) -> None:
    status = {"file": name, "shown": file_names.shown(name), "faults": [{"path": said}]}

    assert json.loads(encoded(status))["file"] == name
    assert json.loads(encoded(open_line(message(name, said))))


@given(anything)
def test_results_are_read_back_in_every_form(said: str) -> None:
    column = Column("name", Text("名称", "name"), "")
    result = Result("t", {"total": 1, "as_of": "2026-11-20T18:00:00.000+08:00", "note": said}, [column], [{"name": said}])
    plain = re.sub("[\ud800-\udfff]", "?", said)

    root = etree.fromstring(as_xml(result))

    assert (root.get("note"), root.findtext("{*}Row/{*}name") or "") == (visible(said), visible(said))
    sound = replace(result, head={**result.head, "note": plain}, rows=[{"name": plain}])
    assert orjson.loads(as_json(sound))["rows"] == [{"name": plain}]
    assert as_csv(sound) and as_xlsx(sound)


@given(st.binary(max_size=60).filter(lambda raw: b"/" not in raw and b"\0" not in raw))
def test_a_name_that_is_shown_can_be_written_anywhere(raw: bytes) -> None:
    text = file_names.as_text(raw)

    assert file_names.as_bytes(text) == raw
    assert isinstance(file_names.shown(text).encode(), bytes)
    assert not re.search("[\ud800-\udfff]", text)


def test_letters_that_no_xml_can_hold_do_not_look_alike() -> None:
    shown: dict[str, Any] = {visible(f"a{chr(point)}b"): point for point in range(0x10000)}

    assert len(shown) == 0x10000
