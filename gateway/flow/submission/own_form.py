"""The document as its authority itself writes it, with what is known only when it is sealed: operation, card, time, signature.

The signature over the fields is one more call to the card, before the one for the package round it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

from tongguan.codecs.writing.own_form import EnclosedFile, enclosed, render_own_form, text_to_sign
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import OwnForm, Profile
from tongguan.signer.cards.card import OpenCard
from tongguan.signer.certificate import signature_size


def in_own_form(
    profile: Profile, form: OwnForm, message: Message, content: Content, card: OpenCard | None, *, now: str
) -> tuple[bytes, EnclosedFile | None]:
    """The document as the authority itself writes it, with what is known only now (`now`: yyyyMMddHHmmssfff), and the sheet that goes along."""
    sheet = None
    lengths = {field.path: field.length for field in profile.fields}
    if form.enclosed is not None:
        content, sheet = enclosed(profile, form.enclosed, content, time=now[:14])
    sealed = {}
    for path, word in form.sealed.items():
        match word:
            case "operation":
                sealed[path] = form.operations[message.operation]
            case "card":
                sealed[path] = card.number if card is not None and len(card.number) <= lengths[path] else ""
            case "signature":
                sealed[path] = _over_fields(card, text_to_sign(profile, form, content), lengths[path]) if card is not None else ""
            case _:
                sealed[path] = now[: len(word)]
    return render_own_form(profile, form, content, sealed), sheet


def _over_fields(card: OpenCard, signed: bytes, most: int) -> str:
    """The card's signature over the fields; empty where it has no room: the signature round the package stands anyway."""
    if signature_size(card.certificate_chain[0]) * 4 > most * 3:
        return ""
    (signature,) = card.sign([hashlib.sha256(signed).digest()])
    return b64encode(signature).decode()
