"""Good documents are believed; each known way of tampering, wrapping and confusing is refused with its code."""

import hashlib
import hmac
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import SignatureConfiguration, SignatureMethod, XMLSigner, XMLVerifier, methods

from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.issue import Validity
from tongguan.signer.verify import TrustedCertificate, parse_strict, verify
from tongguan.signer.xml_signature import DS, ENVELOPED, EXCLUSIVE, SHA256, SIGNATURE_METHODS, prepare

BODY = b'<Receipt xmlns="urn:tongguan:receipt:1" code="P" number="123"><Numbers><Number>1000</Number></Numbers></Receipt>'
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


def signature_in(document):
    start, end = document.index(b"<ds:Signature "), document.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    return document[start:end]


def wrap_whole(document, evil):
    """Put the signed original below an evil root."""
    return evil.replace(b"</Numbers>", b"</Numbers><Junk>" + document + b"</Junk>")


def wrap_with_signature_on_top(document, evil):
    """Give the evil root the signature, keep the original beside it."""
    signature = signature_in(document)
    original = document.replace(signature, b"")
    return evil.replace(b"</Receipt>", b"<Junk>" + original + b"</Junk>" + signature + b"</Receipt>")


def wrap_in_signature(document, evil):
    """Hide the original inside an Object of the signature."""
    signature = signature_in(document)
    hidden = b"<ds:Object>" + document.replace(signature, b"") + b"</ds:Object></ds:Signature>"
    return evil.replace(b"</Receipt>", signature.replace(b"</ds:Signature>", hidden) + b"</Receipt>")


def wrap_in_key_info(document, evil):
    signature = signature_in(document)
    hidden = document.replace(signature, b"") + b"</ds:KeyInfo>"
    return evil.replace(b"</Receipt>", signature.replace(b"</ds:KeyInfo>", hidden) + b"</Receipt>")


def move_signature_deeper(document, evil):
    return document.replace(signature_in(document), b"").replace(b"</Numbers>", signature_in(document) + b"</Numbers>")


def move_signature_first(document, evil):
    return document.replace(signature_in(document), b"").replace(b"<Numbers>", signature_in(document) + b"<Numbers>")


def double_signature(document, evil):
    return document.replace(signature_in(document), signature_in(document) * 2)


def second_signature_below(document, evil):
    return document.replace(b"</Number>", signature_in(document) + b"</Number>")


def signature_is_root(document, evil):
    signature = signature_in(document)
    hidden = b"<ds:Object>" + document.replace(signature, b"") + b"</ds:Object></ds:Signature>"
    return signature.replace(b"</ds:Signature>", hidden)


def no_signature(document, evil):
    return evil


def signature_of_another_namespace(document, evil):
    return document.replace(DS.encode(), b"urn:other")


WRAPPED = [
    wrap_whole,
    wrap_with_signature_on_top,
    wrap_in_signature,
    wrap_in_key_info,
    move_signature_deeper,
    move_signature_first,
    double_signature,
    second_signature_below,
    signature_is_root,
    no_signature,
    signature_of_another_namespace,
]


def refusal(document, trusted, at):
    with pytest.raises(SignatureInvalid) as caught:
        verify(document, trusted, at)
    return caught.value.code


@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_wrapped_or_moved_signature_is_refused(wrap, signer, now):
    evil = BODY.replace(b'code="P"', b'code="EVIL"')

    # A signature in its right place over an evil root has the right shape: only its digest gives it away.
    expected = "digest" if wrap is wrap_with_signature_on_top else "shape"

    assert refusal(wrap(signer.signed(BODY), evil), [signer.trusted], now) == expected


def test_a_second_signature_is_refused_even_where_the_first_one_covers_it(signer, new_signatory, now):
    inner = new_signatory().signed(b"<Inner></Inner>")
    outer = signer.signed(BODY.replace(b"</Numbers>", b"</Numbers>" + inner))

    assert refusal(outer, [signer.trusted], now) == "shape"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'code="P"', b'code="L"'),
        (b">1000<", b">9000<"),
        (b"</Numbers>", b"<Number>2</Number></Numbers>"),
        (b"<Numbers>", b"<Numbers> "),
        (b"</Numbers>", b"</Numbers>behind"),
        (b"</ds:Signature>", b"</ds:Signature>behind"),
        (b'number="123"', b'number="123" more="1"'),
        (b'xmlns="urn:tongguan:receipt:1"', b'xmlns="urn:tongguan:receipt:2"'),
        (b"<Numbers>", b'<Numbers xmlns:a="urn:a" a:b="c">'),
    ],
)
def test_ours_signxml_and_xmlsec_agree_that_a_changed_document_is_bad(before, after, signer, now):
    document = signer.signed(BODY)
    forged = document.replace(before, after)
    assert forged != document

    assert refusal(forged, [signer.trusted], now) == "digest"
    assert not signxml_believes(forged, signer, now)
    assert not xmlsec_believes(forged, signer)


