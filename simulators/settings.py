"""Read ``simulators.toml``: where the authorities listen, whom they know, and what stands in their own books.

Beside the endpoints and enterprises, each array of tables is a book of records (declarations, bills, …) that the scripts of the
profiles refer to by its name, each list of texts a list they refer to (the pilot ports). A record with ``count = N`` stands for
N records whose number goes up. Production is refused: a simulator must never be taken for an authority.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from tongguan.simulators.messages.decode import Opener, load_opener

CODES = {"mofcom": "mofcom_code", "customs": "customs_code", "ministries": "uscc"}  #: by which code each knows an enterprise
AUTHORITIES = tuple(CODES)
FOLDER = "simulators"
FILE = "simulators.toml"
PORTS = "ports.json"


class WrongSettings(Exception):
    """The settings cannot be used; the text says where and why."""


@dataclass(frozen=True)
class Card:
    """A card as the authority has it on record."""

    authority: str
    number: str
    certificate: x509.Certificate


@dataclass(frozen=True)
class Enterprise:
    """An enterprise as the authorities know it; ``codes`` maps authority to the enterprise's code there."""

    name: str
    uscc: str
    codes: Mapping[str, str]
    cards: tuple[Card, ...]
    acts_for: frozenset[str] = frozenset()  #: credit codes of enterprises that have said so to the authorities


@dataclass(frozen=True)
class Endpoint:
    """One authority's server."""

    authority: str
    host: str
    port: int
    key: Path
    certificate: Path
    store: Path
    token: str
    opener: Opener | None = None  #: opens what is encrypted; nothing: such messages are refused
    encrypted: bool = False  #: clear text is refused


@dataclass(frozen=True)
class Settings:
    """Everything in the file, checked."""

    folder: Path
    environment: str
    fast: bool
    admin_token: str
    endpoints: Mapping[str, Endpoint]
    enterprises: tuple[Enterprise, ...]
    records: Mapping[str, Mapping[str, Mapping[str, Any]]]
    lists: Mapping[str, tuple[str, ...]]

    def enterprise(self, authority: str, code: str) -> Enterprise | None:
        """Find who has that code at that authority."""
        return next((one for one in self.enterprises if code and one.codes.get(authority) == code), None)

    def acts(self, authority: str, code: str, client: str) -> bool:
        """Say whether who has that code at that authority acts for itself, or for who has the other one."""
        one, other = self.enterprise(authority, code), self.enterprise(authority, client)
        return code == client or (one is not None and other is not None and other.uscc in one.acts_for)

    def card_of(self, certificate: x509.Certificate) -> Card | None:
        """Find whose card carries that certificate, any enterprise's."""
        return next((card for one in self.enterprises for card in one.cards if card.certificate == certificate), None)


def load_settings(home: Path) -> Settings:
    """Read ``HOME/simulators/simulators.toml``. Raises WrongSettings, for ``environment = "production"`` too (GW-13)."""
    path = home / FOLDER / FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return _settings(path.parent, raw)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise WrongSettings(f"{path}: {what}") from error


def _settings(folder: Path, raw: dict[str, Any]) -> Settings:
    if raw["environment"] != "test":
        raise ValueError(f'environment = {raw["environment"]!r}: simulators run in "test" only')
    return Settings(
        folder=folder,
        environment=raw["environment"],
        fast=bool(raw.get("fast", False)),
        admin_token=str(raw.get("admin_token", "")),
        endpoints={name: _endpoint(folder, name, raw[name]) for name in AUTHORITIES if name in raw},
        enterprises=tuple(_enterprise(folder, entry) for entry in raw.get("enterprise", [])),
        records={name: _book(rows) for name, rows in raw.items() if name != "enterprise" and _is_book(rows)},
        lists={name: tuple(rows) for name, rows in raw.items() if isinstance(rows, list) and not _is_book(rows)},
    )


def _is_book(rows: object) -> bool:
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)


def _endpoint(folder: Path, authority: str, raw: dict[str, Any]) -> Endpoint:
    opener = None
    if "encryption_key" in raw:
        opener = load_opener(folder / raw["encryption_key"], folder / raw["encryption_certificate"])
    if raw.get("encrypted") and opener is None:
        raise ValueError(f"[{authority}] encrypted = true needs encryption_key and encryption_certificate")
    return Endpoint(
        authority=authority,
        host=str(raw.get("host", "127.0.0.1")),
        port=int(raw["port"]),
        key=folder / raw["key"],
        certificate=folder / raw["certificate"],
        store=folder / raw["store"],
        token=str(raw.get("token", "")),
        opener=opener,
        encrypted=bool(raw.get("encrypted", False)),
    )


def _enterprise(folder: Path, raw: dict[str, Any]) -> Enterprise:
    codes = {name: str(raw[key]) for name, key in CODES.items() if raw.get(key)}
    cards = tuple(_card(folder, entry) for entry in raw.get("card", []))
    return Enterprise(str(raw["name"]), str(raw["uscc"]), codes, cards, frozenset(map(str, raw.get("acts_for", []))))


def _card(folder: Path, raw: dict[str, Any]) -> Card:
    pem = (folder / raw["certificate"]).read_bytes()
    return Card(str(raw["authority"]), str(raw["number"]), x509.load_pem_x509_certificate(pem))


def _book(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    book: dict[str, dict[str, Any]] = {}
    for row in rows:
        field = "entry" if "entry" in row else "number"
        for step in range(int(row.get("count", 1))):
            number = counted(str(row[field]), step)
            book[number] = {**row, field: number}
    return book


def counted(number: str, step: int) -> str:
    """Raise the digits at the end of a number by a step, keeping their width: ``DEMOBL0001`` by 2 is ``DEMOBL0003``."""
    if not step:
        return number
    match = re.search(r"\d+$", number)
    if not match:
        raise ValueError(f"{number!r} with a count needs digits at its end")
    return number[: match.start()] + str(int(match[0]) + step).zfill(len(match[0]))
