"""How each card is: looked at in a thread of its own, and told to whoever asks without touching the card.

Promises: nobody but the card's own stations waits for a card, and a card that does not answer is seen too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from cryptography import x509

from tongguan.gateway.settings import Account, Card
from tongguan.gateway.system import clock
from tongguan.signer.cards.card import CardState, OpenCard, PinState, Tries
from tongguan.signer.certificate import holder_codes, is_test_material
from tongguan.signer.errors import CardBroken

HUNG_SECONDS = 5.0  #: of silence; a slow card gives a sign of life with each signature

TroubleKind = Literal["unbound", "absent", "mismatch", "holder", "validity", "test", "pin", "hung", "broken"]


@dataclass(frozen=True, slots=True)
class CardTrouble:
    """Why a card signs nothing now, in Chinese and English, with the command to type."""

    card: str
    kind: TroubleKind
    zh: str
    en: str
    do: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a card showed; without a state, why there is none. Looks at a card are numbered."""

    number: int
    at: float  #: seconds of the machine's own clock
    state: CardState | None
    broken: CardBroken | None = None


@dataclass
class Looks:
    """The last look at each card; threads share it."""

    cards: Mapping[str, OpenCard] = field(default_factory=dict)
    every: timedelta = timedelta(seconds=5)
    production: bool = False
    _last: dict[str, Look] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def look(self, name: str) -> CardState:
        """Look now; raises CardBroken. Only the card's own stations may wait for this."""
        number, began = next(self._numbers), clock.monotonic()
        try:
            state = self.cards[name].probe()
            self._last[name] = Look(number, began, state)
        except CardBroken as broken:
            self._last[name] = Look(number, began, None, broken)
            raise
        return state

    def freshen(self, name: str) -> None:
        """Look again where the last look is old."""
        last = self._last.get(name)
        if last is None or clock.monotonic() - last.at >= self.every.total_seconds():
            with suppress(CardBroken):  # it is kept, and told
                self.look(name)

    def last(self, name: str) -> Look | None:
        return self._last.get(name)


def trouble_of(account: Account, card: Card, looks: Looks) -> CardTrouble | None:
    """What keeps the card from signing, by what is known of it; None where all is well, or where nobody has looked yet."""
    bind, see = f"tongguan card bind {card.name}", "tongguan card list"

    def trouble(kind: TroubleKind, zh: str, en: str, do: str) -> CardTrouble:
        return CardTrouble(card.name, kind, f"卡 {card.name} {zh}", f"card {card.name} {en}", do)

    if not card.bound:
        return trouble("unbound", "还没有绑定，不会用它签章", "is not bound: nothing is signed with it", bind)
    if card.name in looks.cards and looks.cards[card.name].silent_seconds > HUNG_SECONDS:
        return trouble("hung", "没有应答，请重新插拔", "does not answer: take it out and put it in again", see)
    last = looks.last(card.name)
    if last is None:
        return None
    state = last.state
    if state is None:
        zh, en = (last.broken.zh, last.broken.en) if last.broken is not None else ("", "")
        return trouble("broken", f"不可用：{zh}", f"does not work: {en}", "tongguan doctor")
    if not state.present:
        return trouble("absent", "不在读卡器中，请插卡", "is not in its reader: put it in", see)
    if not state.matches:
        zh = f"当前卡号 {state.number} 与绑定卡号 {state.bound} 不一致；请换回该卡，或重新绑定"
        return trouble("mismatch", zh, f"is another one: {state.number} is in the reader, {state.bound} is bound", bind)
    found = _unfit(account, card, state.certificate, production=looks.production) if state.certificate else None
    return found or _pin_trouble(card, state)


def _pin_trouble(card: Card, state: CardState) -> CardTrouble | None:
    do = f"tongguan card pin {card.name}"
    if state.tries is Tries.BLOCKED:
        zh, en = f"卡 {card.name} 已锁定，只有发卡机构能解锁", f"card {card.name} is blocked: only its issuer can open it"
        return CardTrouble(card.name, "pin", zh, en, "tongguan card list")
    if state.pin is PinState.WRONG:
        return CardTrouble(card.name, "pin", f"卡 {card.name} 不接受其 PIN", f"card {card.name} refused its PIN", do)
    if state.pin is PinState.NEEDED:
        return CardTrouble(card.name, "pin", f"卡 {card.name} 等待输入 PIN", f"card {card.name} waits for its PIN", do)
    return None


def _unfit(account: Account, card: Card, certificate: bytes, *, production: bool) -> CardTrouble | None:
    """What is wrong with the certificate of the card in the reader: not valid now, or another enterprise's."""
    if (wrong := certificate_trouble(card, certificate, production=production)) is not None:
        return wrong
    codes, own = holders(certificate), {account.uscc, account.customs_code, account.mofcom_code} - {""}
    if not codes or own & set(codes):
        return None
    holder = "/".join(codes)
    zh = f"卡 {card.name} 属于 {holder}，不是账户 {account.name} 的"
    en = f"card {card.name} belongs to {holder}, not to account {account.name}"
    return CardTrouble(card.name, "holder", zh, en, f"tongguan card bind {card.name}")


def certificate_trouble(card: Card, certificate: bytes, *, production: bool) -> CardTrouble | None:
    """The card's certificate has ended, or is not valid yet, or was made for tests and this is production."""
    if production and _facts(certificate).test:
        zh, en = f"卡 {card.name} 是测试卡，不用于生产", f"card {card.name} is a test card: it signs nothing in production"
        return CardTrouble(card.name, "test", zh, en, "tongguan doctor")
    start, end = _facts(certificate).span
    now = clock.now()
    if start <= now <= end:
        return None
    if now < start:
        zh = f"卡 {card.name} 的证书 {start:%Y-%m-%d} 才生效，本机时钟为 {now:%Y-%m-%d}：请校准时钟"
        en = f"the certificate of card {card.name} begins on {start:%Y-%m-%d}, and this machine's clock says {now:%Y-%m-%d}: set the clock"
        return CardTrouble(card.name, "validity", zh, en, "timedatectl")
    span = f"{start:%Y-%m-%d} – {end:%Y-%m-%d}"
    zh = f"卡 {card.name} 的证书现在无效（有效期 {span}）；换发后重新绑定"
    en = f"the certificate of card {card.name} is not valid now ({span}): renew it, then bind it again"
    return CardTrouble(card.name, "validity", zh, en, f"tongguan card bind {card.name}")


def holders(certificate: bytes) -> tuple[str, ...]:
    """The enterprise codes that a certificate names."""
    return _facts(certificate).codes


@dataclass(frozen=True, slots=True)
class _Facts:
    span: tuple[datetime, datetime]
    codes: tuple[str, ...]
    test: bool


@lru_cache(maxsize=256)
def _facts(certificate: bytes) -> _Facts:
    read = x509.load_der_x509_certificate(certificate)
    return _Facts((read.not_valid_before_utc, read.not_valid_after_utc), holder_codes(read), is_test_material(read))
