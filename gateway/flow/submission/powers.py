"""For whom may an account send something, and who signs it: a broker has powers, of kinds, with an end."""

from __future__ import annotations

from tongguan.codecs.checking.fills import clients_of
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.allowed import place_in
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import Profile


def power_faults(rules: Rules, message: Message, content: Content, day: str) -> list[Fault]:
    """What is wrong with whom a document is for, on that day in China, and with who must sign it."""
    profile, account = rules.profile(message.type), rules.account(message.account)
    if account.kind == "broker" and profile.own_card.zh:
        return [fault("GW-F81", path="@operation", label="operation", zh=profile.own_card.zh, en=profile.own_card.en)]
    return [*_of_signer(rules, message, profile, content), *_of_party(rules, message, profile, content, day)]


def _of_signer(rules: Rules, message: Message, profile: Profile, content: Content) -> list[Fault]:
    """The field that says who must sign names the account, where something is signed."""
    own = rules.code_at(rules.account(message.account), profile)
    code = value_at(content, profile.signer) if profile.operations[message.operation].signed else ""
    if code in ("", own):
        return []
    return [fault("GW-F77", path=place_in(message, profile.signer), label=_label(profile, profile.signer), said=code, own=own)]


def _of_party(rules: Rules, message: Message, profile: Profile, content: Content, day: str) -> list[Fault]:
    """The enterprise that a document is for is the account, or one of its clients, with a power that holds."""
    account = rules.account(message.account)
    names = profile.party.names if profile.party is not None else ""
    code = value_at(content, names) if names else ""
    if code in ("", rules.code_at(account, profile)):
        return []
    client = next((one for one in clients_of(account) if getattr(one, profile.account_code) == code), None)
    place, label = place_in(message, names), _label(profile, names)
    if client is None:
        return [fault("GW-F78", path=place, label=label, said=code)]
    if not {profile.type, profile.system}.intersection(client.powers):
        return [fault("GW-F79", path=place, label=label, client=client.title or code, type=profile.type)]
    if client.until and client.until < day:
        return [fault("GW-F80", path=place, label=label, client=client.title or code, until=client.until)]
    return []


def _label(profile: Profile, path: str) -> tuple[str, str]:
    return next(((field.label, field.label_en) for field in profile.fields if field.path == path), ("", ""))
