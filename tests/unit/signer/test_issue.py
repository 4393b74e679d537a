"""Test certificates carry what a card's certificate carries, and strict readers accept them."""

import pytest
from cryptography import x509
from cryptography.x509 import verification

from tongguan.signer.cards.module import find_module
from tongguan.signer.certificate import card_number, der_chain, holder_codes, in_order


def test_a_certificate_tells_number_and_codes_of_its_holder(signer, holder):
    assert card_number(signer.certificate) == holder.number
    assert holder_codes(signer.certificate) == holder.codes


def test_an_authority_has_neither_number_nor_codes(authority):
    certificate = x509.load_pem_x509_certificate(authority.certificates)

    assert (card_number(certificate), holder_codes(certificate)) == ("", ())


def test_the_chain_satisfies_a_strict_path_check(signer, authority, now):
    store = verification.Store([x509.load_pem_x509_certificate(authority.certificates)])
    builder = verification.PolicyBuilder().store(store).time(now)
    builder = builder.extension_policies(
        ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=verification.ExtensionPolicy.permit_all()
    )

    assert len(builder.build_client_verifier().verify(signer.certificate, []).chain) == 2


def test_certificates_in_any_order_become_a_chain_from_the_leaf(signer, new_signatory):
    leaf, authority = signer.chain
    stranger = new_signatory().chain[0]

    assert in_order([stranger, authority, leaf], leaf) == (leaf, authority)
    assert in_order([stranger], leaf) == (leaf,)


def test_the_pem_chain_begins_with_the_leaf(signer):
    assert der_chain(signer.issued.certificates)[0] == signer.chain[0]


def test_the_library_named_in_the_environment_comes_first(tmp_path, monkeypatch):
    chosen = tmp_path / "libother.so"
    chosen.touch()
    monkeypatch.setenv("PKCS11_MODULE", str(chosen))

    assert find_module() == chosen
    assert find_module("libother.so") == chosen
    assert find_module("libthird.so") is None


@pytest.mark.parametrize("name", ["vendor/lib.so", "./vendor/lib.so"])
def test_a_library_with_a_path_is_sought_in_the_home_only(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PKCS11_MODULE", "/nowhere/lib.so")
    assert find_module(name, tmp_path) is None
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "lib.so").touch()

    assert find_module(name, tmp_path) == tmp_path / "vendor" / "lib.so"