def test_ours_signxml_and_xmlsec_agree_that_an_untouched_document_is_good(signer, now):
    document = signer.signed(BODY)

    assert verify(document, [signer.trusted], now).certificate is signer.trusted
    assert signxml_believes(document, signer, now)
    assert xmlsec_believes(document, signer)


def test_a_document_signed_by_signxml_is_believed(signatories, now):
    signer = signatories["rsa-2048"]
    writer = XMLSigner(method=methods.enveloped, signature_algorithm=SignatureMethod.RSA_SHA256, c14n_algorithm=EXCLUSIVE)
    tree = writer.sign(etree.fromstring(BODY), key=signer.issued.key, cert=signer.issued.certificates.decode())

    assert verify(etree.tostring(tree), [signer.trusted], now).root.get("code") == "P"


def test_a_document_signed_by_xmlsec_is_believed_white_space_and_all(signatories, now):
    signer = signatories["rsa-2048"]
    root = etree.fromstring(BODY)
    node = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="x")
    root.append(node)
    reference = xmlsec.template.add_reference(node, xmlsec.Transform.SHA256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(node)))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(signer.issued.key, xmlsec.KeyFormat.PEM)
    context.key.load_cert_from_memory(signer.issued.certificates, xmlsec.KeyFormat.PEM)
    context.sign(node)

    assert verify(etree.tostring(root), [signer.trusted], now).root.get("code") == "P"


def test_only_what_was_signed_is_given_back(signer, now):
    body = b"<a>one<b></b>two</a>"
    pretty = signer.signed(body).replace(b"two<ds:Signature", b"t<ds:Signature").replace(b"</ds:Signature>", b"</ds:Signature>wo")

    root = verify(pretty, [signer.trusted], now).root

    assert body == etree.tostring(root, method="c14n")


def test_text_round_the_signature_of_an_otherwise_empty_root_is_kept(signer, now):
    moved = signer.signed(b"<a>onetwo</a>").replace(b"two<ds:S", b"<ds:S").replace(b"</ds:Signature>", b"</ds:Signature>two")

    assert verify(moved, [signer.trusted], now).root.text == "onetwo"


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b'URI=""', b'URI="#id"', "shape"),
        (b' URI=""', b"", "shape"),
        (b'URI=""', b'URI="" Type="urn:x"', "shape"),
        (b'URI=""', b'URI="http://127.0.0.1/evil"', "shape"),
        (ENVELOPED.encode(), EXCLUSIVE.encode(), "algorithm"),
        (SHA256.encode(), b"http://www.w3.org/2000/09/xmldsig#sha1", "algorithm"),
        (
            b"</ds:Transforms>",
            b'<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/></ds:Transforms>',
            "shape",
        ),
        (b'#enveloped-signature">', b'#enveloped-signature"><ds:XPath>//x</ds:XPath>', "algorithm"),
        (
            b'Transform Algorithm="' + EXCLUSIVE.encode() + b'">',
            b'Transform Algorithm="' + EXCLUSIVE.encode() + b'"><e:InclusiveNamespaces xmlns:e="urn:e" PrefixList="a"/>',
            "algorithm",
        ),
        (b"Method Algorithm=" + b'"' + EXCLUSIVE.encode(), b'Method Algorithm="' + INCLUSIVE.encode(), "algorithm"),
        (
            b"Method Algorithm=" + b'"' + EXCLUSIVE.encode(),
            b'Method Algorithm="' + EXCLUSIVE.encode() + b"WithComments",
            "algorithm",
        ),
        (b"</ds:Reference>", b"</ds:Reference><ds:Reference/>", "shape"),
        (b"ds:DigestValue>", b"ds:Digest>", "shape"),
        (b"ds:DigestValue>", b"DigestValue>", "shape"),
        (b"ds:SignatureMethod", b"ds:MethodOfSignature", "shape"),
        (b"ds:SignatureValue>", b"ds:Value>", "shape"),
        (b"</ds:SignatureMethod>", b"<ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>", "algorithm"),
        (b"<ds:DigestValue>", b"<ds:DigestValue>*", "shape"),
        (b"<ds:DigestValue>", b"<ds:DigestValue><x/>", "shape"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>====", "shape"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA", "signature"),
        (b"<ds:Signature ", b'<ds:Signature Id="x" ', "shape"),
        (b"<ds:SignedInfo>", b"<ds:SignedInfo>text", "shape"),
        (b"</ds:KeyInfo>", b"</ds:KeyInfo>text", "shape"),
        (b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object/>", "shape"),
        (b"</ds:X509Data>", b"<ds:X509SubjectName>CN=x</ds:X509SubjectName></ds:X509Data>", "shape"),
        (b"<ds:X509Data>", b"<ds:KeyName>x</ds:KeyName><ds:X509Data>", "shape"),
    ],
)
def test_a_signature_of_any_other_shape_is_refused(before, after, code, signer, now):
    document = signer.signed(BODY)
    other = document.replace(before, after)
    assert other != document

    assert refusal(other, [signer.trusted], now) == code


