"""What leaves in an authority's own form: its order, what sealing writes into it, and the signature over its fields."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from agreement_desk import Office, open_office
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from declarations import NS, client
from lxml import etree

from tongguan.gateway.flow.submission.own_form import in_own_form

pytestmark = pytest.mark.requirement("CD-13")
DEC, DS = f"{{{NS}}}", "{http://www.w3.org/2000/09/xmldsig#}"
#: in the order in which the description of the format adds them up
HEAD = [
    "SeqNo",
    "PreEntryId",
    "ManualNo",
    "CustomMaster",
    "IEPort",
    "ContrNo",
    "BillNo",
    "TrafMode",
    "TrafName",
    "TradeCode",
    "TradeName",
    "OwnerCode",
    "OwnerName",
    "AgentCode",
    "AgentName",
    "TradeCountry",
    "TradeMode",
    "DistinatePort",
    "TransMode",
    "CutMode",
    "FeeMark",
    "FeeRate",
    "FeeCurr",
    "LicenseNo",
    "InsurMark",
    "InsurRate",
    "InsurCurr",
    "ApprNo",
    "OtherMark",
    "OtherRate",
    "OtherCurr",
    "WrapType",
    "PackNo",
    "GrossWet",
    "NetWt",
    "NoteS",
    "EntryType",
    "IEDate",
    "AgentCodeScc",
    "CopCodeScc",
    "OwnerCodeScc",
    "TradeCoScc",
    "PromiseItmes",
    "TradeAreaCode",
]
LINE = [
    "GNo",
    "ContrItem",
    "CodeTS",
    "GName",
    "GModel",
    "FirstQty",
    "FirstUnit",
    "GQty",
    "GUnit",
    "SecondQty",
    "SecondUnit",
    "OriginCountry",
    "TradeCurr",
    "DeclPrice",
    "UseTo",
    "DutyMode",
    "DestinationCountry",
]


@pytest.fixture(scope="module")
def customs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("customs"), customs=True) as office:
        yield office


def example(office: Office, own: str) -> str:
    """The good example as an ordinary declaration, which names no list."""
    folder = office.shop.daemon.site.rules.profile("CD.declaration").folder / "examples"
    return (folder / "ok-declare-refused.xml").read_text("utf-8").replace("DEMO2026110!refuse", own)


def sealed(office: Office, text: str) -> etree._Element:
    """The package that customs got."""
    status: dict[str, Any] = office.shop.play(office.shop.site.drop(text), "sent", "refused")
    assert status["state"] == "sent", status["faults"]
    (body,) = [call.body for call in office.authority.calls if call.what == "post" and status["reference"].encode() in call.body]
    return etree.fromstring(body)


def text_of(message: etree._Element) -> str:
    """The signed text, by a reading of our own."""
    head, flag = message.find(f"{DEC}DecHead"), message.findtext(f"{DEC}DecHead/{DEC}IEFlag")
    assert head is not None
    names = [name for name in HEAD if name != "IEDate" or flag == "E"]
    rows = [(head, names), *((row, LINE) for row in message.iter(f"{DEC}DecList"))]
    return "".join(row.findtext(f"{DEC}{name}") or "" for row, names in rows for name in names)


def test_a_signature_that_has_no_room_is_left_out(customs: Office) -> None:
    package = sealed(customs, example(customs, client()))
    (message,) = package.iter(f"{DEC}DecMessage")

    assert message.find(f"{DEC}DecSign/{DEC}Sign") is not None
    assert not message.findtext(f"{DEC}DecSign/{DEC}Sign")
    assert next(package.iter(f"{DS}SignatureValue")).text


class ShortKey:
    """A card with an elliptic key, of which only what sealing asks is there."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "card")])
        day = datetime(2026, 1, 1, tzinfo=UTC)
        made = x509.CertificateBuilder(name, name, self.key.public_key(), 1, day, day.replace(year=2030)).sign(
            self.key, hashes.SHA256()
        )
        self.certificate_chain, self.number = (made.public_bytes(Encoding.DER),), "8930000096510"

    def sign(self, digests: Sequence[bytes]) -> list[bytes]:
        found = [decode_dss_signature(self.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))) for digest in digests]
        return [r.to_bytes(32, "big") + s.to_bytes(32, "big") for r, s in found]


@pytest.mark.parametrize("flag", ["I", "E"])
def test_the_card_signs_the_fields_in_their_order_where_there_is_room(customs: Office, flag: str) -> None:
    own, card = client(), ShortKey()
    sealed(customs, example(customs, own))
    rules = customs.shop.daemon.site.rules
    profile = rules.profile("CD.declaration")
    with customs.shop.daemon.journal.read() as records:
        document = records.document_of_key("demo", "CD.declaration", own)
        (sent,) = [m for m in records.messages_of_documents([document.id])[document.id] if m.reference == own] if document else []
    assert document is not None and profile.own_form is not None
    content = {**document.content, "DecHead": {**document.content["DecHead"], "IEFlag": flag}}

    raw, _ = in_own_form(profile, profile.own_form, sent, content, card, now="20261120120000000")  # type: ignore[arg-type]

    message = etree.fromstring(raw)
    assert message.findtext(f"{DEC}DecSign/{DEC}ICCode") == card.number
    signature = b64decode(message.findtext(f"{DEC}DecSign/{DEC}Sign") or "")
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    card.key.public_key().verify(encode_dss_signature(r, s), text_of(message).encode(), ec.ECDSA(hashes.SHA256()))


def test_sealing_writes_the_operation_and_the_time_and_keeps_the_order(customs: Office) -> None:
    package = sealed(customs, example(customs, client()))
    (message,) = package.iter(f"{DEC}DecMessage")

    names = [etree.QName(one).localname for one in message]
    assert names == [
        "DecHead", "DecLists", "DecContainers", "DecLicenseDocus", "DecFreeTxt", "DecSign", "EdocRealation",
    ]  # fmt: skip
    assert message.get("Version") == "3.1"
    assert message.findtext(f"{DEC}DecSign/{DEC}OperType") == "C"
    assert len(message.findtext(f"{DEC}DecSign/{DEC}SignDate") or "") == 16
    assert (message.findtext(f"{DEC}DecHead/{DEC}FeeRate"), message.findtext(f"{DEC}DecHead/{DEC}IEDate")) == ("260", "20261118")
