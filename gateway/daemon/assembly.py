"""Put a home's gateway together: settings, journal, profiles, cards, routes, mailboxes."""

from __future__ import annotations

import grp
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256

from cryptography.hazmat.primitives import serialization

from tongguan.codecs.checking.compile import Compiled, compile_all
from tongguan.codecs.checking.secrets import secret_names
from tongguan.gateway.daemon.start_checks.production import refuse_test_material
from tongguan.gateway.daemon.start_checks.profile_settings import fit_profiles
from tongguan.gateway.daemon.start_checks.recipients import recipients
from tongguan.gateway.flow.cards.looks import Looks
from tongguan.gateway.flow.intake.preparer import Preparer
from tongguan.gateway.flow.local import desk_steps
from tongguan.gateway.flow.query.authority.known_answers import KnownAnswers
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.source import Complaints
from tongguan.gateway.settings import Account, Settings
from tongguan.gateway.system.business_clock import BusinessClock
from tongguan.gateway.system.storage import files, permissions
from tongguan.gateway.system.storage.folders import Folders, identity_marker
from tongguan.gateway.system.threads import ANSWER, within
from tongguan.inbox.mailbox import Mailbox
from tongguan.outbox.prints.layout import read_layouts
from tongguan.outbox.prints.pdf_worker import PdfWorker
from tongguan.outbox.prints.plan import Layout
from tongguan.outbox.sms import Channel, FileChannel, HttpChannel
from tongguan.routes.event_loop import EventLoop
from tongguan.routes.https import HttpsRoute
from tongguan.routes.sms import HttpProvider
from tongguan.signer.cards.card import OpenCard, open_card
from tongguan.signer.certificate_file import NoCertificate, certificates_in
from tongguan.signer.verify import TrustedCertificate


def make_site(
    settings: Settings,
    journal: Journal,
    wire: EventLoop,
    *,
    before: Site | None = None,
    preparer: Callable[[Rules, KnownAnswers], Preparer | None] = lambda rules, answers: None,
    business: BusinessClock | None = None,
) -> Site:
    """The site of these settings; SettingsWrong, with every fault, when a profile, certificate or route cannot be used.

    `before`: a site of other settings, which runs. Cards that are the same in both are one, so that none is opened, or given its
    PIN, a second time.
    """
    wrong, routes = Complaints(), {}
    with wrong.look():
        refuse_test_material(settings)
    with wrong.look():
        rules = make_rules(settings)
    for name, route in settings.route.items():
        with wrong.look():
            routes[name] = HttpsRoute(name, route, settings.home, wire)
    wrong.end()
    cards, answers = open_cards(settings, journal, before=before), KnownAnswers()
    return Site(
        rules=rules,
        journal=journal,
        routes=routes,
        cards=cards,
        looks=Looks(cards, settings.schedule.probe, production=settings.gateway.environment == "production"),
        answers=answers,
        preparer=preparer(rules, answers),
        business=business or BusinessClock(),
        pdf_worker=PdfWorker(timeout=settings.prints.timeout.total_seconds(), most_bytes=settings.prints.most_memory),
    )


def make_rules(settings: Settings) -> Rules:
    """What these settings have decisions go by; SettingsWrong, with every fault, when a profile or certificate cannot be used.

    The same settings, profiles and certificates make the same rules in every process.
    """
    desk_steps()
    wrong = Complaints()
    with wrong.look():
        installed = load_profiles(home=settings.home)
        profiles = compile_all(installed)
        fit_profiles(settings, installed)
    with wrong.look():
        encrypt_to, secrets_to = recipients(settings)
    with wrong.look():
        certificates = pinned(settings)
    wrong.end()
    shared = shared_keys(settings, certificates)
    return Rules(
        settings=settings,
        profiles=profiles,
        trust={name: tuple(c for c in found if _key_of(c) not in shared) for name, found in certificates.items()},
        shared_keys=shared,
        layouts=make_layouts(profiles),
        encrypt_to=encrypt_to,
        secrets=secret_names({type_: compiled.profile for type_, compiled in profiles.items()}),
        secrets_to=secrets_to,
    )


def make_layouts(profiles: Mapping[str, Compiled]) -> Mapping[str, Mapping[str, Layout]]:
    """Every form of every type; SettingsWrong lists what is wrong with any of them."""
    complaints = Complaints()
    layouts = {type_: read_layouts(compiled.profile, complaints) for type_, compiled in profiles.items()}
    complaints.end()
    return layouts


def open_cards(settings: Settings, journal: Journal, *, before: Site | None = None) -> Mapping[str, OpenCard]:
    """Every card of every account; one whose PIN was refused before stays shut until a person opens it."""
    opened = {}
    known = {card.name: card for card in before.rules.settings.cards} if before is not None else {}
    for card in settings.cards:
        if before is not None and known.get(card.name) == card:
            opened[card.name] = before.cards[card.name]
            continue
        lane = journal.lanes.get(Lane(LaneKind.CARD, card.name))
        locked = lane is not None and lane.reason == "pin" and lane.probe_at is None
        opened[card.name] = open_card(card, settings.home, locked=locked, bound=card.bound)
    return opened


