"""What a checked message sets going: its desk step, a question to the authority, or its way to card and wire.

What the gateway can do itself is done at once; what needs card or wire leaves its document in the in-between status, in the
same commit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

import orjson

from tongguan.codecs.reading.attachments import media_type
from tongguan.gateway.document.changes import (
    FoundDocuments,
    attached,
    changed,
    facts_of,
    learned,
    numbers_given,
    opened,
    own_reservations,
    reservations,
    with_numbers,
    with_values,
)
from tongguan.gateway.document.lines import kept_beside, with_keys
from tongguan.gateway.flow.intake.accept import Carried
from tongguan.gateway.flow.local import LocalRequest, desk_step
from tongguan.gateway.flow.merging.letting_go import freeing
from tongguan.gateway.flow.receipts.agreement import PENDING
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import no_card
from tongguan.gateway.flow.submission.checks.licences import taking, wish_of
from tongguan.gateway.flow.submission.checks.parties import party_of
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Refused, in_both
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import OTHER, Message, State
from tongguan.gateway.model.outcome import Body, Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import COPY, Profile
from tongguan.gateway.system import times
from tongguan.gateway.work.moment import Moment


def request_of(
    rules: Rules,
    moment: Moment,
    message: Message,
    hand: Carried,
    document: Document,
    *,
    content: Content,
    options: Mapping[str, str] | None = None,
    found: FoundDocuments | None = None,
) -> LocalRequest:
    """What the desk needs to do a message's operation."""
    profile, account = rules.profile(message.type), rules.account(message.account)
    operation = profile.operations[message.operation]
    party = party_of(account, profile, content, found or {}, document)
    document = replace(document, party=document.party if party is None else party)

    def give(kind: str) -> str:
        return new_number(moment, profile, kind)

    own_numbers = document.version == 0 or operation.desk != COPY
    return LocalRequest(
        message=message,
        profile=profile,
        operation=operation,
        account=account,
        document=document,
        content=content,
        options=options or {},
        attachments=hand.item.attachments,
        files=hand.files,
        media_types={name: media_type(raw) for name, raw in hand.files.items()},
        numbers=numbers_given(profile, operation, content, document.numbers, give=give) if own_numbers else document.numbers,
        give_number=give,
        now=moment.now,
        business=moment.business,
        language=rules.language(account),
        profiles=rules.types,
        found=found or {},
    )


def new_number(moment: Moment, profile: Profile, kind: str) -> str:
    """The next number of a kind that the gateway gives, in the shape that the profile says.

    Numbers that begin alike are one series, whatever type they are for.
    """
    series = _series(profile, kind, moment.business)
    serial = moment.numbers.take(series.name, digits=series.digits)
    return series.stem + series.tail.format(serial=serial)


@record
class Series:
    """Where numbers of a kind are counted this year, and how they are written."""

    name: str
    digits: int
    stem: str
    tail: str


def _series(profile: Profile, kind: str, at: int) -> Series:
    return _of_year(profile.authority, profile.numbers[kind].given, times.china_date(at)[:4])


@lru_cache(maxsize=1024)
def _of_year(authority: str, given: str, year: str) -> Series:
    stem, _, tail = given.partition("{serial")
    stem = stem.format(yy=year[2:], yyyy=year)
    digits = re.match(r":0?(\d+)d", tail)
    return Series(f"{authority}:{stem}", int(digits[1]) if digits else 9, stem, "{serial" + tail)


def series_ahead(profiles: Iterable[Profile], at: int) -> list[tuple[str, int]]:
    """The series of this year that these types may ask numbers of: name, digits."""
    given = [(p, kind) for p in profiles for o in p.operations.values() for kind in o.give_numbers]
    return list(dict.fromkeys((s.name, s.digits) for s in (_series(p, kind, at) for p, kind in given)))


def at_desk(request: LocalRequest, records: Snapshot) -> Outcome:
    """Let the desk do it; its answer is the technical response."""
    outcome = desk_step(request.operation.desk or request.operation.name)(request, records)
    documents = tuple(_as_found(request, d) for d in outcome.documents)
    outcome = replace(outcome, documents=documents, bodies=(*outcome.bodies, *_files(request)))
    return freeing(request.profiles, outcome, records, at=request.business)


def _as_found(request: LocalRequest, document: Document) -> Document:
    """The document with what lists and statistics find of it; of another one that goes on living that stays as it was."""
    profile, before = request.profiles[document.type], request.document if request.document.id == document.id else None
    if before is None and document.version > 1 and not document.deleted:
        return document
    after = document if document.deleted else replace(document, facts=facts_of(profile, document.content))
    return kept_beside(profile, before, after, at=request.business)


def asking(rules: Rules, moment: Moment, request: LocalRequest) -> Outcome:
    """checked: the authority is asked first, or the card signs the question; the content waits beside the message."""
    operation, before = request.operation, request.document
    kept = Body(request.message.id, "content", orjson.dumps(request.content))
    route = rules.route_of(request.profile, operation.route)
    lane = _lane(rules, request, request.content) if operation.way == "query" and operation.signed else Lane(LaneKind.ASK, route)
    moved = _moved(moment, request, lane=lane, route=route)
    moved = replace(moved, asks=operation.ask)
    relied_on = {before.id: before.version} if before.version else {}
    return Outcome(moved, request.message.state, "check", bodies=(*_files(request), kept), relied_on=relied_on)


