"""What a decision goes by: the settings, and the profiles, certificates and layouts that they name, all of it read when the gateway starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from itertools import product
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tongguan import __version__
from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.secrets import Names
from tongguan.codecs.receipts.receipt import OwnAnswers
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Held, in_both
from tongguan.gateway.model.lane import NAMED_AFTER, Lane, LaneKind
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.foreign import KnownFiles, known_files
from tongguan.gateway.profile.profile import CodeTable, Operation, OwnForms, Profile
from tongguan.gateway.profile.sections.own_form import own_answers, own_forms
from tongguan.gateway.settings import Account, Card, Settings
from tongguan.gateway.system.backoff import part_of, wait_before_next
from tongguan.outbox.prints.plan import Layout
from tongguan.signer.verify import TrustedCertificate

T = TypeVar("T")
#: what of the settings a message in a lane of this kind cannot do without; a receipt that is owed can stay away
THING = {kind: of for kind, of in NAMED_AFTER.items() if kind not in (LaneKind.OWED, LaneKind.ACCOUNT)}


@dataclass(frozen=True)
class Rules:
    """Data alone, which never changes: made once a process, and the same again in another from the same settings and profiles."""

    settings: Settings
    profiles: Mapping[str, Compiled]
    trust: Mapping[str, tuple[TrustedCertificate, ...]] = field(default_factory=dict)
    shared_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: that several routes trust: believed on none
    layouts: Mapping[str, Mapping[str, Layout]] = field(default_factory=dict)  #: type to form to its layout
    encrypt_to: Mapping[str, x509.Certificate] = field(default_factory=dict)  #: by route: who reads what goes over it
    secrets: Names = field(default_factory=dict)  #: element names of secret fields, by type
    secrets_to: Mapping[str, x509.Certificate] = field(default_factory=dict)  #: by route: who reads single secret values

    @cached_property
    def fingerprint(self) -> str:
        """The same where the profiles and recipients are: so that two processes know that they decide alike."""
        recipients = {**self.encrypt_to, **{f"secrets {route}": each for route, each in self.secrets_to.items()}}
        facts: list[object] = [
            __version__,
            sorted((name, profile.version) for name, profile in self.types.items()),
            sorted((name, repr(table)) for name, table in self._tables.items()),
            sorted((name, each.fingerprint(SHA256()).hex()) for name, each in recipients.items()),
        ]
        return sha256(repr(facts).encode()).hexdigest()

    @cached_property
    def _tables(self) -> Mapping[str, CodeTable]:
        """Every code table that a type uses."""
        return {name: table for compiled in self.profiles.values() for name, table in compiled.tables.items()}

    @cached_property
    def types(self) -> Mapping[str, Profile]:
        return {name: compiled.profile for name, compiled in self.profiles.items()}

    @cached_property
    def own_forms(self) -> OwnForms:
        """How authorities themselves write documents, by the root."""
        return own_forms(self.types)

    @cached_property
    def known(self) -> KnownFiles:
        """The types that are taken, and what else people drop by mistake."""
        return known_files(self.types)

    @cached_property
    def own_answers(self) -> OwnAnswers:
        """And how they answer, by the root."""
        return own_answers(self.own_forms)

    @cached_property
    def accounts(self) -> Mapping[str, Account]:
        return {account.name: account for account in self.settings.account}

    @cached_property
    def cards(self) -> Mapping[str, tuple[Account, Card]]:
        """Every card of the settings, with its account."""
        return {card.name: (account, card) for account in self.settings.account for card in account.card}

    def compiled(self, type_: str) -> Compiled:
        """A document type; Held, like all of these, while it is not (or not any more) there."""
        return there(self.profiles, "type", type_)

    def profile(self, type_: str) -> Profile:
        return self.compiled(type_).profile

    def account(self, name: str) -> Account:
        return there(self.accounts, "account", name)

    def trusted(self, route: str) -> tuple[TrustedCertificate, ...]:
        """Whose receipts are believed that came by a route."""
        return there(self.trust, "route", route)

    def has(self, needs: str) -> bool:
        """Is what a message was held for (`Held.needs`) there again?"""
        kind, _, name = needs.partition(" ")
        things: Mapping[str, Collection[str]] = {
            "type": self.profiles,
            "account": self.accounts,
            "route": self.settings.route,
            "card": self.cards,
        }
        return name in things.get(kind, ())

    def code_at(self, account: Account, profile: Profile) -> str:
        """The account's code at the profile's authority."""
        return _code(account, profile.account_code)

    def code_on(self, account: Account, route: str) -> str:
        """The account's code at the authority that listens at a route; empty where no type goes there."""
        return _code(account, self._codes.get(route, ""))

    def accounts_at(self, route: str, code: str) -> tuple[str, ...]:
        """Whom a code names at the authority that listens at a route: one enterprise may have several accounts, one for each ERP."""
        return self._named.get((route, code), ())

    @cached_property
    def _named(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """Accounts, in the settings' order, by route and their code there."""
        named: dict[tuple[str, str], tuple[str, ...]] = {}
        for route, (name, account) in product(self._codes, self.accounts.items()):
            if code := self.code_on(account, route):
                named[route, code] = (*named.get((route, code), ()), name)
        return named

    @cached_property
    def _codes(self) -> Mapping[str, str]:
        """Which of an account's codes names it, by route."""
        return {r: p.account_code for p in self.types.values() for r in (p.route, p.authority) if r and p.account_code}

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
        """The account's bound card that may sign this operation: one that is not bound is as good as none."""
        return next((card for card in self.cards_suiting(account, profile, operation) if card.bound), None)

    def cards_suiting(self, account: Account, profile: Profile, operation: Operation) -> Iterator[Card]:
        """The account's cards of the authority and role that this operation asks for, bound or not."""
        for card in account.card:
            if card.authority == profile.card_authority and (not operation.roles or card.role in operation.roles):
                yield card

    def signs(self, message: Message, content: Content) -> bool:
        """Does the message's operation want its card and signature for this content?"""
        return self.profiles[message.type].signed_when[message.operation](content)

    def at_once(self, lane: Lane) -> bool:
        """Is its card a key in this process, so fast that a signature need not wait in the lane; or is there none?"""
        return lane.kind == LaneKind.UNSIGNED or (lane.kind == LaneKind.CARD and lane.name in self._fast_cards)

    @cached_property
    def _fast_cards(self) -> frozenset[str]:
        return frozenset(name for name, (_, card) in self.cards.items() if card.kind == "software" and not card.delay)

    def next_try(self, message: Message, now: int) -> int:
        """When to try a message again: its age in the queue is the next delay."""
        schedule = self.settings.schedule
        age = timedelta(milliseconds=now - (message.received_at if message.tries_since is None else message.tries_since))
        part = part_of(message.id, str(message.attempts))
        wait = wait_before_next(age, least=schedule.least_wait, most=schedule.most_wait, part=part)
        return now + round(wait / timedelta(milliseconds=1))


def there(things: Mapping[str, T], kind: str, name: str) -> T:
    """One of the things of a kind; raises Held while there is none of that name."""
    found = things.get(name)
    if found is None:
        raise missing(kind, name)
    return found


def missing(kind: str, name: str) -> Held:
    """What the settings (or the installed types) do not have any more; messages go on when it is back."""
    zh = {"type": "单证类型", "account": "账户", "route": "路由", "card": "卡"}[kind]
    do = in_both(
        f"把{zh} {name} 放回去，然后执行 tongguan reload，或重启；要结束报文：tongguan give-up ID",
        f"put {kind} {name} back, then: tongguan reload; or restart; to end the message: tongguan give-up ID",
    )
    where = ("没有安装", "is not installed") if kind == "type" else ("不在设置中", "is not in the settings")
    return Held(f"{zh} {name} {where[0]}", f"{kind} {name} {where[1]}", do=do, needs=f"{kind} {name}")


def _code(account: Account, name: str) -> str:
    """One of an account's codes by its name."""
    return str(getattr(account, name)) if name else ""
