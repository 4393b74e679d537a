"""Letters in every form: XML or CMS signed, clear or encrypted; and those that are refused."""

import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tongguan.simulators.messages.decode import Opener, open_letter
from tongguan.simulators.messages.markup import NotXml
from tongguan.simulators.messages.signing import Unproven
from tongguan.simulators.settings import WrongSettings, load_settings
from tongguan.simulators.setup import self_signed

NA = "NA.application"
BINARY = pkcs7.PKCS7Options.Binary


def cms(content, *pens, digest=None, detached=False):
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    for pen in pens:
        builder = builder.add_signer(pen.certificate, pen.key, digest or hashes.SHA256())
    return builder.sign(Encoding.DER, [BINARY, pkcs7.PKCS7Options.DetachedSignature] if detached else [BINARY])


def to(certificate, content):
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(certificate)
    return builder.set_content_encryption_algorithm(AES256).encrypt(Encoding.DER, [BINARY])


@pytest.fixture
def wrapped(simulators):
    """Encrypt to an authority of the home."""

    def wrap(authority, content, home=simulators.home):
        return to(x509.load_pem_x509_certificate((home / "trust" / f"{authority}-encryption.pem").read_bytes()), content)

    return wrap


@pytest.fixture
def unsigned(mofcom, fresh, application):
    """Write a declare without a signature: its Message-Id and its bytes."""

    def write(markers="!stay=10", client=mofcom, **more):
        inside = application(fresh.application())
        return client.package(NA, "declare", inside, reference=fresh.reference(markers), sign=False, **more)

    return write


@pytest.fixture
def faults_of(mofcom, faults):
    """Post a message that is refused, and list the codes of its receipt's faults."""

    def refused(message, body):
        reply = mofcom.post(message, body)
        assert reply.status == 400
        return [code for code, _ in faults(mofcom.read(reply.body))]

    return refused


def test_a_cms_signed_message_is_taken(mofcom, unsigned, codes):
    message, package = unsigned()

    assert mofcom.post(message, cms(package, mofcom.pen)).status == 202
    assert codes(mofcom.until("10")) == ["10"]


def test_a_cms_signed_message_with_a_p_256_key_is_believed(customs):
    message, package = customs.package("EW.other", "query", reference="Q", sign=False, attributes='kind="status" number="X"')

    receipt = customs.read(customs.post(message, cms(package, customs.pen), "queries").body)

    assert receipt.get("code") == "Q1"  # it was read and believed; there is no such document


@pytest.mark.parametrize("form", ["xml", "cms"])
def test_an_encrypted_message_is_taken_in_either_form_of_signature(form, mofcom, fresh, application, wrapped, codes):
    inside, reference = application(fresh.application()), fresh.reference("!stay=10")
    message, package = mofcom.package(NA, "declare", inside, reference=reference, sign=form == "xml")

    reply = mofcom.post(message, wrapped("mofcom", cms(package, mofcom.pen) if form == "cms" else package))

    assert (reply.status, mofcom.read(reply.body).get("account")) == (202, mofcom.account)
    assert codes(mofcom.until("10")) == ["10"]


def test_an_encrypted_query_is_answered(mofcom, wrapped, faults):
    message, package = mofcom.package(NA, "query", reference="Q", sign=False, attributes='kind="status" number="NA2699"')

    receipt = mofcom.read(mofcom.post(message, wrapped("mofcom", package), "queries").body)

    assert (receipt.get("code"), receipt.get("account")) == ("Q1", mofcom.account)


def test_markers_work_in_a_reference_that_is_encrypted(mofcom, unsigned, wrapped):
    message, package = unsigned("!503=1!stay=10")
    body = wrapped("mofcom", cms(package, mofcom.pen))

    assert [mofcom.post(message, body).status for _ in range(2)] == [503, 202]


def test_an_envelope_for_somebody_else_is_refused(mofcom, unsigned, wrapped, tools, faults_of):
    message, package = unsigned()
    stranger = tools.make_pen("other", rsa.generate_private_key(65537, 2048)).certificate

    assert faults_of(message, to(stranger, package)) == ["PKG-12"]
    assert faults_of(message + "2", wrapped("customs", package)) == ["PKG-12"]


def test_an_envelope_within_an_envelope_is_not_read(unsigned, wrapped, faults_of):
    message, package = unsigned()

    assert faults_of(message, wrapped("mofcom", wrapped("mofcom", package))) == ["PKG-00"]


def test_an_encrypted_message_without_a_signature_is_refused(unsigned, wrapped, faults_of):
    message, package = unsigned()

    assert faults_of(message, wrapped("mofcom", package)) == ["SIG-02"]


def test_what_was_changed_after_signing_is_refused(mofcom, unsigned, faults_of):
    message, package = unsigned()

    assert faults_of(message, cms(package, mofcom.pen).replace(b"2601111000", b"2601111001")) == ["SIG-01"]


