"""A card whose key is a file: for tests, simulators and measurements.

It behaves as a token does: absent while the key file is away, mismatched when another certificate lies in its place,
closed after a wrong PIN. It signs in the caller's thread (cryptography lets other threads run meanwhile).
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tongguan.gateway.settings import Card
from tongguan.gateway.system.storage import files
from tongguan.signer.cards.card import CardState, OpenCard, PinState, other_card
from tongguan.signer.cards.pin import Secret, pin_of, read_pin
from tongguan.signer.certificate import (
    ECDSA,
    PKCS1,
    PREHASHED,
    Identity,
    der_chain,
    identity,
)
from tongguan.signer.certificate_file import NoCertificate
from tongguan.signer.errors import CardAbsent, CardBroken, PinNeeded, PinWrong

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
FileMark = tuple[int, int, int]


@dataclass(frozen=True)
class _Loaded:
    mark: FileMark
    key: PrivateKey


class SoftwareCard(OpenCard):
    """Sign with a PEM key; `settings.pin` opens it where it is encrypted."""

    def __init__(self, settings: Card, home: Path, *, locked: bool = False, bound: str = "") -> None:
        super().__init__(settings, home, bound)
        without = PinState.NEEDED if settings.pin == "prompt" else PinState.UNTRIED if settings.pin else PinState.NONE
        self._pin_state = PinState.WRONG if locked and settings.pin != "prompt" else without
        self._key_slot = threading.Lock()
        self._key_path = str(home / settings.key)
        self._loaded: _Loaded | None = None

    @property
    def silent_seconds(self) -> float:
        """A key in this process owes nobody an answer."""
        return 0.0

    def sign(self, digests: Sequence[bytes]) -> list[bytes]:
        """Sign each digest; with a delay, one at a time, as a real key does."""
        key = self._key()
        delay = self._settings.delay.total_seconds()
        if not delay:
            return [signature_of(key, digest) for digest in digests]
        signatures = []
        for digest in digests:
            with self._key_slot:
                time.sleep(delay)
                signatures.append(signature_of(key, digest))
        return signatures

    def give_pin(self, pin: Secret) -> None:
        """Take a PIN from a person and try it once."""
        pin = pin_of(pin.reveal())
        with self._lock:
            self._pin, self._pin_state, self._loaded = pin, PinState.UNTRIED, None
        self._key()

    def probe(self) -> CardState:
        """Look whether the files are there and what the certificate says."""
        try:
            seen = self._read()
            self._see_key()
        except CardAbsent:
            return CardState(present=False, pin=self._pin_state, bound=self._bound)
        other = other_card(seen, self._settings, self._bound, self._card)
        return CardState(
            present=True,
            certificate=seen.chain[0],
            pin=self._pin_state,
            number=other.in_reader if other else seen.number,
            bound=other.bound if other else seen.number,
            valid_from=seen.leaf.not_valid_before_utc,
            valid_until=seen.leaf.not_valid_after_utc,
            matches=other is None,
        )

    def close(self) -> None:
        """Forget the key."""
        with self._lock:
            self._closed, self._loaded, self._pin = True, None, None

    def _look(self) -> Identity:
        """Read the certificates and make sure that they are those of the bound card."""
        seen = self._read()
        other = other_card(seen, self._settings, self._bound, self._card)
        if other is not None:
            raise other
        self._card = seen
        return seen

    def _read(self) -> Identity:
        try:
            return identity(der_chain(files.read(self._home / self._settings.certificate)))
        except OSError as error:
            raise _not_read(self._settings.certificate, error) from None
        except NoCertificate as wrong:
            raise CardBroken(*(f"{self._settings.certificate}: {wrong.text(language)}" for language in ("zh", "en"))) from None
        except ValueError as error:
            raise CardBroken(f"{self._settings.certificate}: {error}") from None

    def _key(self) -> PrivateKey:
        """Give the key, read again only when the file is another than before."""
        self._must_be_open()
        mark = self._mark()
        loaded = self._loaded
        if loaded is not None and loaded.mark == mark:
            return loaded.key
        with self._lock:
            if self._pin_state is PinState.WRONG:
                raise PinWrong()
            key = self._load(self._look())
            self._loaded = _Loaded(mark, key)
            return key

    def _see_key(self) -> None:
        try:
            files.read(self._home / self._settings.key, 1)
        except OSError as error:
            raise _not_read(self._settings.key, error) from None

    def _mark(self) -> FileMark:
        try:
            found = os.stat(self._key_path)
        except OSError as error:
            raise _not_read(self._settings.key, error) from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self, card: Identity) -> PrivateKey:
        if self._pin is None and self._settings.pin:
            self._pin = read_pin(self._settings.pin, self._home)
        path = self._home / self._settings.key
        try:
            key = load_pem_private_key(files.read(path), self._pin.reveal().encode() if self._pin else None)
        except OSError as error:
            raise _not_read(self._settings.key, error) from None
        except TypeError:
            # A password without encryption, or encryption without a password: cryptography tells them apart by this type only.
            if self._pin is None:
                self._pin_state = PinState.NEEDED
                raise PinNeeded() from None
            key = load_pem_private_key(files.read(path), None)
        except ValueError:
            if self._pin is None:
                raise CardBroken(f"{self._settings.key} 不是可读的密钥", f"{self._settings.key} is no readable key") from None
            self._pin, self._pin_state = None, PinState.WRONG
            raise PinWrong() from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or key.public_key() != card.key:
            raise CardBroken(
                f"{self._settings.key} 不是 {self._settings.certificate} 的密钥",
                f"{self._settings.key} is not the key of {self._settings.certificate}",
            )
        self._pin_state = PinState.NONE if self._pin is None else PinState.GOOD
        return key


def _not_read(file: str, error: OSError) -> CardAbsent | CardBroken:
    """A file that is away is a card that was taken out; one that is there is another user's, or no file."""
    if isinstance(error, FileNotFoundError):
        return CardAbsent(*[f"{file}: {error.strerror}"] * 2)
    return CardBroken(f"{file} 读不出：{error.strerror}", f"{file} cannot be read: {error.strerror}")


def signature_of(key: PrivateKey, digest: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, PKCS1, PREHASHED)
    half = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(digest, ECDSA))
    return r.to_bytes(half, "big") + s.to_bytes(half, "big")
