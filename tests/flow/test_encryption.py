"""What leaves the gateway is signed and encrypted by itself, and can be read by its authority only."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from cryptography.x509.oid import NameOID
from endpoint import Call
from sites import Site, make_site
from workshop import Workshop, open_workshop, write_types

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.home.home import CODES, TITLE, USCC, change_settings
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import read_settings
from tongguan.signer.verify import TrustedCertificate, verify
from tongguan.simulators.messages.signing import Sealer

AUTHORITIES = ("mofcom", "customs")
ENVELOPED = "application/pkcs7-mime; smime-type=enveloped-data"
WRONG_SETTINGS = 78
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


@dataclass
class Wire:
    """A line in the middle: it passes everything on, and keeps what the gateway says."""

    to: int
    said: list[bytearray] = field(default_factory=list)  #: by connection

    def __post_init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.getsockname()[1])

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.said.append(bytearray())
                threading.Thread(target=_pass, args=(near, far, self.said[-1]), daemon=True).start()
                threading.Thread(target=_pass, args=(far, near, bytearray()), daemon=True).start()

    def posts(self) -> list[tuple[dict[str, str], bytes]]:
        """Headers (and `:path`) and body of every POST so far."""
        found = []
        for said in self.said:
            rest = bytes(said)
            while b"\r\n\r\n" in rest:
                head, _, rest = rest.partition(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body, rest = rest[: int(length[1]) if length else 0], rest[int(length[1]) if length else 0 :]
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                if first.startswith("POST"):
                    found.append(({**headers, ":path": first.split(" ")[1]}, body))
        return found


def _pass(near: socket.socket, far: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while piece := near.recv(65536):
            kept += piece
            far.sendall(piece)
    for each in (near, far):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def demanding(site: Site) -> None:
    """Let both authorities take encrypted messages only, and listen."""
    file = site.home / "simulators" / "simulators.toml"
    text = file.read_text("utf-8")
    assert text.count("encrypted = false") >= len(AUTHORITIES)
    file.write_text(text.replace("encrypted = false", "encrypted = true"), "utf-8")
    site.simulate("--fast")


def encrypting(site: Site, authority: str, to: str = "") -> None:
    change_settings(site.home, f"route.{authority}", "encrypt_to", f"trust/{to or authority}-encryption.pem")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, Wire]]]:
    """A site whose authorities demand encryption, with a listener on both lines."""
    site = make_site(tmp_path_factory.mktemp("closed"))
    demanding(site)
    wires = {}
    for authority in AUTHORITIES:
        encrypting(site, authority)
        wires[authority] = Wire(_port(site, authority))
        change_settings(site.home, f"route.{authority}", "url", f"http://127.0.0.1:{wires[authority].port}")
    site.run()
    yield site, wires
    for name in list(site.processes):
        site.stop(name)


def _port(site: Site, authority: str) -> int:
    return int(read_settings(site.home).route[authority].url.rpartition(":")[2])


def readable(wires: dict[str, Wire], *words: str) -> list[str]:
    """The words that stand in a body that left, in clear text."""
    bodies = [body for wire in wires.values() for _, body in wire.posts()]
    assert bodies
    return [word for word in words if any(word.encode() in body for body in bodies)]


def opened(site: Site, authority: str, body: bytes) -> bytes:
    """What only the authority can do."""
    keys = site.home / "simulators"
    key: Any = load_pem_private_key((keys / f"{authority}-encryption.key").read_bytes(), None)
    return pkcs7.pkcs7_decrypt_der(
        body, x509.load_pem_x509_certificate((keys / f"{authority}-encryption.pem").read_bytes()), key, []
    )


@pytest.mark.requirement("ID-04")
def test_a_licence_is_issued_while_nothing_readable_leaves_the_gateway(closed: tuple[Site, dict[str, Wire]]) -> None:
    site, wires = closed
    declared = b.done(site, b.application("declare", Remark="不得外泄"))
    statement = b.with_files(b.inspection("declare"), ("声明.pdf", "00000002"))
    inspected = b.done(site, statement, files={"声明.pdf": b.pdf()})
    b.rows(site, b.query(b.APPLICATION, "status", document=declared["document"]))

    site.wait_business(b.APPLICATION, declared["document"], "已打印或生成电子许可证")
    numbers = [*declared["numbers"].values(), *inspected["numbers"].values()]
    assert len(numbers) > 1
    assert readable(wires, TITLE, USCC, *CODES.values(), *numbers, "不得外泄", b.PLAIN, "Package", "Signature", "xmlns") == []
    for authority in AUTHORITIES:
        assert {headers["content-type"] for headers, _ in wires[authority].posts()} == {ENVELOPED}
    assert {headers[":path"] for headers, _ in wires["mofcom"].posts()} == {"/v1/messages", "/v1/queries"}


@pytest.mark.requirement("ID-04")
def test_what_the_authority_opens_is_signed_by_the_enterprises_card(closed: tuple[Site, dict[str, Wire]]) -> None:
    site, wires = closed
    status = b.done(site, b.application("declare", Remark="签名之后加密"))
    (body,) = [body for headers, body in wires["mofcom"].posts() if headers["message-id"] == f"{status['message_id']}-1"]

    card = x509.load_pem_x509_certificates((site.home / "cards" / "demo-mofcom.pem").read_bytes())[0]
    root = verify(opened(site, "mofcom", body), [TrustedCertificate(card)], datetime.now(UTC)).root
    assert root.findtext(".//{*}Remark") == "签名之后加密"


@pytest.mark.requirement("ID-04")
def test_a_resend_is_the_same_bytes_that_were_committed(closed: tuple[Site, dict[str, Wire]]) -> None:
    site, wires = closed
    status = b.done(site, b.application("declare", reference=b.fresh("again") + "!503=1"))
    wire_id = f"{status['message_id']}-1"
    sent = [body for headers, body in wires["mofcom"].posts() if headers["message-id"] == wire_id]

    assert len(sent) == 2
    assert len(set(sent)) == 1
    taken = sqlite3.connect(site.home / "simulators" / "mofcom.db").execute("SELECT sha256 FROM message WHERE id = ?", (wire_id,))
    assert taken.fetchone()[0] == hashlib.sha256(sent[0]).digest()
    kept = sqlite3.connect(site.home / "tongguan.db").execute(
        "SELECT sha256 FROM body WHERE message_id = ? AND role = 'sealed:1'", (status["message_id"],)
    )
    assert kept.fetchone()[0] == hashlib.sha256(sent[0]).hexdigest()


@pytest.mark.requirement("ID-04")
@pytest.mark.parametrize(("to", "code"), [("", "PKG-11"), ("customs", "PKG-12")], ids=["clear text", "another's certificate"])
def test_what_the_authority_cannot_take_ends_rejected_with_its_reason(own_site: Site, to: str, code: str) -> None:
    demanding(own_site)
    if to:
        encrypting(own_site, "mofcom", to)
    own_site.run()

    status = b.do(own_site, b.application("declare"))
    asked = b.do(own_site, b.query(b.APPLICATION, "status", document=status["document"]))

    assert (status["state"], b.codes(status)) == ("rejected", {code})
    assert "加密" in status["faults"][0]["message"]
    assert (asked["state"], b.codes(asked)) == ("rejected", {code})
    assert b.document(own_site, status)["business_status"]["text"] == "暂存"


@pytest.mark.requirement("ID-04")
@pytest.mark.parametrize(
    ("file", "why"),
    [("trust/none.pem", "No such file"), ("trust/mofcom.pem", "keyEncipherment"), ("tongguan.toml", "读不出证书")],
)
def test_a_certificate_that_cannot_serve_stops_the_start_and_says_what_to_do(own_site: Site, file: str, why: str) -> None:
    change_settings(own_site.home, "route.mofcom", "encrypt_to", file)
    checked, started = own_site.command("config", "check"), own_site.command("run")

    for said in (checked, started):
        assert said.returncode == WRONG_SETTINGS
        assert "route.mofcom.encrypt_to" in said.stdout + said.stderr
        assert why in said.stdout + said.stderr


def test_a_good_one_is_told_with_its_end(own_site: Site) -> None:
    encrypting(own_site, "customs")
    said = own_site.command("config", "check")

    assert said.returncode == 0
    assert "✓ route customs encrypt_to trust/customs-encryption.pem" in said.stdout


def encryption_certificate(until: datetime) -> bytes:
    """PEM of a certificate to encrypt to, valid until then."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "测试机关")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(until - timedelta(days=100)).not_valid_after(until)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_certificate_near_its_end_raises_an_alert_with_the_route_and_the_day(shop: Workshop) -> None:
    until = datetime.now(UTC) + timedelta(days=10)
    (shop.home / "trust" / "soon.pem").write_bytes(encryption_certificate(until))
    change_settings(shop.home, "route.customs", "encrypt_to", "trust/soon.pem")
    encrypting(shop.site, "mofcom")
    shop.daemon.watching.look()

    lines = (shop.home / "alerts.jsonl").read_text("utf-8").splitlines()
    told = [alert for alert in map(json.loads, lines) if alert["code"] == "certificate"]
    assert [alert["text"] for alert in told] == [f"路线 customs 加密所用的证书于 {until:%Y-%m-%d} 到期"]


