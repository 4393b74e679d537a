"""Make a home: settings, one sample account with its mailbox and test cards, and the authorities that play with it.

Promises: a home is made whole or not at all, and nothing that exists is overwritten. All of it is for tests: the certificates are
worth nothing outside this home.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tongguan.gateway.daemon.start_checks.sample import CODES, NAME, TITLE, USCC, remember_secrets
from tongguan.gateway.home.toml_text import with_value
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files
from tongguan.signer.cards.module import find_module, write_softhsm_configuration
from tongguan.signer.cards.pin import Secret
from tongguan.signer.certificate import der_chain, identity
from tongguan.signer.issue import Holder, Issued, NewToken, Validity, make_authority, make_software_card, make_token
from tongguan.simulators.setup import SampleCard, SampleEnterprise, make_simulators

CardKind = Literal["software", "pkcs11"]
AUTHORITIES = ("mofcom", "customs", "ministries")
FOLDERS = ("OutBox", "SentBox", "FailBox", "InBox", "Status")
PORTS_FILE = Path("simulators/ports.json")
SETTINGS = "tongguan.toml"

_NUMBERS = {"mofcom": "8900000000017", "customs": "8900000000025"}

_HEAD = """\
# {title}：测试环境。 The settings of this home; every key and its meaning: docs.
[gateway]
environment = "test"
language = "{language}"

