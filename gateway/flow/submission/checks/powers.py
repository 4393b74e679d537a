"""For whom may an account send something, and who signs it: a broker has powers, of kinds, with an end."""

from __future__ import annotations

from tongguan.codecs.checking.filling.fills import clients_of
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import place_in
from tongguan.gateway.flow.submission.checks.parties import OWN
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.settings import Account, ActsFor


def power_faults(rules: Rules, message: Message, content: Content, party: str | None, day: str) -> list[Fault]:
    """What is wrong with whom a document is for (`parties`), on that day in China, and with who must sign it."""
    profile, account = rules.profile(message.type), rules.account(message.account)
    if account.kind == "broker" and profile.own_card.zh:
        return [fault("GW-F81", path="@operation", label="operation", zh=profile.own_card.zh, en=profile.own_card.en)]
    return [*_of_signer(rules, message, profile, content), *_of_party(rules, message, content, party, day)]


def _of_signer(rules: Rules, message: Message, profile: Profile, content: Content) -> list[Fault]:
    """The field that says who must sign names the account, where something is signed."""
    own = rules.code_at(rules.account(message.account), profile)
    code = value_at(content, profile.signer) if profile.operations[message.operation].signed else ""
    if code in ("", own):
        return []
    return [fault("GW-F77", path=place_in(message, profile.signer), label=_label(profile, profile.signer), said=code, own=own)]


def acting(rules: Rules, profile: Profile, code: str, of: Account, day: str) -> Account | None:
    """The account here of the enterprise with this code, where it acts for another account's enterprise with documents of this type."""
    for account in rules.accounts.values():
        named = code and rules.code_at(account, profile) == code
        if named and any(_is(one, of, profile) and _lacks(one, profile, day) is None for one in clients_of(account)):
            return account
    return None


def _is(client: ActsFor, account: Account, profile: Profile) -> bool:
    return str(getattr(client, profile.account_code)) == str(getattr(account, profile.account_code))


def _lacks(client: ActsFor, profile: Profile, day: str) -> str | None:
    """The code of what is wrong with a client's power; None while it holds."""
    if not {profile.type, profile.system}.intersection(client.powers):
        return "GW-F79"
    return "GW-F80" if client.until and client.until < day else None


def _of_party(rules: Rules, message: Message, content: Content, party: str | None, day: str) -> list[Fault]:
    """The enterprise that a document is for is the account, or one of its clients, with a power that holds.

    A broker may go on looking at what it once sent, print and delete it: what goes out, or is entered, wants the power.
    """
    profile, account = rules.profile(message.type), rules.account(message.account)
    operation = profile.operations[message.operation]
    if party == OWN or (operation.way == "desk" and operation.body == "none"):
        return []
    path = _says_for_whom(profile)
    place, label, code = place_in(message, path), _label(profile, path), value_at(content, path)
    clients = [one for one in clients_of(account) if one.uscc == party]
    lacks = [(wrong, client) for client in clients if (wrong := _lacks(client, profile, day)) is not None]
    if not clients:
        return [fault("GW-F78", path=place, label=label, said=code, account=account.name)]
    if len(lacks) < len(clients):
        return []
    wrong, client = max(lacks, key=lambda one: one[0])  # one that is over tells more than one that never was
    named = client.title or client.uscc
    return [fault(wrong, path=place, label=label, client=named, type=profile.type, until=client.until, account=account.name)]


def _says_for_whom(profile: Profile) -> str:
    """The path of what says for whom a document is."""
    rule = profile.party
    assert rule is not None
    return rule.names or profile.needs[rule.need].names


def _label(profile: Profile, path: str) -> tuple[str, str]:
    return next(((field.label, field.label_en) for field in profile.fields if field.path == path), ("", ""))
