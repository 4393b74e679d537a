"""For whom is a document: the account itself, or one of the clients that it acts for."""

from __future__ import annotations

from tongguan.codecs.checking.filling.fills import clients_of
from tongguan.gateway.document.changes import FoundBy, FoundDocuments, value_at
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.settings import Account

OWN = ""  #: the account itself


def party_named(account: Account, profile: Profile, content: Content) -> str | None:
    """The credit code of the client whom a content names; `OWN`: the account itself; None: nobody that it may act for.

    Where another document says it (`[party] need`) that is not asked here.
    """
    rule = profile.party
    return party_coded(account, profile, value_at(content, rule.names)) if rule is not None and rule.names else OWN


def party_coded(account: Account, profile: Profile, code: str) -> str | None:
    """The same of the code that stands where the type names its party."""
    rule = profile.party
    if rule is None or rule.need:
        return OWN if rule is None else None
    by = rule.by or profile.account_code
    if code in ("", getattr(account, by)):
        return OWN
    client = next((one for one in clients_of(account) if getattr(one, by) == code), None)
    if client is not None:
        return client.uscc
    return OWN if rule.others and account.kind != "broker" else None


def party_of(account: Account, profile: Profile, content: Content, found: FoundDocuments, before: Document | None) -> str | None:
    """For whom a message's document is: as it says itself, or as the one that its need has found; with neither as it was `before`."""
    rule = profile.party
    if rule is None or rule.names:
        return party_named(account, profile, content)
    other = found.get(FoundBy(rule.need))
    if other is not None:
        return other.party
    return before.party if before is not None else OWN
