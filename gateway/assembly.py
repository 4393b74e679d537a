"""Put a home's gateway together: settings, journal, profiles, cards, routes, mailboxes."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from tongguan.codecs.compile import Compiled, compile_all
from tongguan.codecs.secrets import secret_names
from tongguan.gateway.fitting import fit_profiles
from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel.errors import SettingsWrong
from tongguan.gateway.kernel.journal import Journal
from tongguan.gateway.kernel.profile_loading import load_profiles
from tongguan.gateway.kernel.profile_source import Complaints
from tongguan.gateway.kernel.settings import Card, Settings
from tongguan.gateway.recipients import recipients
from tongguan.inbox.mailbox import Mailbox
from tongguan.outbox.notifying import Channel, FileChannel, HttpChannel
from tongguan.outbox.prints.layout import read_layouts
from tongguan.outbox.prints.plan import Layout
from tongguan.outbox.prints.press import Press
from tongguan.routes.https import HttpsRoute
from tongguan.routes.sms import HttpProvider
from tongguan.routes.wire import Wire
from tongguan.signer.card import Card as OpenCard
from tongguan.signer.card import CardSettings, open_card
from tongguan.signer.verify import TrustedCertificate


def make_site(settings: Settings, journal: Journal, wire: Wire) -> Site:
    """The site of these settings; SettingsWrong when a profile, certificate or route cannot be used."""
    profiles = compile_all(load_profiles(home=settings.home))
    fit_profiles(settings, profiles)
    encrypt_to, secrets_to = recipients(settings)
    cards = open_cards(settings, journal)
    return Site(
        settings=settings,
        journal=journal,
        profiles=profiles,
        routes={name: HttpsRoute(name, route, settings.home, wire) for name, route in settings.route.items()},
        cards=cards,
        trust={name: trusted(settings, route.certificates) for name, route in settings.route.items()},
        accounts={account.name: account for account in settings.account},
        layouts=make_layouts(profiles),
        press=Press(timeout=settings.prints.timeout.total_seconds(), most_bytes=settings.prints.most_memory),
        fast_cards=frozenset(c.name for a in settings.account for c in a.card if c.kind == "software" and not c.delay),
        encrypt_to=encrypt_to,
        secrets=secret_names({type_: compiled.profile for type_, compiled in profiles.items()}),
        secrets_to=secrets_to,
    )


def make_layouts(profiles: Mapping[str, Compiled]) -> Mapping[str, Mapping[str, Layout]]:
    """Every form of every type; SettingsWrong lists what is wrong with any of them."""
    complaints = Complaints()
    layouts = {type_: read_layouts(compiled.profile, complaints) for type_, compiled in profiles.items()}
    if complaints.all:
        raise SettingsWrong("\n".join(complaints.all))
    return layouts


def open_cards(settings: Settings, journal: Journal) -> Mapping[str, OpenCard]:
    """Every card of every account; one whose PIN was refused before stays shut until a person opens it."""
    opened = {}
    for account in settings.account:
        for card in account.card:
            lane = journal.lanes.get(f"card:{card.name}")
            locked = lane is not None and lane.reason == "pin"
            opened[card.name] = open_card(card_settings(card), settings.home, locked=locked, bound=card.bound)
    return opened


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
        delay=card.delay.total_seconds(),
    )


def trusted(settings: Settings, names: tuple[str, ...]) -> tuple[TrustedCertificate, ...]:
    """The certificates whose receipts we believe; a file may hold several."""
    found: list[TrustedCertificate] = []
    for name in names:
        path = settings.path(name)
        try:
            found += [TrustedCertificate(certificate) for certificate in x509.load_pem_x509_certificates(path.read_bytes())]
        except (OSError, ValueError) as wrong:
            raise SettingsWrong(f"{path}: no certificate can be read from it: {wrong}") from None
    return tuple(found)


def make_channel(settings: Settings, wire: Wire) -> Channel:
    """The way to whom short messages are handed over."""
    sms = settings.sms
    if sms.kind == "http":
        return HttpChannel(HttpProvider(sms, settings.gateway.environment, settings.home, wire).post, sender=sms.sender)
    return FileChannel(settings.path(sms.file), sender=sms.sender)


def make_mailboxes(settings: Settings) -> Mapping[str, Mailbox]:
    return {
        account.name: Mailbox(
            settings.mailbox(account),
            account.name,
            settle=settings.gateway.settle,
            ignored_after=settings.gateway.ignored_after,
            most_bytes=settings.gateway.most_bytes,
        )
        for account in settings.account
    }
