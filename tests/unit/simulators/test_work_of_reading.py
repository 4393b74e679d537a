"""An authority answers whoever writes to it: no letter keeps it busy for longer than its length."""

from __future__ import annotations

from typing import Any

import pytest
from effort import effort
from shapes import XML, Shape

from tongguan.simulators.messages.decode import open_letter
from tongguan.simulators.messages.markup import NotXml
from tongguan.simulators.messages.signing import Unproven

SIZE = 200_000
MOST = 60  #: times the gateway's reading of an ordinary document of that size: what proves a signature here walks it more often
SIGNATURE = """<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>
<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>
</ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>"""


@pytest.mark.parametrize("shape", XML.values(), ids=XML.keys())
def test_a_letter_of_any_shape_is_refused_in_little_more_than_its_length(shape: Shape, tools: Any) -> None:
    raw, certificate = shape.document(SIZE, end=SIGNATURE), tools.make_pen("card").certificate

    def run() -> None:
        with pytest.raises((NotXml, Unproven)):
            open_letter(None, raw).proven(certificate)

    assert effort(run, len(raw), enough=MOST) < MOST


@pytest.mark.parametrize("encoding", ["utf-7", "utf-16", "utf-32", "cp037"])
def test_no_encoding_hides_a_type_declaration(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
    with pytest.raises(NotXml):
        open_letter(None, text.encode(encoding))


@pytest.mark.parametrize(
    "raw", [b"\x30", b"\x30\x80" * 100_000, b"\x30\x84\xff\xff\xff\xff", b"\x30\x82\x00\x10" + b"\x06\x89" * 8]
)
def test_a_broken_cms_message_is_unreadable(raw: bytes) -> None:
    with pytest.raises(NotXml):
        open_letter(None, raw)