def test_every_changed_base64_character_of_the_signature_value_is_refused(signatories, now):
    signer = signatories["p-256"]
    document = signer.signed(BODY)
    start = document.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
    for at in range(start, start + 84):
        other = b"A" if document[at : at + 1] != b"A" else b"B"
        forged = document[:at] + other + document[at + 1 :]

        assert refusal(forged, [signer.trusted], now) == "signature"


def test_an_empty_signature_and_a_zero_one_are_refused(signer, now):
    prepared = prepare(BODY, signer.algorithm)

    for raw in (b"", bytes(64), bytes(256)):
        assert refusal(prepared.complete(raw, signer.chain), [signer.trusted], now) == "signature"


def test_hmac_with_the_public_certificate_as_its_key_is_refused(signer, now):
    document = signer.signed(BODY)
    forged = document.replace(SIGNATURE_METHODS[signer.algorithm].encode(), b"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    signed_info = etree.fromstring(forged).find(f".//{{{DS}}}SignedInfo")
    mac = hmac.new(signer.chain[0], etree.tostring(signed_info, method="c14n", exclusive=True), hashlib.sha256).digest()
    old = etree.fromstring(forged).findtext(f".//{{{DS}}}SignatureValue").encode()

    assert refusal(forged.replace(old, b64encode(mac)), [signer.trusted], now) == "algorithm"


def test_the_method_must_be_that_of_the_trusted_key(signatories, now):
    rsa, elliptic = signatories["rsa-2048"], signatories["p-256"]
    forged = elliptic.signed(BODY).replace(SIGNATURE_METHODS["ecdsa-sha256"].encode(), SIGNATURE_METHODS["rsa-sha256"].encode())

    assert refusal(forged, [elliptic.trusted, rsa.trusted], now) == "algorithm"


def test_a_certificate_that_nobody_named_is_refused_even_from_a_trusted_authority(signer, new_signatory, now):
    stranger = new_signatory()

    assert refusal(stranger.signed(BODY), [signer.trusted], now) == "certificate"
    assert refusal(signer.signed(BODY), [], now) == "certificate"


def test_a_trusted_certificate_over_a_strangers_signature_is_refused(signatories, new_signatory, now):
    trusted, stranger = signatories["p-256"], new_signatory()
    forged = stranger.signed(BODY).replace(b64encode(stranger.chain[0]), b64encode(trusted.chain[0]))

    assert refusal(forged, [trusted.trusted], now) == "signature"


def test_a_trusted_certificate_behind_a_strangers_one_lends_it_no_trust(signer, new_signatory, now):
    stranger = new_signatory()
    both = stranger.signed(BODY).replace(
        b"</ds:X509Data>", b"<ds:X509Certificate>" + b64encode(signer.chain[0]) + b"</ds:X509Certificate></ds:X509Data>"
    )

    assert refusal(both, [signer.trusted], now) == "certificate"


def test_a_bare_key_instead_of_a_certificate_is_refused(signer, now):
    document = signer.signed(BODY)
    start, end = document.index(b"<ds:X509Data>"), document.index(b"</ds:KeyInfo>")
    bare = b"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"

    assert refusal(document[:start] + bare + document[end:], [signer.trusted], now) == "shape"
    assert refusal(document[:start] + b"<ds:X509Data/>" + document[end:], [signer.trusted], now) == "shape"


def test_a_certificate_counts_only_within_its_period(new_signatory, now):
    signer = new_signatory(Validity(now - timedelta(days=20), days=10))
    document = signer.signed(BODY)

    assert refusal(document, [signer.trusted], now) == "period"
    assert refusal(document, [signer.trusted], now - timedelta(days=30)) == "period"
    assert verify(document, [signer.trusted], now - timedelta(days=15)).root.get("code") == "P"


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (b">1000<", b">10<!-- -->00<", "shape"),
        (b">1000<", b">10<?cut here?>00<", "shape"),
        (b"<Receipt", b"<!-- in front --><Receipt", "shape"),
        (b"<Receipt", b"<?stylesheet x?><Receipt", "shape"),
        (b"</Receipt>", b"</Receipt><!-- behind -->", "shape"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue><!-- -->", "shape"),
        (b"<Receipt", b"<!DOCTYPE Receipt><Receipt", "doctype"),
        (b"<Receipt", b'<!DOCTYPE Receipt SYSTEM "file:///etc/hostname"><Receipt', "doctype"),
        (b"<Receipt", b'<!DOCTYPE Receipt [<!ATTLIST Receipt code CDATA "L">]><Receipt', "doctype"),
        (b"<Receipt", b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]><Receipt', "doctype"),
        (b">1000<", b">&undefined;<", "xml"),
        (b"</Receipt>", b"", "xml"),
        (b'xmlns="urn:tongguan:receipt:1"', b'xmlns="1"', "shape"),
    ],
)
def test_tricks_of_the_xml_itself_are_refused(before, after, code, signer, now):
    document = signer.signed(BODY)
    other = document.replace(before, after)
    assert other != document

    assert refusal(other, [signer.trusted], now) == code


