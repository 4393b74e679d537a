"""How fast a signed receipt is verified, in turn with signxml as its documentation shows it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from signxml.verifier import XMLVerifier

from tongguan.gateway.system import clock
from tongguan.signer.certificate import der_chain
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card
from tongguan.signer.verify import TrustedCertificate, verify
from tongguan.signer.xml_signature import prepare


def measure_verification(messages: int) -> str:
    """Verify one receipt again and again, and say what that gave."""
    validity = Validity(clock.now() - timedelta(days=1))
    issued = make_software_card(make_authority("bench", validity), Holder("bench", "1", ("1",)), validity=validity)
    chain = der_chain(issued.certificates)
    key = load_pem_private_key(issued.key, None)
    assert isinstance(key, RSAPrivateKey)
    faults = "".join(f'<Fault code="{n}" path="/Goods[{n}]">规格型号不符合要求</Fault>' for n in range(40))
    prepared = prepare(
        f'<Receipt xmlns="urn:tongguan:receipt:1" id="1"><Faults>{faults}</Faults></Receipt>'.encode(), "rsa-sha256"
    )
    raw = prepared.complete(key.sign(prepared.signed_info_digest, PKCS1v15(), Prehashed(SHA256())), chain)
    trusted = TrustedCertificate(x509.load_der_x509_certificate(chain[0]))
    ours = partial(verify, raw, (trusted,), clock.now())
    theirs = partial(lambda: XMLVerifier().verify(raw, x509_cert=trusted.certificate))
    pairs = [(_rate(ours, messages // 5), _rate(theirs, messages // 25)) for _ in range(5)]
    ratio = statistics.median(mine / other for mine, other in pairs)
    rate, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"{rate:.1f} msgs/s verify n={messages} {len(raw)} bytes rsa-2048 | signxml {other:.1f} msgs/s, ratio {ratio:.2f}"


def _rate(work: Callable[[], object], count: int) -> float:
    began = clock.monotonic()
    for _ in range(max(count, 1)):
        work()
    return max(count, 1) / (clock.monotonic() - began)
