"""Everything a step of this site may ask for: settings, profiles, cards, routes, trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial

from cryptography import x509

from tongguan.codecs.compile import Compiled
from tongguan.codecs.secrets import Names
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.document import Content
from tongguan.gateway.kernel.journal import Journal
from tongguan.gateway.kernel.message import Message
from tongguan.gateway.kernel.profile import Operation, Profile
from tongguan.gateway.kernel.settings import Account, Card, Settings
from tongguan.outbox.prints.plan import Layout
from tongguan.outbox.prints.press import Press
from tongguan.outbox.retry import wait_before_next
from tongguan.routes.https import HttpsRoute
from tongguan.signer.card import Card as OpenCard
from tongguan.signer.envelope import sealed_for
from tongguan.signer.verify import TrustedCertificate

UNSIGNED = "unsigned"  #: the lane of what is sealed without a card


@dataclass(frozen=True)
class Site:
    """One home's gateway, put together by the daemon; nothing in it changes while it runs but the journal."""

    settings: Settings
    journal: Journal
    profiles: Mapping[str, Compiled]
    routes: Mapping[str, HttpsRoute] = field(default_factory=dict)
    cards: Mapping[str, OpenCard] = field(default_factory=dict)
    trust: Mapping[str, tuple[TrustedCertificate, ...]] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    fast_cards: frozenset[str] = frozenset()
    layouts: Mapping[str, Mapping[str, Layout]] = field(default_factory=dict)  #: type to form to its layout
    press: Press = field(default_factory=partial(Press, timeout=60, most_bytes=1_000_000_000))
    encrypt_to: Mapping[str, x509.Certificate] = field(default_factory=dict)  #: by route: who reads what goes over it
    secrets: Names = field(default_factory=dict)  #: element names of secret fields, by type
    secrets_to: Mapping[str, x509.Certificate] = field(default_factory=dict)  #: by route: who reads single secret values

    @cached_property
    def types(self) -> Mapping[str, Profile]:
        return {name: compiled.profile for name, compiled in self.profiles.items()}

    def profile(self, type_: str) -> Profile:
        return self.profiles[type_].profile

    def account(self, name: str) -> Account:
        return self.accounts[name]

    def code_at(self, account: Account, profile: Profile) -> str:
        """The account's code at the profile's authority."""
        return str(getattr(account, profile.account_code))

    def route_of(self, profile: Profile, named: str = "") -> str:
        """The route of a type's messages: its own where this site has one, else the one that is named, or its authority's.

        A route is named like the authority that listens there: it is who is written to and whose receipts are believed.
        """
        if profile.route in self.settings.route and named in ("", profile.authority):
            return profile.route
        return named or profile.authority

    def language(self, account: Account) -> str:
        return account.language or self.settings.gateway.language

    def card_for(self, account: Account, profile: Profile, operation: Operation) -> Card | None:
        """The account's card that may sign this operation."""
        for card in account.card:
            if card.authority == profile.card_authority and (not operation.roles or card.role in operation.roles):
                return card
        return None

    def enveloped(self, route: str, content: bytes) -> bytes:
        """Give what goes over a route as it leaves: encrypted where its settings name a certificate, else as it is."""
        certificate = self.encrypt_to.get(route)
        return content if certificate is None else sealed_for(certificate, content)

    def signs(self, message: Message, content: Content) -> bool:
        """Does the message's operation want its card and signature for this content?"""
        return self.profiles[message.type].signed_when[message.operation](content)

    def shut(self, lane: str | None) -> str | None:
        """What a message in this lane waits for from the start; None while the lane is open."""
        row = self.journal.lanes.get(lane or "")
        if row is None:
            return None
        return row.reason if row.reason in ("card", "pin", "route") else "person"

    def signs_at_once(self, message: Message) -> bool:
        """Is the message's card a key in this process, so fast that its signature need not wait in a lane; or is there none?"""
        if message.lane == UNSIGNED:
            return UNSIGNED not in self.journal.lanes
        name = (message.lane or "").removeprefix("card:")
        return name in self.fast_cards and f"card:{name}" not in self.journal.lanes

    def next_try(self, message: Message) -> int:
        """When to try a message again: its age in the queue is the next delay."""
        schedule = self.settings.schedule
        begun = (message.extra or {}).get("retried_at", message.received_at)
        received, now = clock.from_ms(begun), clock.now()
        wait = wait_before_next(received, now, least=schedule.least_wait, most=schedule.most_wait)
        return clock.now_ms() + round(wait / timedelta(milliseconds=1))