def test_an_entity_bomb_is_refused_before_it_grows():
    bomb = b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)
    )
    with pytest.raises(SignatureInvalid) as caught:
        parse_strict(bomb + b"]><b x='&j;'>&j;</b>")

    assert caught.value.code in ("doctype", "xml")


def test_too_many_bytes_and_no_xml_at_all_are_refused():
    with pytest.raises(SignatureInvalid) as size:
        parse_strict(b"<a/>" * 10, most_bytes=10)
    codes = {size.value.code}
    for nothing in (b"", b"PK\x03\x04", b"\xff\xfe\x00", b"<a>" * 100_000):
        with pytest.raises(SignatureInvalid) as caught:
            parse_strict(nothing)
        codes.add(caught.value.code)

    assert codes == {"size", "xml"}


def test_another_encoding_of_the_same_document_is_as_good(signer, now):
    document = signer.signed("<a><名>冻牛肉</名></a>".encode()).decode()

    for encoding in ("gb18030", "utf-16"):
        recoded = f'<?xml version="1.0" encoding="{encoding}"?>{document}'.encode(encoding)

        assert verify(recoded, [signer.trusted], now).root[0].text == "冻牛肉"


def test_the_signed_bytes_may_be_verified_by_many_threads_at_once(signer, now):
    documents = [signer.signed(BODY.replace(b"1000", str(number).encode())) for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        roots = list(threads.map(lambda each: verify(each, [signer.trusted], now).root, documents))

    assert [str(number) for number in range(24)] == [root.findtext(".//{*}Number") for root in roots]


def signxml_believes(document, signer, now):
    expected = SignatureConfiguration(location="./", expect_references=1, verification_time=now)
    try:
        XMLVerifier().verify(document, x509_cert=signer.certificate, expect_config=expected)
    except Exception:
        return False
    return True


def xmlsec_believes(document, signer):
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(signer.certificate.public_bytes(Encoding.PEM), xmlsec.KeyFormat.CERT_PEM)
    try:
        context.verify(etree.fromstring(document).find(f"{{{DS}}}Signature"))
    except xmlsec.Error:
        return False
    return True


def test_a_trusted_certificate_is_pinned_as_a_whole(authority, signer):
    again = TrustedCertificate(signer.certificate)

    assert again.der == signer.chain[0]
    assert again.valid_from == datetime(2026, 1, 1, tzinfo=UTC)
