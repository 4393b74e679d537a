"""The settings' words about a card, as the signer takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tongguan.gateway.settings import Card
from tongguan.signer.cards.card import CardSettings, open_card
from tongguan.signer.errors import CardBroken

_LOOK_SECONDS = 5.0


def card_settings(card: Card) -> CardSettings:
    return CardSettings(
        name=card.name,
        authority=card.authority,
        role=card.role,
        kind=card.kind,
        module=card.module,
        token=card.token,
        key=card.key,
        pin=card.pin,
        certificate=card.certificate,
        fingerprint=card.fingerprint.replace(":", "").strip().lower(),
        delay=card.delay.total_seconds(),
    )


def certificate_in_reader(card: Card, home: Path) -> bytes:
    """The certificate of whatever card is in the reader, as DER, without using a PIN; empty where none answers soon."""
    try:
        opened = open_card(replace(card_settings(card), timeout=_LOOK_SECONDS), home, locked=True)
    except CardBroken:
        return b""
    try:
        return opened.probe().certificate
    except CardBroken:
        return b""
    finally:
        opened.close()