def _moved(moment: Moment, request: LocalRequest, *, lane: Lane, route: str) -> Message:
    return replace(
        request.message,
        state=State.CHECKED,
        lane=lane,
        due_at=request.now,
        updated_at=request.now,
        waiting_for=moment.shut(lane),
        attempts=0,
        route=route,
    )


def waiting(request: LocalRequest, other: Document, records: Snapshot) -> Outcome:
    """received still: looked at again when the other document has moved on.

    Its own document is in the status for that, and otherwise as it was; one that the message makes is there already.
    """
    message, before = request.message, request.document
    moved = replace(
        message,
        lane=Lane(LaneKind.READ),
        due_at=None,
        deadline_at=None,
        updated_at=request.now,
        waiting_for=OTHER,
        waits_on=other.id,
    )
    outcome = Outcome(moved, message.state, "check", relied_on={other.id: other.version})
    stored, status = records.document(before.id), _status_while(request, request.operation.waiting)
    if stored is not None and stored.changing == message.id:
        return outcome
    if before.version:
        return replace(outcome, documents=(with_keys(request.profile, before, changed(before, request.business, **status)),))
    content = with_numbers(request.content, request.profile, request.numbers)
    made = replace(_with_files(request, status), content=content, facts=facts_of(request.profile, content))
    made = with_keys(request.profile, None, made)
    return replace(outcome, documents=(made,), bodies=_files(request), numbers=learned(made, before, request.profile))


def without_answer(outcome: Outcome) -> Outcome:
    """An outcome of what asked first, or would have; says that it goes on without an answer."""
    return replace(
        outcome, why=in_both("没有得到所问的答复，照样往下办", "what it asked first was not answered: it goes on without")
    )


def on_its_way(rules: Rules, moment: Moment, request: LocalRequest, records: Snapshot) -> Outcome:
    """checked: in the lane of the card, or of what goes unsigned; its document in between."""
    operation, profile, before = request.operation, request.profile, request.document
    filled = with_values(with_numbers(request.content, profile, request.numbers), request.answered or {})
    lane = _lane(rules, request, filled)
    after = with_keys(profile, before, _between(request, filled))
    asked, bodies = after.content if after.pending is None else after.pending, _files(request)
    if operation.pending or (profile.changes is not None and operation.opens_round):
        bodies = (*bodies, Body(request.message.id, PENDING, orjson.dumps(asked)))
    wish = wish_of(rules, moment, request.message, asked, before, request.found, party=after.party)
    takes, relied_on = taking(rules, after, wish, records)
    outcome = Outcome(
        _moved(moment, request, lane=lane, route=rules.route_of(profile, operation.route)),
        request.message.state,
        "check",
        documents=(after,),
        bodies=bodies,
        numbers=learned(after, before, profile),
        takes=takes,
        relied_on=relied_on,
    )
    if operation.pending or not operation.reserve:  # what is reserved follows the content that was agreed to
        return outcome
    wanted = reservations(profile, operation, after, request.found)
    held = own_reservations(profile, records.reservations_of(before.id)) if before.version else ()
    return replace(
        outcome,
        reserve=tuple(r for r in wanted if records.reserved_by(r.kind, r.value) != after.id),
        release=tuple(r for r in held if r not in wanted),
    )


def _lane(rules: Rules, request: LocalRequest, content: Content) -> Lane:
    """That of the card which signs the content, or of what goes unsigned. Raises Refused when the card is missing."""
    if not (request.operation.signed and rules.signs(request.message, content)):
        return Lane(LaneKind.UNSIGNED)
    card = rules.card_for(request.account, request.profile, request.operation)
    if card is None:
        raise Refused([no_card(rules, request.account, request.profile, request.operation)])
    return Lane(LaneKind.CARD, card.name)


def _between(request: LocalRequest, content: Content) -> Document:
    """The document with its new content and files while the operation is on its way; the old one where agreement is asked first."""
    operation = request.operation
    after = _with_files(request, _status_while(request, operation.between))
    after = opened(after, request.business) if operation.opens_round else after
    if operation.pending:
        return replace(after, pending=content, facts=None)
    return replace(after, content=content, facts=facts_of(request.profile, content))


def _with_files(request: LocalRequest, status: Mapping[str, str]) -> Document:
    """The document with the numbers and files that come with its message, in another status if there is one."""
    before, one = request.document, request.profile.attachments.one_a_category
    files = attached(before.attachments, request.message, request.attachments, request.files, types=request.media_types, one=one)
    return changed(before, request.business, numbers=dict(request.numbers), attachments=files, **status)


def _status_while(request: LocalRequest, status: str) -> Mapping[str, str]:
    """What is changed of a document that is in this status as long as its message is on its way; nothing without one."""
    return {"status": status, "changing": request.message.id, "status_before": request.document.status} if status else {}


def _files(request: LocalRequest) -> tuple[Body, ...]:
    bodies = {}
    for name, _ in request.attachments:
        if name in request.files:
            sha256 = hashlib.sha256(request.files[name]).hexdigest()
            bodies[sha256] = Body(request.message.id, f"attachment:{sha256}", request.files[name])
    return tuple(bodies.values())