def certificate_alerts(shop: Workshop) -> list[str]:
    shop.daemon.watching.look()
    return [one.text for one in shop.daemon.alerts.problems() if one.code == "certificate"]


def test_the_end_of_the_certificate_that_receipts_are_believed_by_is_told_before_it_comes(shop: Workshop) -> None:
    now, trust = datetime.now(UTC), shop.home / "trust/customs.pem"
    lasting = trust.read_bytes()
    for days, said in (
        (10, f"路线 customs 验证回执所用的证书于 {now + timedelta(days=10):%Y-%m-%d} 到期"),
        (-1, "其回执进入隔离区"),
    ):
        trust.write_bytes(encryption_certificate(now + timedelta(days=days)))
        shop.stop()
        (told,) = certificate_alerts(shop)
        assert said in told

    trust.write_bytes(trust.read_bytes() + lasting)
    shop.stop()
    assert certificate_alerts(shop) == []  # two during a change: the new one lasts


def test_the_end_of_our_own_certificate_for_a_server_is_told_before_it_comes(shop: Workshop) -> None:
    until, own = datetime.now(UTC) + timedelta(days=10), shop.home / "own.pem"
    own.write_bytes(encryption_certificate(until))
    change_settings(shop.home, "route.customs", "client_certificate", "own.pem")
    (told,) = certificate_alerts(shop)
    assert f"route.customs.client_certificate（网关自己的证书）于 {until:%Y-%m-%d} 到期" in told

    own.write_bytes(encryption_certificate(datetime.now(UTC) - timedelta(days=1)))
    assert "对方会拒绝连接" in certificate_alerts(shop)[0]
    assert "! route.customs.client_certificate" in shop.site.command("config", "check").stdout


