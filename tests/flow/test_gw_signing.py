"""Signing: the sealed bytes at the authority verify with independent tools, and the key never leaves the token."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bodies as b
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from endpoint import Endpoint, running_with_endpoints
from lxml import etree
from signxml import XMLVerifier
from sites import Site, wait_until

from tongguan.gateway.home.home import why_no_tokens

pytestmark = [pytest.mark.requirement("GW-04"), pytest.mark.needs_token]
DS = "{http://www.w3.org/2000/09/xmldsig#}"
PACKAGE = "{urn:tongguan:package:1}"

#: asks the token itself, in a process of its own, what may be done with its private key
ASK_TOKEN = """
import json, sys, PyKCS11
module, label, pin = sys.argv[1:]
library = PyKCS11.PyKCS11Lib(); library.load(module)
slot = next(s for s in library.getSlotList(tokenPresent=True) if library.getTokenInfo(s).label.strip("\\0 ") == label)
session = library.openSession(slot); session.login(pin)
(key,) = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY)])
names = ("CKA_SENSITIVE", "CKA_EXTRACTABLE", "CKA_NEVER_EXTRACTABLE", "CKA_ALWAYS_SENSITIVE")
print(json.dumps(dict(zip(names, map(bool, session.getAttributeValue(key, [getattr(PyKCS11, n) for n in names]))))))
"""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Endpoint]]:
    if missing := why_no_tokens():
        pytest.skip(missing[1])
    with running_with_endpoints(tmp_path_factory.mktemp("tokens"), card="pkcs11") as (site, mofcom, _):
        yield site, mofcom


def sealed(tokens: tuple[Site, Endpoint]) -> bytes:
    """The bytes that the authority got of one declare."""
    site, mofcom = tokens
    reference = b.fresh("sign")
    site.wait(site.drop(b.xml(b.application("declare", reference=reference))), "sent")
    (post,) = mofcom.posts(reference)
    return post.body


def certificates(raw: bytes) -> list[x509.Certificate]:
    found = etree.fromstring(raw).iterfind(f".//{DS}X509Certificate")
    return [
        x509.load_pem_x509_certificate(f"-----BEGIN CERTIFICATE-----\n{e.text}\n-----END CERTIFICATE-----".encode())
        for e in found
    ]


def test_the_sealed_message_verifies_with_xmlsec1_against_the_issuer_alone(tokens: tuple[Site, Endpoint], tmp_path: Path) -> None:
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("no xmlsec1 on this machine")
    site, _ = tokens
    raw = sealed(tokens)
    file, changed = tmp_path / "sealed.xml", tmp_path / "changed.xml"
    file.write_bytes(raw)
    changed.write_bytes(raw.replace(f"<Year>{b.YEAR}</Year>".encode(), b"<Year>2025</Year>"))
    assert changed.read_bytes() != raw
    verify = [program, "--verify", "--trusted-pem", str(site.home / "trust" / "cards.pem"), "--enabled-key-data", "x509"]

    done = subprocess.run([*verify, str(file)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([*verify, str(changed)], check=False, capture_output=True).returncode != 0


def test_the_sealed_message_verifies_with_signxml(tokens: tuple[Site, Endpoint]) -> None:
    site, _ = tokens
    raw = sealed(tokens)
    issuer = (site.home / "trust" / "cards.pem").read_bytes()
    leaf = certificates(raw)[0]

    result = XMLVerifier().verify(raw, x509_cert=leaf.public_bytes(Encoding.PEM).decode())
    assert not isinstance(result, list)
    assert result.signed_xml is not None and result.signed_xml.tag == f"{PACKAGE}Package"
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(issuer))


def test_the_whole_package_is_signed_by_the_accounts_card_with_its_chain(tokens: tuple[Site, Endpoint]) -> None:
    raw = sealed(tokens)
    root = etree.fromstring(raw)
    (signature,) = root.iterfind(f".//{DS}Signature")
    chain = certificates(raw)

    assert signature.getparent() is root
    assert signature.find(f"{DS}SignedInfo/{DS}Reference").get("URI") == ""  # type: ignore[union-attr]
    assert len(chain) == 2
    head = {etree.QName(e).localname: e.text for e in root.find(f"{PACKAGE}EnvelopInfo")}  # type: ignore[union-attr]
    assert head["ic_card"] in chain[0].subject.rfc4514_string()
    assert head["sender_id"] in chain[0].subject.rfc4514_string()
    assert head["environment"] == "test"


def test_no_private_key_can_be_found_outside_the_token_nor_taken_out_of_it(tokens: tuple[Site, Endpoint]) -> None:
    site, _ = tokens
    sealed(tokens)
    settings = (site.home / "tongguan.toml").read_text()
    assert 'kind = "pkcs11"' in settings and "software" not in settings
    ours = [p for p in site.home.rglob("*") if p.is_file() and "simulators" not in p.parts and not p.name.endswith(".sock")]
    assert not [p for p in ours if b"PRIVATE KEY" in p.read_bytes()]
    pin = (site.home / "secrets" / "mofcom.pin").read_text().strip()
    for name in ("run.log", "tongguan.db"):
        assert pin.encode() not in (site.home / name).read_bytes()
    module = json.loads(_asked(site, "card", "list", "--json"))
    assert any(card["name"] == "demo-mofcom" for card in module)
    conf = next(site.home.rglob("softhsm2.conf"))
    library = re.search(r"\S+libsofthsm2\.so", _library()) or pytest.skip("no library path")
    done = subprocess.run(
        [sys.executable, "-c", ASK_TOKEN, library[0], "demo-mofcom", pin],
        check=False,
        capture_output=True,
        text=True,
        cwd=site.home,
        env={"SOFTHSM2_CONF": str(conf), "PATH": "/usr/bin"},
    )
    assert done.returncode == 0, done.stderr

    assert json.loads(done.stdout) == {
        "CKA_SENSITIVE": True,
        "CKA_EXTRACTABLE": False,
        "CKA_NEVER_EXTRACTABLE": True,
        "CKA_ALWAYS_SENSITIVE": True,
    }


def _asked(site: Site, *words: str) -> str:
    return site.command(*words, check=True).stdout


def _library() -> str:
    from tongguan.signer.cards.module import find_module

    found = find_module("libsofthsm2.so")
    return str(found.resolve()) if found else ""


def test_many_messages_carry_signatures_of_their_own(tokens: tuple[Site, Endpoint]) -> None:
    site, mofcom = tokens
    references = [b.fresh("many") for _ in range(20)]
    names = [site.drop(b.xml(b.application("declare", reference=r, Remark=r[-20:]))) for r in references]
    for name in names:
        site.wait(name, "sent")
    bodies = [mofcom.posts(r)[0].body for r in references]

    assert len({etree.fromstring(raw).findtext(f".//{DS}SignatureValue") for raw in bodies}) == 20
    for reference, raw in zip(references, bodies, strict=True):
        leaf = certificates(raw)[0].public_bytes(Encoding.PEM).decode()
        XMLVerifier().verify(raw, x509_cert=leaf)
        assert f">{reference[-20:]}<".encode() in raw


def test_a_card_that_is_pulled_out_and_put_back_goes_on(tokens: tuple[Site, Endpoint]) -> None:
    site, _ = tokens
    conf = next(site.home.rglob("softhsm2.conf"))
    folder = Path(re.search(r"directories\.tokendir\s*=\s*(\S+)", conf.read_text())[1])  # type: ignore[index]
    folder = folder if folder.is_absolute() else site.home / folder
    away = folder.with_name("away")
    shutil.move(folder, away)
    reference = b.fresh("pulled")
    name = site.drop(b.xml(b.application("declare", reference=reference)))
    site.wait(name, "checked", "sealed", "sent", "received")
    shutil.move(away, folder)

    site.wait(name, "sent")
    wait_until(lambda: site.command("status").returncode == 0 or "card" not in site.command("status").stdout, "all well again")
