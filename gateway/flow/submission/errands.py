"""What a checked message sets going: its desk step, a question to the authority, or its way to card and wire.

What the gateway can do itself is done at once; what needs card or wire leaves its document in the in-between status, in the
same commit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from tongguan.codecs.reading.attachments import media_type
from tongguan.gateway.document.changes import (
    all_reservations,
    attached,
    changed,
    facts_of,
    learned,
    numbers_given,
    opened,
    reservations,
    with_numbers,
    with_values,
)
from tongguan.gateway.document.counting import counted
from tongguan.gateway.flow.intake.accept import Carried
from tongguan.gateway.flow.local import Errand, desk_step
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.allowed import no_card
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Body, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system import clock


def errand_of(
    site: Site, message: Message, hand: Carried, document: Document, *, content: Content, options: Mapping[str, str] | None = None
) -> Errand:
    """What the desk needs to do a message's operation."""
    profile = site.profile(message.type)
    operation = profile.operations[message.operation]

    def give(kind: str) -> str:
        return new_number(site, profile, kind)

    own_numbers = document.version == 0 or operation.desk != "copy"
    return Errand(
        message=message,
        profile=profile,
        operation=operation,
        account=site.account(message.account),
        document=document,
        content=content if operation.body != "none" else document.content,
        options=options or {},
        attachments=hand.item.attachments,
        files=hand.files,
        media_types={name: media_type(raw) for name, raw in hand.files.items()},
        numbers=numbers_given(operation, document.numbers, give=give) if own_numbers else document.numbers,
        give_number=give,
        now=clock.now_ms(),
        language=site.language(site.account(message.account)),
        profiles=site.types,
    )


def new_number(site: Site, profile: Profile, kind: str) -> str:
    """The next number of a kind that the gateway gives, in the shape that the profile says.

    Numbers that begin alike are one series, whatever type they are for.
    """
    series = _series(profile, kind)
    serial = site.journal.serials(series.name, digits=series.digits)
    return series.stem + series.tail.format(serial=serial)


@dataclass(frozen=True, slots=True)
class Series:
    """Where numbers of a kind are counted this year, and how they are written."""

    name: str
    digits: int
    stem: str
    tail: str


def _series(profile: Profile, kind: str) -> Series:
    today = clock.china_date(clock.now_ms())
    stem, _, tail = profile.numbers[kind].given.partition("{serial")
    stem = stem.format(yy=today[2:4], yyyy=today[:4])
    digits = re.match(r":0?(\d+)d", tail)
    return Series(f"{profile.authority}:{stem}", int(digits[1]) if digits else 9, stem, "{serial" + tail)


def series_ahead(profiles: Iterable[Profile]) -> list[tuple[str, int]]:
    """The series of this year that these types may ask numbers of: name, digits."""
    given = [(p, kind) for p in profiles for o in p.operations.values() for kind in o.give_numbers]
    return list(dict.fromkeys((s.name, s.digits) for s in (_series(p, kind) for p, kind in given)))


def at_desk(site: Site, errand: Errand, records: Records) -> Outcome:
    """Let the desk do it; its answer is the technical response."""
    outcome = desk_step(errand.operation.desk or errand.operation.name)(errand, records)
    documents = tuple(_as_found(errand, d) for d in outcome.documents)
    return replace(outcome, documents=documents, bodies=(*outcome.bodies, *_files(errand)))


def _as_found(errand: Errand, document: Document) -> Document:
    """The document with what lists and statistics find of it."""
    before = errand.document if errand.document.id == document.id else None
    after = document if document.deleted else replace(document, facts=facts_of(errand.profile, document))
    told_of = after.status if before is None or before.status != after.status else ""
    return counted(errand.profile, before, after, status=told_of, at=errand.now)


def asking(site: Site, errand: Errand) -> Outcome:
    """checked: the authority is asked first; the content waits beside the message."""
    operation, before = errand.operation, errand.document
    kept = Body(errand.message.id, "content", orjson.dumps(errand.content))
    route = site.route_of(errand.profile, operation.route)
    moved = _moved(site, errand, lane=Lane(LaneKind.ASK, route), route=route)
    moved = replace(moved, extra={**(moved.extra or {}), "ask": operation.ask})
    relied_on = {before.id: before.version} if before.version else {}
    return Outcome(moved, errand.message.state, "check", bodies=(*_files(errand), kept), relied_on=relied_on)


def _moved(site: Site, errand: Errand, *, lane: Lane, route: str) -> Message:
    return replace(
        errand.message,
        state=State.CHECKED,
        lane=lane,
        due_at=errand.now,
        updated_at=errand.now,
        waiting_for=site.shut(lane),
        attempts=0,
        extra={**(errand.message.extra or {}), "route": route},
    )


def on_its_way(site: Site, errand: Errand, records: Records) -> Outcome:
    """checked: in the lane of the card, or of what goes unsigned; its document in between."""
    operation, profile, before = errand.operation, errand.profile, errand.document
    filled = with_values(with_numbers(errand.content, profile, errand.numbers), errand.answered or {})
    lane = _lane(site, errand, filled)
    after = _between(errand, filled)
    wanted, held = reservations(profile, operation, after), all_reservations(profile, before)
    return Outcome(
        _moved(site, errand, lane=lane, route=site.route_of(profile, operation.route)),
        errand.message.state,
        "check",
        documents=(after,),
        bodies=_files(errand),
        numbers=learned(after, before, profile),
        reserve=tuple(r for r in wanted if records.reserved_by(r.kind, r.value) != after.id),
        release=tuple(r for r in held if r not in wanted) if operation.reserve else (),
    )


def _lane(site: Site, errand: Errand, content: Content) -> Lane:
    """That of the card which signs the content, or of what goes unsigned. Raises Refused when the card is missing."""
    if not (errand.operation.signed and site.signs(errand.message, content)):
        return Lane(LaneKind.UNSIGNED)
    card = site.card_for(errand.account, errand.profile, errand.operation)
    if card is None:
        raise Refused([no_card(site, errand.account, errand.profile, errand.operation)])
    return Lane(LaneKind.CARD, card.name)


def _between(errand: Errand, content: Content) -> Document:
    """The document with its new content and files while the operation is on its way."""
    operation, profile, message, before = errand.operation, errand.profile, errand.message, errand.document
    one = profile.attachments.one_a_category
    files = attached(before.attachments, message, errand.attachments, errand.files, types=errand.media_types, one=one)
    after = changed(before, errand.now, content=content, numbers=dict(errand.numbers), attachments=files)
    after = replace(after, facts=facts_of(profile, after))
    if operation.between:
        after = replace(after, status=operation.between, changing=message.id, status_before=before.status)
    return opened(after, errand.now) if operation.opens_round else after


def _files(errand: Errand) -> tuple[Body, ...]:
    bodies = {}
    for name, _ in errand.attachments:
        if name in errand.files:
            sha256 = hashlib.sha256(errand.files[name]).hexdigest()
            bodies[sha256] = Body(errand.message.id, f"attachment:{sha256}", errand.files[name])
    return tuple(bodies.values())