[[account]]
name = "{name}"
kind = "enterprise"
title = "{title}"
uscc = "{uscc}"
customs_code = "{customs}"
mofcom_code = "{mofcom}"
mailbox = "mailboxes/{name}"
answers = "xml"
"""
_CARD = """
[[account.card]]
name = "{card}"
authority = "{authority}"
role = "legal"
{kind}
pin = "file:secrets/{authority}.pin"
fingerprint = "{fingerprint}"
bound = "{number}"
"""
_KINDS = {
    "pkcs11": 'kind = "pkcs11"\nmodule = "libsofthsm2.so"\ntoken = "{card}"\nkey = "sign"',
    "software": 'kind = "software"                  # a key in a file: for tests only\n'
    'key = "cards/{card}.key"\ncertificate = "cards/{card}.pem"',
}
_ROUTE = """
[route.{authority}]
environment = "test"
url = "http://127.0.0.1:{port}"
certificates = ["trust/{authority}.pem"]
# encrypt_to = "trust/{authority}-encryption.pem"    # what is sent there is signed, then encrypted to this certificate
secrets_to = "trust/{authority}-encryption.pem"      # single secret values are encrypted in any case
"""


@dataclass(frozen=True)
class MadeHome:
    """What `make_home` made; `why_software` tells in Chinese and English why no token was used, when that was left open."""

    home: Path
    cards: CardKind
    why_software: tuple[str, str] | None = None


def make_home(home: Path, *, card: CardKind | None = None, port_base: int = 8701, language: str = "zh") -> MadeHome:
    """Make a home in a new (or empty) folder; SettingsWrong when there is one already.

    `card`: None takes soft tokens where this machine has them. `port_base`: of the simulators, two in a row; 0 lets the
    machine choose, then `set_ports` writes what it chose. Raises CardBroken when a token cannot be made.
    """
    missing = why_no_tokens() if card is None else None
    kind: CardKind = card or ("software" if missing else "pkcs11")
    made_whole(home, lambda part: _fill(part, kind, port_base, language))
    return MadeHome(home, kind, missing)


def made_whole(home: Path, fill: Callable[[Path], None]) -> None:
    """Have a new home filled beside its place, so that the last step is a rename and a half-made one is never seen."""
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise SettingsWrong(f"{home}：已存在，请换一个新目录", f"{home}: exists already; choose a new folder")
    whole, there = home.absolute(), home.exists()
    # In a folder that is there already, as a shell may be in it, or something be mounted on it.
    part = (whole if there else whole.parent) / f".{whole.name}.{os.getpid()}.part"
    part.mkdir(mode=0o750, parents=True)
    try:
        with owners_alone():
            fill(part)
            if there:
                _moved_into(whole, part)
            else:
                files.move(part, whole)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def owners_alone() -> Iterator[None]:
    """Settings and whom they trust: written by their owner alone, whoever may read them."""
    mask = os.umask(0o077)
    os.umask(mask | 0o027)
    try:
        yield
    finally:
        os.umask(mask)


def _moved_into(home: Path, part: Path) -> None:
    """All that was made, the settings last: without them a folder is no home."""
    moved: list[Path] = []
    try:
        for each in sorted(part.iterdir(), key=lambda path: path.name == SETTINGS):
            files.move(each, home / each.name)
            moved.append(home / each.name)
    except BaseException:
        for each in reversed(moved):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        raise
    part.rmdir()


def why_no_tokens() -> tuple[str, str] | None:
    """Why this machine has no soft tokens, in Chinese and English; None when it has."""
    if find_module() is None:
        return ("没有找到 libsofthsm2.so", "no libsofthsm2.so was found")
    # Asked in another process: the library must never be loaded into the gateway's.
    if subprocess.run([sys.executable, "-c", "import PyKCS11"], capture_output=True, check=False).returncode:
        return ("没有安装 PyKCS11", "PyKCS11 is not installed")
    return None


def _fill(home: Path, kind: CardKind, port_base: int, language: str) -> None:
    ports = {name: port_base + n if port_base else 0 for n, name in enumerate(AUTHORITIES)}
    for folder in FOLDERS:
        (home / "mailboxes" / NAME / folder).mkdir(parents=True)
    for folder in ("secrets", f"secrets/{NAME}", "cards"):
        (home / folder).mkdir(mode=0o700)
    _write_secret(home / "secrets" / NAME / "mofcom-password", secrets.token_urlsafe(12).encode() + b"\n")
    validity = Validity(clock.now() - timedelta(days=1))
    issuer = make_authority("通关测试发卡机构", validity)
    if kind == "pkcs11":
        write_softhsm_configuration(home)
    cards = tuple(_make_card(home, kind, name, (issuer, validity)) for name in _NUMBERS)
    make_simulators(home, [SampleEnterprise(NAME, USCC, CODES["mofcom"], CODES["customs"], cards, TITLE)], ports=ports)
    made = (path for path in (home / "secrets").rglob("*") if path.is_file())
    remember_secrets(home, made, secrets.token_hex(16))
    (home / "trust" / "cards.pem").write_bytes(issuer.certificates)
    (home / SETTINGS).write_text(_settings(kind, ports, language, cards), "utf-8")


def _make_card(home: Path, kind: CardKind, authority: str, by: tuple[Issued, Validity]) -> SampleCard:
    issuer, validity = by
    pin = Secret(f"{secrets.randbelow(10**8):08d}")
    _write_secret(home / "secrets" / f"{authority}.pin", pin.reveal().encode() + b"\n")
    holder = Holder(TITLE, _NUMBERS[authority], (USCC, *CODES.values()))
    card = f"{NAME}-{authority}"
    if kind == "pkcs11":
        so_pin = Secret(secrets.token_hex(8))
        made = make_token(NewToken("libsofthsm2.so", card, "sign", pin, so_pin), home, issuer, holder, validity=validity)
    else:
        made = make_software_card(issuer, holder, validity=validity, pin=pin)
        _write_secret(home / "cards" / f"{card}.key", made.key)
        (home / "cards" / f"{card}.pem").write_bytes(made.certificates)
    return SampleCard(authority, holder.number, x509.load_pem_x509_certificates(made.certificates)[0].public_bytes(Encoding.PEM))


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _settings(kind: CardKind, ports: dict[str, int], language: str, made: Sequence[SampleCard]) -> str:
    head = _HEAD.format(title=TITLE, name=NAME, uscc=USCC, language=language, **CODES)
    form = _CARD.replace("{kind}", _KINDS[kind])
    cards = [
        form.format(
            card=f"{NAME}-{card.authority}",
            authority=card.authority,
            number=card.number,
            fingerprint=identity(der_chain(card.certificate)).fingerprint,
        )
        for card in made
    ]
    routes = [_ROUTE.format(authority=name, port=port) for name, port in ports.items()]
    return "".join([head, *cards, *routes])


def set_ports(home: Path) -> dict[str, int]:
    """Point the routes at the ports on which this home's simulators listen now; SettingsWrong when none listens."""
    try:
        ports: dict[str, int] = json.loads(files.read(home / PORTS_FILE))
    except FileNotFoundError:
        en = f"no simulator listens; start them with: tongguan simulate --home {home}"
        raise SettingsWrong(f"没有模拟器在监听；启动：tongguan simulate --home {home}", en) from None
    for authority, port in ports.items():
        change_settings(home, f"route.{authority}", "url", f"http://127.0.0.1:{port}")
    return ports


def change_settings(home: Path, table: str, key: str, value: str, *, named: str = "", note: str = "") -> None:
    """Set one value of `tongguan.toml` and leave the rest as it is; raises `toml_text.NotFound`."""
    path = home / SETTINGS
    changed = with_value(files.plain(path).read_text("utf-8"), table, key, value, named=named, note=note)
    files.rewrite(path, changed.encode())
