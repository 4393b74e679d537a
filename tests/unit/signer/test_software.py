"""A software card behaves as a token does."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from tongguan.gateway.settings import Card
from tongguan.signer.cards.card import PinState, open_card
from tongguan.signer.cards.pin import Secret
from tongguan.signer.cards.software import SoftwareCard
from tongguan.signer.certificate import is_signature, signing_key
from tongguan.signer.errors import CardAbsent, CardBroken, CardMismatch, PinNeeded, PinUnfit, PinWrong

DIGESTS = [sha256(str(number).encode()).digest() for number in range(4)]


def assert_signs(card):
    key = signing_key(x509.load_der_x509_certificate(card.certificate_chain[0]))

    assert all(is_signature(key, *pair) for pair in zip(card.sign(DIGESTS), DIGESTS, strict=True))


@pytest.mark.parametrize(("key_type", "algorithm"), [("rsa-2048", "rsa-sha256"), ("p-256", "ecdsa-sha256")])
def test_the_algorithm_is_that_of_the_certificate(software, key_type, algorithm):
    card = software(key_type=key_type)

    assert card.algorithm == algorithm
    assert_signs(card)


def test_many_threads_may_sign_at_once(software):
    card = software()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda digest: (digest, card.sign([digest])[0]), DIGESTS * 16))
    key = signing_key(x509.load_der_x509_certificate(card.certificate_chain[0]))

    assert all(is_signature(key, signature, digest) for digest, signature in answers)


def test_with_a_delay_it_signs_one_at_a_time_as_a_real_key(software):
    card = software(delay=0.02)
    card.sign([])
    started = time.monotonic()
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda _: card.sign(DIGESTS[:2]), range(5)))

    assert time.monotonic() - started >= 0.2


def test_it_is_absent_while_its_file_is_away(software, tmp_path):
    card = software()
    card.sign(DIGESTS)
    (tmp_path / "key.pem").rename(tmp_path / "away.pem")
    with pytest.raises(CardAbsent):
        card.sign(DIGESTS)
    assert card.probe().present is False
    (tmp_path / "away.pem").rename(tmp_path / "key.pem")

    assert_signs(card)
    assert card.probe().present is True


@pytest.mark.parametrize("file", ["card.pem", "key.pem"])
def test_a_file_that_is_there_and_cannot_be_read_is_told_as_that_and_no_card_that_is_out(software, tmp_path, file):
    card = software()
    path = tmp_path / file
    path.rename(tmp_path / "aside")
    path.mkdir()
    for ask in (card.probe, lambda: card.sign(DIGESTS)):
        with pytest.raises(CardBroken, match=f"{file} cannot be read: Is a directory"):
            ask()
    path.rmdir()
    (tmp_path / "aside").rename(path)

    assert card.probe().present is True
    assert_signs(card)


def test_another_certificate_and_key_in_its_place_are_another_card(software):
    card = software()
    card.sign(DIGESTS)
    software()

    assert card.probe().matches is False
    with pytest.raises(CardMismatch):
        card.sign(DIGESTS)


def test_a_key_that_is_not_the_certificates_is_refused(software, tmp_path):
    card = software()
    certificate = (tmp_path / "card.pem").read_bytes()
    software()
    (tmp_path / "card.pem").write_bytes(certificate)

    with pytest.raises(CardBroken, match="is not the key of"):
        card.sign(DIGESTS)


def test_the_bound_number_is_demanded(software):
    card = software(bound="8900000000042")

    with pytest.raises(CardMismatch) as caught:
        card.sign(DIGESTS)
    assert (caught.value.in_reader, caught.value.bound) == ("8900000000017", "8900000000042")


def test_an_encrypted_key_opens_with_its_pin(software):
    card = software(pin="2468", key_pin="2468")

    assert_signs(card)
    assert card.probe().pin is PinState.GOOD


def test_a_wrong_pin_closes_it_until_a_person_gives_another(software, tmp_path):
    card = software(pin="1111", key_pin="2468")
    with pytest.raises(PinWrong):
        card.sign(DIGESTS)
    (tmp_path / "pin").write_text("2468")
    with pytest.raises(PinWrong):
        card.sign(DIGESTS)
    assert card.probe().pin is PinState.WRONG
    card.give_pin(Secret("2468"))

    assert_signs(card)


def test_a_locked_start_and_a_missing_pin_wait_for_a_person(software):
    locked = software(pin="2468", key_pin="2468", locked=True)
    with pytest.raises(PinWrong):
        locked.sign(DIGESTS)
    without = software(key_pin="2468")
    with pytest.raises(PinNeeded):
        without.sign(DIGESTS)
    without.give_pin(Secret("2468"))

    assert_signs(without)


def test_an_empty_pin_is_not_tried_and_replaces_no_good_one(software):
    card = software(pin="2468", key_pin="2468")
    card.sign(DIGESTS)
    for given in ("", " ", "２４６８", "\x00"):
        with pytest.raises(PinUnfit):
            card.give_pin(Secret(given))

    assert card.probe().pin is PinState.GOOD
    assert_signs(card)


def test_a_wrong_pin_from_a_person_closes_it_at_once(software):
    card = software(pin="2468", key_pin="2468")
    card.sign(DIGESTS)
    with pytest.raises(PinWrong):
        card.give_pin(Secret("1357"))
    assert card.probe().pin is PinState.WRONG
    with pytest.raises(PinWrong):
        card.sign(DIGESTS)
    card.give_pin(Secret("2468"))

    assert_signs(card)


def test_a_renewed_certificate_under_the_bound_number_is_another_card(software, tmp_path):
    first = software()
    bound = Card(
        name="demo",
        authority="customs",
        kind="software",
        key="key.pem",
        certificate="card.pem",
        fingerprint=sha256(first.certificate_chain[0]).hexdigest(),
    )
    assert_signs(SoftwareCard(bound, tmp_path, bound="8900000000017"))
    software()
    renewed = SoftwareCard(bound, tmp_path, bound="8900000000017")

    assert renewed.probe().matches is False
    with pytest.raises(CardMismatch, match="sha256"):
        renewed.sign(DIGESTS)
    assert_signs(SoftwareCard(bound, tmp_path))  # unbound, to be bound anew, any may be looked at


def test_a_closed_card_signs_no_more(software):
    card = software()
    card.close()

    with pytest.raises(CardBroken):
        card.sign(DIGESTS)


def test_the_e_port_control_is_refused_with_words(tmp_path):
    with pytest.raises(CardBroken, match="eport is not in this release"):
        open_card(Card.model_construct(name="demo", authority="customs", kind="eport"), tmp_path)


def test_a_certificate_whose_key_has_no_algorithm_of_ours_is_named(software, tmp_path, now):
    card = software()
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    (tmp_path / "card.pem").write_bytes(builder.sign(key, None).public_bytes(Encoding.PEM))

    with pytest.raises(CardBroken, match="neither RSA nor ECDSA"):
        card.sign(DIGESTS)


def test_files_that_are_no_key_and_no_certificate_are_named(software, tmp_path):
    card = software()
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(CardBroken, match=r"key\.pem"):
        card.sign(DIGESTS)
    other = software()
    (tmp_path / "card.pem").write_text("no certificate")
    with pytest.raises(CardBroken, match=r"card\.pem"):
        other.sign(DIGESTS)
