"""Our signatures are good for everyone else."""

from base64 import b64decode
from hashlib import sha256

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import DigestAlgorithm, SignatureConfiguration, SignatureMethod, XMLVerifier

from tongguan.signer.verify import verify
from tongguan.signer.xml_signature import DS, prepare

DOCUMENTS = {
    "package": '<Package xmlns="urn:tongguan:package:1"><EnvelopInfo><version>1.0</version></EnvelopInfo></Package>',
    "chinese": '<Package xmlns="urn:tongguan:package:1"><GName>冻牛肉 &amp; 部位 &lt;1&gt;</GName>\n</Package>',
    "inner namespaces": '<p:A xmlns:p="urn:a" xmlns:unused="urn:u"><B xmlns="urn:b" p:z="1" a="2"/><p:C xmlns:p="urn:c"/>tail</p:A>',
    "empty": "<Package/>",
    "white space": "<a>\r\n  <b attr='  x\ty &#xA; z'/>\n\n</a>",
    "supplementary plane": "<a>𠮷野家 \U0001f600</a>",
}


@pytest.fixture(params=DOCUMENTS)
def canonical(request):
    return etree.tostring(etree.fromstring(DOCUMENTS[request.param]), method="c14n", exclusive=True)


def by_xmlsec(document, certificate):
    signature = etree.fromstring(document).find(f"{{{DS}}}Signature")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate.public_bytes(Encoding.PEM), xmlsec.KeyFormat.CERT_PEM)
    try:
        context.verify(signature)
    except xmlsec.Error:
        return False
    return True


def by_signxml(document, certificate, now):
    expected = SignatureConfiguration(
        location="./",
        expect_references=1,
        verification_time=now,
        signature_methods=frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
    )
    return XMLVerifier().verify(document, x509_cert=certificate, expect_config=expected).signed_xml


def test_signxml_believes_every_document_that_we_sign(canonical, signer, now):
    tree = by_signxml(signer.signed(canonical), signer.certificate, now)

    assert canonical == etree.tostring(tree, method="c14n", exclusive=True)


def test_xmlsec_believes_every_document_that_we_sign(canonical, signer):
    assert by_xmlsec(signer.signed(canonical), signer.certificate)


def test_the_xmlsec1_program_believes_every_document_and_the_chain_in_it(canonical, signer, xmlsec1):
    assert xmlsec1(signer.signed(canonical))


def test_our_own_verification_gives_back_what_was_signed(canonical, signer, now):
    root = verify(signer.signed(canonical), [signer.trusted], now).root

    assert canonical == etree.tostring(root, method="c14n", exclusive=True)


def test_xmlsec_and_xmlsec1_refuse_a_changed_digit(signer, xmlsec1):
    forged = signer.signed(b"<a><qty>1000</qty></a>").replace(b"1000", b"9000")

    assert not by_xmlsec(forged, signer.certificate)
    assert not xmlsec1(forged)


def test_an_element_is_signed_as_its_canonical_bytes_are_and_left_alone(signer):
    root = etree.fromstring("<a xmlns:unused='urn:u'><!-- no part of it --><b x='1' a='2'/></a>")
    before = etree.tostring(root)
    canonical = etree.tostring(root, method="c14n", exclusive=True, with_comments=False)

    assert prepare(canonical, signer.algorithm) == prepare(root, signer.algorithm)
    assert before == etree.tostring(root)


def test_the_whole_chain_travels_in_key_info_leaf_first(signer):
    tree = etree.fromstring(signer.signed(b"<a></a>"))

    assert list(signer.chain) == [b64decode(each.text) for each in tree.iter(f"{{{DS}}}X509Certificate")]


def test_the_signature_is_the_last_child_of_the_root(signer):
    tree = etree.fromstring(signer.signed(b"<a><b></b>text</a>"))

    assert tree[-1].tag == f"{{{DS}}}Signature"
    assert tree[0].tail == "text"


def test_signed_info_is_written_in_its_own_canonical_form(signer):
    prepared = prepare(b"<a></a>", signer.algorithm)
    document = prepared.complete(b"", signer.chain)
    signed_info = etree.fromstring(document).find(f".//{{{DS}}}SignedInfo")

    assert sha256(etree.tostring(signed_info, method="c14n", exclusive=True)).digest() == prepared.signed_info_digest