def test_a_broken_signature_is_refused(mofcom, unsigned, faults_of):
    message, package = unsigned()
    signed = cms(package, mofcom.pen)

    assert faults_of(message, signed[:-1] + bytes([signed[-1] ^ 1])) == ["SIG-01"]


def test_another_enterprises_card_is_refused(simulators, unsigned, faults_of):
    message, package = unsigned()

    assert faults_of(message, cms(package, simulators.pens["other"])) == ["CARD-01"]


def test_a_certificate_that_only_calls_itself_like_the_card_is_refused(unsigned, tools, faults_of):
    message, package = unsigned()

    assert faults_of(message, cms(package, tools.make_pen("demo", rsa.generate_private_key(65537, 2048)))) == ["CARD-02"]


def test_only_one_signer_one_digest_and_a_content_inside_are_believed(simulators, mofcom, unsigned, faults_of):
    message, package = unsigned()
    signed = mofcom.signed(package.decode())
    refused = {
        "two signers": (cms(package, mofcom.pen, simulators.pens["other"]), "PKG-00"),
        "sha-512": (cms(package, mofcom.pen, digest=hashes.SHA512()), "SIG-01"),
        "no content": (cms(package, mofcom.pen, detached=True), "PKG-00"),
        "two signatures": (cms(signed, mofcom.pen), "SIG-01"),
        "cut off": (cms(package, mofcom.pen)[:-20], "PKG-00"),
        "more behind": (cms(package, mofcom.pen) + b"\0", "PKG-00"),
        "no CMS": (b"\x30\x03\x02\x01\x00", "PKG-00"),
        "no DER": (b"\x30\x84\xff\xff\xff\xff", "PKG-00"),
    }

    found = {why: faults_of(f"{message}-{n}", body) for n, (why, (body, _)) in enumerate(refused.items())}

    assert found == {why: [code] for why, (_, code) in refused.items()}


PEN_KEY, OPENER_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(2))
SIGNER, OPENER = self_signed("card", PEN_KEY), Opener(OPENER_KEY, self_signed("authority", OPENER_KEY, encrypts=True))
DOCUMENT = b"<Package><No>1</No></Package>"
SIGNED = (
    pkcs7.PKCS7SignatureBuilder().set_data(DOCUMENT).add_signer(SIGNER, PEN_KEY, hashes.SHA256()).sign(Encoding.DER, [BINARY])
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([SIGNED, to(OPENER.certificate, SIGNED)]), st.data())
def test_a_damaged_letter_says_what_was_signed_or_is_not_believed(letter, data):
    place = data.draw(st.integers(1, len(letter) - 1))
    put, skip = data.draw(st.binary(max_size=3)), data.draw(st.integers(0, 3))

    try:
        root = open_letter(OPENER, letter[:place] + put + letter[place + skip :]).proven(SIGNER)
    except (NotXml, Unproven):
        return

    assert etree.tostring(root) == DOCUMENT


def test_other_bytes_under_a_used_id_are_a_conflict_that_names_the_account_of_an_encrypted_message(mofcom, unsigned, wrapped):
    message, package = unsigned()
    mofcom.post(message, wrapped("mofcom", cms(package, mofcom.pen)))

    conflict = mofcom.post(message, wrapped("mofcom", cms(package, mofcom.pen)))

    assert (conflict.status, mofcom.read(conflict.body).get("account")) == (409, mofcom.account)


def test_where_encryption_is_demanded_clear_text_is_refused_by_name(own_home, application, faults, wrapped):
    home, begin, _ = own_home
    file = home / "simulators" / "simulators.toml"
    file.write_text(file.read_text().replace("encrypted = false", "encrypted = true"))
    client = begin().client("mofcom")

    message, package = client.package(NA, "declare", application(f"NA26{uuid.uuid4().int % 10**14:014d}"), reference="R-1")
    refused = client.post(message, package)
    asked, query = client.package(NA, "query", reference="Q", sign=False, attributes='kind="status" number="NA2699"')
    unanswered = client.post(asked, query, "queries")
    taken = client.post(message.removesuffix("-1") + "-2", wrapped("mofcom", package, home))

    receipt = client.read(refused.body)
    assert (refused.status, receipt.get("code"), receipt.get("account")) == (400, "1", client.account)
    assert [code for code, _ in faults(receipt)] == ["PKG-11"]
    assert (unanswered.status, [code for code, _ in faults(client.read(unanswered.body))]) == (400, ["PKG-11"])
    assert taken.status == 202


def test_encryption_cannot_be_demanded_without_a_key(own_home):
    home, _, _ = own_home
    file = home / "simulators" / "simulators.toml"
    lines = file.read_text().replace("encrypted = false", "encrypted = true").splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("encryption_")))

    with pytest.raises(WrongSettings, match=r"\[mofcom\] encrypted = true needs encryption_key"):
        load_settings(home)