def pinned(settings: Settings) -> Mapping[str, tuple[TrustedCertificate, ...]]:
    """The certificates that each route names, a file may hold several; SettingsWrong tells every file that cannot be read."""
    found: dict[str, tuple[TrustedCertificate, ...]] = {}
    wrong = Complaints()
    for name, route in settings.route.items():
        of_route: list[TrustedCertificate] = []
        for path in map(settings.path, route.certificates):
            try:
                of_route += map(TrustedCertificate, certificates_in(files.read(path)))
            except NoCertificate as why:
                wrong.add(str(path), f"读不出证书：{why.zh}", f"no certificate can be read from it: {why.en}")
            except PermissionError as why:
                zh, en = permissions.closed(path)
                wrong.add(str(path), f"{why.strerror}；{zh}", f"{why.strerror}; {en}")
            except OSError as why:
                wrong.add(str(path), f"读不出证书：{why.strerror}", f"no certificate can be read from it: {why.strerror}")
        found[name] = tuple(of_route)
    wrong.end()
    return found


def shared_keys(settings: Settings, certificates: Mapping[str, tuple[TrustedCertificate, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Keys that several routes trust, with those routes: they prove no authority, unless each of the routes says `one_platform`."""
    routes: dict[str, list[str]] = {}
    for name, found in certificates.items():
        for key in dict.fromkeys(map(_key_of, found)):
            routes.setdefault(key, []).append(name)
    several = {key: names for key, names in routes.items() if len(names) > 1}
    return {key: tuple(names) for key, names in several.items() if not all(settings.route[n].one_platform for n in names)}


def _key_of(certificate: TrustedCertificate) -> str:
    """The key itself: two certificates of one key are one signer."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(certificate.key.public_bytes(*form)).hexdigest()[:16]


def make_channel(settings: Settings, wire: EventLoop) -> Channel:
    """The way to whom short messages are handed over."""
    sms = settings.sms
    if sms.kind == "http":
        return HttpChannel(HttpProvider(sms, settings.gateway.environment, settings.home, wire).post, sender=sms.sender)
    return FileChannel(settings.path(sms.file), sender=sms.sender)


def mailbox_group(account: Account) -> int | None:
    """The number of the group that may work in an account's mailbox; SettingsWrong when the system has none of that name."""
    if not account.group:
        return None
    try:
        return int(account.group) if account.group.isascii() and account.group.isdecimal() else grp.getgrnam(account.group).gr_gid
    except KeyError:
        where = f"account {account.name}: group"
        zh, en = f"{where}：系统中没有组 {account.group}", f"{where}: the system has no group {account.group}"
        raise SettingsWrong(zh, en) from None


def make_mailboxes(settings: Settings, journal: Journal) -> Mapping[str, Mailbox]:
    """The mailbox of each account; one that is not there, or not this account's, is made all the same, and waits until it is."""
    with journal.search() as records:
        known = {account.name: records.marker(identity_marker(account.name)) for account in settings.account}
    fresh = {name: f"{new_id()} new" for name, marker in known.items() if marker is None}
    journal.set_markers({identity_marker(name): marker for name, marker in fresh.items()})
    placed: dict[str, str] = {}
    starting = True

    def place(name: str, identity: str, folder: int) -> None:
        if starting:  # all that are placed are forced to disk, and told of, in one
            placed[name] = identity
        else:
            files.sync_file_system(folder)
            journal.set_markers({name: identity})

    made: dict[str, Mailbox] = {}
    for account in settings.account:
        root, name = settings.mailbox(account), identity_marker(account.name)
        # The id is given before the marker is written, so that a crash in between leaves one that is still to be written.
        identity, _, new = (known[account.name] or fresh[account.name]).partition(" ")
        placing = partial(place, name, identity)
        made[account.name] = Mailbox(
            root,
            account.name,
            settle=settings.gateway.settle,
            ignored_after=settings.gateway.ignored_after,
            most_bytes=settings.gateway.most_bytes,
            folders=Folders(
                root,
                account=account.name,
                identity=identity,
                new=bool(new),
                placed=placing,
                group=mailbox_group(account),
            ),
        )
    # One that does not answer keeps the thread that looks, and is away for its own threads until it does.
    within(ANSWER, {each.folder / "OutBox": each.folders.here for each in made.values()})
    starting = False
    fresh_ones = {key: each for name, each in made.items() if (key := identity_marker(name)) in placed}
    synced = within(ANSWER, {each.folder: partial(files.sync_file_system, each.folders[""]) for each in fresh_ones.values()})
    journal.set_markers({key: placed[key] for key, each in fresh_ones.items() if each.folder in synced})
    return made
