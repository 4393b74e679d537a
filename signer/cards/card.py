"""The port of every card: digests in, signatures out.

A card promises that a PIN is tried once and never again by itself, that the private key stays where it is, and that
signatures come only from the card whose certificate it shows. It never sees a document.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from tongguan.gateway.settings import Card
from tongguan.signer.cards.pin import MOST_BYTES, Secret
from tongguan.signer.certificate import Algorithm, Identity
from tongguan.signer.errors import CardBroken, CardMismatch

SILENCE_SECONDS = 30.0  #: without any answer, after which a card's process is given up


class PinState(StrEnum):
    """Where the card stands with its PIN."""

    UNTRIED = "untried"  #: a PIN is at hand, the card has not seen it
    GOOD = "good"  #: the card took it
    WRONG = "wrong"  #: the card refused it: it is not touched before a person gives another
    NEEDED = "needed"  #: nobody has given one, or the card's answer to it was lost
    NONE = "none"  #: this card has no PIN


class Tries(StrEnum):
    """What the card tells about the tries of its PIN."""

    ALL = "all"  #: no wrong try is counted
    FEWER = "fewer"  #: at least one wrong try is counted
    LAST = "last"  #: one more wrong try blocks the card
    BLOCKED = "blocked"  #: only the issuer can open it
    UNKNOWN = "unknown"  #: the card is absent or does not tell


@dataclass(frozen=True)
class CardState:
    """Say how a card is at this moment; `number` is that of the card in the reader, `bound` the one it must be."""

    present: bool
    pin: PinState
    tries: Tries = Tries.UNKNOWN
    number: str = ""
    bound: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    matches: bool = True  #: false: another card than the bound one, or the same number with another certificate
    certificate: bytes = b""  #: of the card in the reader, as DER
    pin_lengths: tuple[int, int] = (1, MOST_BYTES)  #: of a PIN that this card takes


class OpenCard(ABC):
    """Sign with one key; every method may be called from many threads at once.

    The properties read the card at first use and may raise CardAbsent, CardMismatch or CardBroken.
    """

    def __init__(self, settings: Card, home: Path, bound: str) -> None:
        self._settings, self._home, self._bound = settings, home, bound
        self._lock = threading.RLock()
        self._card: Identity | None = None
        self._pin: Secret | None = None
        self._closed = False

    @abstractmethod
    def _look(self) -> Identity:
        """Read the certificate, and make sure that it is the bound card's."""

    def _known(self) -> Identity:
        """What the certificate says, read at first use."""
        card = self._card
        if card is None:
            with self._lock:
                return self._look()
        return card

    def _must_be_open(self) -> None:
        if self._closed:
            raise CardBroken(f"卡 {self._settings.name} 已关闭", f"card {self._settings.name} is closed")

    @property
    def certificate_chain(self) -> tuple[bytes, ...]:
        """Give the certificates as DER, leaf first."""
        return self._known().chain

    @property
    def number(self) -> str:
        """Give the card number."""
        return self._known().number

    @property
    def algorithm(self) -> Algorithm:
        """Name the signature algorithm, as the certificate's key has it."""
        return self._known().algorithm

    @property
    @abstractmethod
    def silent_seconds(self) -> float:
        """Tell for how long the card has been asked and given no sign of life; touches nothing, and may be read at any time."""

    @abstractmethod
    def sign(self, digests: Sequence[bytes]) -> list[bytes]:
        """Sign SHA-256 digests, all or none, in order: RSA as PKCS#1 v1.5, ECDSA as r||s.

        Raises CardAbsent, CardMismatch, PinWrong, PinNeeded or CardBroken; may be repeated after each of them.
        """

    @abstractmethod
    def give_pin(self, pin: Secret) -> None:
        """Take a PIN from a person and try it once, now; raises as `sign` does. Where the card is absent it is kept untried.

        PinUnfit where it cannot be this card's: nothing was tried then, and what the card had before still holds.
        """

    @abstractmethod
    def probe(self) -> CardState:
        """Look at the card without using PIN or key; raises CardBroken only."""

    @abstractmethod
    def close(self) -> None:
        """Let the card go; calls after it raise CardBroken."""


def other_card(seen: Identity, settings: Card, bound: str, known: Identity | None) -> CardMismatch | None:
    """Tell how the card that was seen differs from the bound one; without binding, from the first one that was seen."""
    number = bound or (known or seen).number
    if seen.number != number:
        return CardMismatch(seen.number, number)
    wanted = known.fingerprint if known else (settings.fingerprint if bound else "") or seen.fingerprint
    if seen.fingerprint == wanted:
        return None
    return CardMismatch(*(f"{number} (sha256 {fingerprint[:16]}…)" for fingerprint in (seen.fingerprint, wanted)))


def open_card(settings: Card, home: Path, *, locked: bool = False, bound: str = "", timeout: float = SILENCE_SECONDS) -> OpenCard:
    """Make the card that the settings describe; it need not be in the reader yet, and its PIN is not tried yet.

    `locked`: the journal remembers a refused PIN, so the card is not touched with a PIN before `give_pin`.
    `bound`: the number that the card must have; without it, the first card seen is the one.
    `timeout`: seconds without any answer, after which a token's process is given up.
    """
    # Imported here, so that a gateway without tokens loads nothing of them.
    if settings.kind == "software":
        from tongguan.signer.cards.software import SoftwareCard

        return SoftwareCard(settings, home, locked=locked, bound=bound)
    if settings.kind == "pkcs11":
        from tongguan.signer.cards.token import TokenCard

        return TokenCard(settings, home, locked=locked, bound=bound, timeout=timeout)
    raise CardBroken(
        f"卡 {settings.name}：本版本没有 {settings.kind}；请用 pkcs11 或 software",
        f"card {settings.name}: kind {settings.kind} is not in this release; use pkcs11 or software",
    )
