"""A card in a PKCS#11 token: this side of its process.

Opens the token when first needed and again whenever it was gone, makes sure that it is the same card before any PIN is sent,
logs in once, and signs. The PIN is tried once: after a refusal, or after a try whose answer was lost, only a person goes on.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tongguan.gateway.settings import Card
from tongguan.signer.cards import token_process
from tongguan.signer.cards.card import SILENCE_SECONDS, CardState, OpenCard, PinState, Tries, other_card
from tongguan.signer.cards.module import find_module, surroundings
from tongguan.signer.cards.pin import MOST_BYTES, Secret, fits, pin_of, read_pin
from tongguan.signer.cards.token_channel import TokenChannel
from tongguan.signer.cards.token_process import TokenFault
from tongguan.signer.certificate import Identity, identity, in_order, is_signature
from tongguan.signer.errors import CardAbsent, CardBroken, CardMismatch, PinNeeded, PinWrong

# Run as a file and without the current folder on the path: nothing that lies in a home is ever imported.
PROGRAM = (sys.executable, "-P", str(Path(token_process.__file__).resolve()))

# PKCS #11 v2.40, table 5: what a token tells about its user PIN.
_FLAGS = ((0x40000, Tries.BLOCKED, 0), (0x20000, Tries.LAST, 1), (0x10000, Tries.FEWER, None))

_ATTEMPTS = 3


def _lengths(told: Mapping[str, Any]) -> tuple[int, int]:
    least, most = told["pin"]
    return int(least), int(most) or MOST_BYTES


class _Session:
    """One opened token; `proved` once a signature of it was checked against the certificate."""

    def __init__(self, channel: TokenChannel) -> None:
        self.channel = channel
        self.logged_in = False
        self.proved = False


class TokenCard(OpenCard):
    """Sign with a key that never leaves its token; `program` plays another process in tests."""

    def __init__(
        self,
        settings: Card,
        home: Path,
        *,
        locked: bool = False,
        bound: str = "",
        program: Sequence[str] = PROGRAM,
        timeout: float = SILENCE_SECONDS,
    ) -> None:
        super().__init__(settings, home, bound)
        self._program, self._timeout = program, timeout
        self._channel: TokenChannel | None = None
        self._session: _Session | None = None
        self._pin_state = PinState.NEEDED if settings.pin == "prompt" else PinState.WRONG if locked else PinState.UNTRIED
        self._tries_left: int | None = None
        self._by_person = False

    @property
    def silent_seconds(self) -> float:
        """Tell for how long the card has owed an answer."""
        channel = self._channel
        return 0.0 if channel is None or channel.ended else channel.silent_seconds

    def sign(self, digests: Sequence[bytes]) -> list[bytes]:
        """Sign in one round trip, all or none; a token that comes back in between is opened again by itself."""
        if not digests:
            return []
        joined = b"".join(digests)
        if any(len(digest) != token_process.DIGEST_BYTES for digest in digests):
            raise ValueError("a SHA-256 digest has 32 bytes")
        gone = CardAbsent()
        for _ in range(_ATTEMPTS):
            session = self._ready()
            try:
                signatures = session.channel.ask(b"S", joined, answers=len(digests))
            except TokenFault as fault:
                gone = CardAbsent(fault.name)
                self._lose(session, fault)
                continue
            if not session.proved:
                self._prove(session, signatures[0], digests[0])
            return signatures
        raise gone

    def give_pin(self, pin: Secret) -> None:
        """Take a PIN from a person and try it once, in a session opened anew."""
        pin = pin_of(pin.reveal())
        with self._lock:
            # Where the card is away, its bounds are looked at before the try.
            with suppress(CardAbsent, TokenFault):
                self._fits(pin, self._opened())
            self._pin, self._pin_state, self._tries_left, self._by_person = pin, PinState.UNTRIED, None, True
            self._session = None
            self._ready()

    def probe(self) -> CardState:
        """Look at the reader without using PIN or key."""
        with self._lock:
            seen, flags = None, None
            try:
                session = self._opened()
                told = json.loads(session.channel.ask(b"P")[0])
                flags, seen = int(told["flags"]), self._card
            except CardMismatch as other:
                return CardState(True, self._pin_state, number=other.in_reader, bound=other.bound, matches=False)
            except (CardAbsent, TokenFault):
                self._session = None
            if seen is None or flags is None:
                return CardState(False, self._pin_state, bound=self._bound or (self._card.number if self._card else ""))
            return CardState(
                present=True,
                certificate=seen.chain[0],
                pin_lengths=_lengths(told),
                pin=self._pin_state,
                tries=next((tries for flag, tries, _ in _FLAGS if flags & flag), Tries.ALL),
                number=seen.number,
                bound=self._bound or seen.number,
                valid_from=seen.leaf.not_valid_before_utc,
                valid_until=seen.leaf.not_valid_after_utc,
            )

    def close(self) -> None:
        """End the card's process and forget the PIN."""
        with self._lock:
            self._closed, self._pin, self._session = True, None, None
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _look(self) -> Identity:
        self._opened()
        assert self._card is not None
        return self._card

    def _ready(self) -> _Session:
        """Give a session that is logged in."""
        session = self._session
        if session is not None and session.logged_in and not session.channel.ended:
            return session
        with self._lock:
            for _ in range(_ATTEMPTS):
                if self._pin_state is PinState.WRONG:
                    raise PinWrong(self._tries_left)
                session = self._opened()
                try:
                    if not session.logged_in:
                        self._login(session)
                    return session
                except TokenFault as fault:
                    self._lose(session, fault)
            raise CardAbsent()

    def _opened(self) -> _Session:
        """Give a session with the bound card, whose certificate was read; no PIN is sent here."""
        self._must_be_open()
        if self._session is not None and not self._session.channel.ended:
            return self._session
        channel = self._running()
        module = find_module(self._settings.module, self._home)
        wanted = {
            "module": str(module.resolve() if module else self._settings.module),
            "token": self._settings.token,
            "key": self._settings.key,
        }
        try:
            tokens = json.loads(channel.ask(b"O", json.dumps(wanted).encode())[0])["tokens"]
            number, self._card = self._choose([[bytes.fromhex(each) for each in found] for _, found in tokens])
            channel.ask(b"C", str(number).encode())
        except TokenFault as fault:
            raise (CardAbsent if fault.kind == "gone" else CardBroken)(fault.name) from None
        self._session = _Session(channel)
        return self._session

    def _running(self) -> TokenChannel:
        if self._channel is None or self._channel.ended:
            self._channel = TokenChannel(self._program, self._home, surroundings(self._home), self._timeout)
        return self._channel

    def _choose(self, tokens: list[list[bytes]]) -> tuple[int, Identity]:
        """Pick the bound card among the tokens with the right label; raises CardMismatch when it is not there."""
        try:
            readable = [(at, identity(in_order(found, found[0]))) for at, found in enumerate(tokens) if found]
        except ValueError as error:
            raise CardBroken(f"令牌的证书：{error}", f"the token's certificate: {error}") from None
        if not readable:
            raise CardBroken(
                f"令牌中没有标签为 {self._settings.key} 的证书", f"the token holds no certificate labelled {self._settings.key}"
            )
        others = []
        for at, seen in readable:
            other = other_card(seen, self._settings, self._bound, self._card)
            if other is None:
                return at, self._card or seen
            others.append(other)
        raise others[0]

    def _login(self, session: _Session) -> None:
        if self._pin_state is PinState.NEEDED:
            raise PinNeeded()
        pin = read_pin(self._settings.pin, self._home) if self._pin is None else self._pin
        self._fits(pin, session)
        self._pin = pin
        self._look_before_the_try(session)
        if self._pin_state is PinState.UNTRIED:
            # The try counts as made before its answer is here: when the answer gets lost, this PIN is not tried again by itself.
            self._pin_state = PinState.NEEDED
        try:
            session.channel.ask(b"L", self._pin)
        except TokenFault as fault:
            if fault.kind == "pin":
                self._refused(session)
            raise
        self._pin_state = PinState.GOOD
        session.channel.ask(b"K")
        session.logged_in = True

    def _fits(self, pin: Secret, session: _Session) -> None:
        """Raise PinUnfit for a PIN that this token would refuse by its length; a token that tells no bounds takes any."""
        fits(pin, _lengths(json.loads(session.channel.ask(b"P")[0])))

    def _look_before_the_try(self, session: _Session) -> None:
        """Spare the last try: only a PIN that a person has just given, or that worked before, may use it."""
        left = self._left(session)
        if left == 0 or (left == 1 and self._pin_state is not PinState.GOOD and not self._by_person):
            self._pin, self._pin_state, self._tries_left = None, PinState.WRONG, left
            raise PinWrong(left)

    def _refused(self, session: _Session) -> None:
        self._pin, self._pin_state, self._by_person = None, PinState.WRONG, False
        try:
            self._tries_left = self._left(session)
        except TokenFault:
            self._tries_left = None
        raise PinWrong(self._tries_left)

    def _left(self, session: _Session) -> int | None:
        flags = int(json.loads(session.channel.ask(b"P")[0])["flags"])
        return next((left for flag, _, left in _FLAGS if flags & flag), None)

    def _lose(self, session: _Session, fault: TokenFault) -> None:
        """Forget a session that failed; raises CardBroken where trying again is no help."""
        with self._lock:
            if self._session is session:
                self._session = None
        if fault.kind == "broken":
            raise CardBroken(fault.name)

    def _prove(self, session: _Session, signature: bytes, digest: bytes) -> None:
        """Check the first signature of a session: a key that is not the certificate's would spoil every document."""
        if not is_signature(self._known().key, signature, digest):
            raise CardBroken(
                f"密钥 {self._settings.key} 与其证书不符", f"key {self._settings.key} is not the key of its certificate"
            )
        session.proved = True