@pytest.mark.requirement("ID-04")
@pytest.mark.parametrize("days", [-1, 101], ids=["over", "to come"])
def test_one_out_of_its_time_stops_no_start_and_what_is_encrypted_to_it_alone_waits_until_it_is_in_time(
    shop: Workshop, days: int
) -> None:
    other, good = shop.home / "trust" / "other.pem", (shop.home / "trust" / "mofcom-encryption.pem").read_bytes()
    other.write_bytes(encryption_certificate(datetime.now(UTC) + timedelta(days=days)))
    change_settings(shop.home, "route.mofcom", "encrypt_to", "trust/other.pem")
    name = shop.site.drop(
        '<XX.registration xmlns="urn:tongguan:XX.registration:1" operation="declare" reference="r1"><Title>x</Title></XX.registration>'
    )
    shop.turns(lambda: (said := shop.site.status(name)) and said["next_attempt_at"])
    waits, checked = shop.site.status(name), shop.site.command("config", "check")
    shop.daemon.watching.look()

    assert (waits["state"], waits["waiting_for"], shop.mofcom.calls) == ("checked", "route", [])
    assert checked.returncode == WRONG_SETTINGS and "trust/other.pem" in checked.stdout
    (told,) = (one for one in shop.daemon.alerts.problems() if one.code == "certificate")
    assert "路线 mofcom 加密所用的证书有效期为" in told.text

    other.write_bytes(good)
    shop.stop()
    shop.turns(lambda: shop.mofcom.calls)
    assert b"Package" not in shop.mofcom.calls[0].body
    shop.daemon.watching.look()
    assert "certificate" not in {one.code for one in shop.daemon.alerts.problems()}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    types = write_types(tmp_path / "types")
    profile = types / "mofcom" / "XX.registration" / "profile.toml"
    profile.write_text('signature = "cms"\n' + profile.read_text("utf-8"), "utf-8")
    assert compile_all(load_profiles(types))["XX.registration"].profile.signature == "cms"
    made = open_workshop(tmp_path, monkeypatch, types=types)
    yield made
    made.stop()
    made.mofcom.down()
    made.customs.down()


def test_a_type_whose_profile_says_so_is_signed_in_the_cms_form(shop: Workshop, tmp_path: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    shop.send("XX.registration", "declare", "r1", "<Title>备案</Title>", "sent")
    (call,) = shop.mofcom.posts("r1")

    (tmp_path / "sealed.der").write_bytes(call.body)
    words = ["cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-CAfile", str(shop.home / "trust" / "cards.pem")]
    command = [program, *words, "-in", "sealed.der", "-out", "content"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "content").read_text("utf-8")
    assert content.startswith('<Package xmlns="urn:tongguan:package:1">')
    assert "备案" in content
    assert "Signature" not in content


@pytest.mark.parametrize(("code", "state"), [("0", "sealed"), ("1", "rejected")], ids=["taken", "refused"])
def test_only_a_refusal_may_be_addressed_to_nobody(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, code: str, state: str
) -> None:
    def to_nobody(call: Call, sealer: Sealer, **_: str) -> bytes:
        root = shop.mofcom.unsigned(code=code, kind="technical", message=call.message_id)
        root.set("account", "")
        return sealer.seal(root)

    monkeypatch.setattr(shop.mofcom, "_technical", to_nobody)
    name = shop.site.drop(
        '<XX.registration xmlns="urn:tongguan:XX.registration:1" operation="declare" reference="r1"><Title>x</Title></XX.registration>'
    )
    shop.turns(lambda: len(shop.mofcom.calls) > (1 if code == "0" else 0))

    assert shop.play(name, state)["state"] == state
