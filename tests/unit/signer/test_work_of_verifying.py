"""Whoever can answer in an authority's place has no key, and must not be able to stop the receipts of all accounts either."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from effort import effort
from shapes import XML, Shape

from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.verify import parse_strict, verify

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SIZE = 200_000
MOST = 25  #: times an ordinary document of that size


def forged(signatory: Any) -> str:
    """A signature in the only shape that is believed, by nobody: the certificate that is shown is no secret."""
    shown = signatory.signed(b'<Receipt xmlns="urn:tongguan:receipt:1"></Receipt>').decode()
    start = shown.index("<ds:Signature ")
    return shown[start : shown.index("</ds:Signature>") + len("</ds:Signature>")]


def refused(raw: bytes, signatory: Any) -> Callable[[], None]:
    def run() -> None:
        with pytest.raises(SignatureInvalid):
            verify(raw, [signatory.trusted], NOW)

    return run


@pytest.mark.parametrize("shape", XML.values(), ids=XML.keys())
def test_a_receipt_of_any_shape_is_refused_in_little_more_than_its_length(shape: Shape, signatories: dict[str, Any]) -> None:
    raw = shape.document(SIZE, name="Receipt", end=forged(signatories["p-256"]))

    assert effort(refused(raw, signatories["p-256"]), len(raw), enough=MOST) < MOST


@pytest.mark.parametrize("shape", XML.values(), ids=XML.keys())
def test_so_is_one_that_has_its_shape_in_the_signature(shape: Shape, signatories: dict[str, Any]) -> None:
    signature = forged(signatories["p-256"])
    inside = shape.body(SIZE) or f"<a{shape.tag(SIZE)}/>"
    for place in ("<ds:SignatureMethod ", "<ds:DigestValue>", "</ds:X509Data>"):
        raw = f'<Receipt xmlns="urn:tongguan:receipt:1" id="1">{signature.replace(place, inside + place, 1)}</Receipt>'.encode()

        assert effort(refused(raw, signatories["p-256"]), len(raw), enough=MOST) < MOST


def test_a_reason_never_carries_what_a_stranger_wrote_at_length(signatories: dict[str, Any]) -> None:
    signature = forged(signatories["p-256"])
    for found, put in (("ecdsa-sha256", "x" * SIZE), ("<ds:DigestMethod", f"<{'y' * 40_000}/><ds:DigestMethod")):
        raw = f'<Receipt xmlns="urn:tongguan:receipt:1">{signature.replace(found, put)}</Receipt>'.encode()
        with pytest.raises(SignatureInvalid) as wrong:
            verify(raw, [signatories["p-256"].trusted], NOW)

        assert max(len(wrong.value.zh), len(wrong.value.en)) <= 320


@pytest.mark.parametrize(("encoding", "declared"), [("utf-16", "UTF-16"), ("gb18030", "GB18030"), ("utf-8-sig", "utf-8")])
def test_a_receipt_in_another_encoding_is_read(encoding: str, declared: str) -> None:
    raw = f'<?xml version="1.0" encoding="{declared}"?><a>海关已接收</a>'.encode(encoding)

    assert parse_strict(raw).text == "海关已接收"


@pytest.mark.parametrize("encoding", ["utf-7", "cp037", "utf-32", "latin-1", "big5"])
def test_no_encoding_hides_a_type_declaration(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
    with pytest.raises(SignatureInvalid) as wrong:
        parse_strict(text.encode(encoding))

    assert wrong.value.code in ("xml", "doctype")


def test_the_canonical_form_of_the_largest_shape_that_is_read_costs_little(signatories: dict[str, Any]) -> None:
    """The bounds themselves are held against the work: twice as much of the worst that they let through costs twice as much."""
    shape, signature = XML["long namespaces of attributes"], forged(signatories["p-256"])
    once, twice = (shape.document(size, name="Receipt", end=signature) for size in (4 * SIZE, 8 * SIZE))

    def cost(raw: bytes) -> float:
        began = time.thread_time()
        refused(raw, signatories["p-256"])()
        return time.thread_time() - began

    assert min(cost(twice) for _ in range(3)) < 4 * min(cost(once) for _ in range(3))


def test_a_signature_by_the_pinned_key_is_believed_whatever_is_round_it(signatories: dict[str, Any]) -> None:
    signatory = signatories["p-256"]
    rows = "".join(f"<Row><a>{n}</a></Row>" for n in range(20_000))
    raw = signatory.signed(f'<Receipt xmlns="urn:tongguan:receipt:1" id="1"><Content>{rows}</Content></Receipt>'.encode())

    assert verify(raw, [signatory.trusted], NOW).root.get("id") == "1"
