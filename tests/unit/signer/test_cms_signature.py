"""Our CMS signed messages are good for the `openssl` program, and hold what they should."""

import shutil
import subprocess
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from asn1crypto import cms

from tongguan.signer.cards.card import open_card
from tongguan.signer.cms_signature import prepare

DOCUMENT = '<Package xmlns="urn:tongguan:package:1"><GName>冻牛肉</GName>\r\n</Package>'.encode()


@pytest.fixture
def opened_by_openssl(tmp_path, authority):
    """Give what the `openssl` program verified, trusting the test authority; None where it refuses."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")

    def opened(message):
        (tmp_path / "signed.der").write_bytes(message)
        (tmp_path / "authority.pem").write_bytes(authority.certificates)
        words = ["cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-CAfile", "authority.pem"]
        command = [program, *words, "-in", "signed.der", "-out", "content"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        return (tmp_path / "content").read_bytes() if done.returncode == 0 else None

    return opened


def signed(signer, document, at):
    prepared = prepare(document, signer.algorithm, at)
    return prepared.complete(signer.raw(prepared.signed_info_digest), signer.chain)


def attributes(message):
    info = cms.ContentInfo.load(message, strict=True)["content"]["signer_infos"][0]
    return {one["type"].native: one["values"][0].native for one in info["signed_attrs"]}


def test_the_openssl_program_believes_a_signed_document_and_gives_it_back_byte_by_byte(signer, now, opened_by_openssl):
    assert opened_by_openssl(signed(signer, DOCUMENT, now)) == DOCUMENT


def test_the_openssl_program_refuses_a_changed_digit(signer, now, opened_by_openssl):
    message = signed(signer, b"<a><qty>1000</qty></a>", now)

    assert opened_by_openssl(message) is not None
    assert opened_by_openssl(message.replace(b"1000", b"9000")) is None


def test_the_openssl_program_refuses_another_keys_signature(signer, now, new_signatory, opened_by_openssl):
    prepared = prepare(DOCUMENT, signer.algorithm, now)
    stranger = new_signatory(key_type="rsa-2048" if signer.algorithm == "rsa-sha256" else "p-256")

    assert opened_by_openssl(prepared.complete(stranger.raw(prepared.signed_info_digest), signer.chain)) is None


def test_what_is_signed_tells_kind_digest_and_time(signer, now):
    told = attributes(signed(signer, DOCUMENT, now))

    assert told == {"content_type": "data", "message_digest": sha256(DOCUMENT).digest(), "signing_time": now}


def test_a_time_of_signing_after_2049_keeps_its_century(signer):
    late = datetime(2050, 1, 1, tzinfo=UTC)

    assert attributes(signed(signer, DOCUMENT, late))["signing_time"] == late


def test_the_whole_chain_travels_with_the_message(signer, now):
    found = cms.ContentInfo.load(signed(signer, DOCUMENT, now))["content"]["certificates"]

    assert {one.chosen.dump() for one in found} == set(signer.chain)


@pytest.mark.needs_token
@pytest.mark.parametrize("key_type", ["rsa-2048", "p-256"])
def test_the_openssl_program_believes_what_a_token_signs(key_type, token_home, now, opened_by_openssl):
    card = open_card(token_home.labelled(key_type), token_home.folder)
    try:
        prepared = [prepare(DOCUMENT + mark, card.algorithm, now) for mark in (b"1", b"2")]
        signatures = card.sign([each.signed_info_digest for each in prepared])
        messages = [each.complete(raw, card.certificate_chain) for each, raw in zip(prepared, signatures, strict=True)]
    finally:
        card.close()

    assert [opened_by_openssl(message) for message in messages] == [DOCUMENT + b"1", DOCUMENT + b"2"]
