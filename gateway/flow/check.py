"""received → checked | accepted | refused: what the message says is held against its profile and its document.

What the gateway can do itself is done here by its desk step; what needs card or wire leaves its document in the in-between
status, in the same commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from tongguan.codecs.attachments import check_attachments, media_type
from tongguan.codecs.check import check
from tongguan.codecs.read import Read, read
from tongguan.gateway.flow import answers, prints, queries
from tongguan.gateway.flow.accept import QUERY, Carried, carried, free_id
from tongguan.gateway.flow.allowed import card_faults, card_in_place, may, needed, taken, uses_card
from tongguan.gateway.flow.secrets import secret_faults
from tongguan.gateway.flow.site import UNSIGNED, Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.counting import counted
from tongguan.gateway.kernel.document import Content, Document
from tongguan.gateway.kernel.documents import (
    all_reservations,
    attached,
    born,
    changed,
    facts_of,
    learned,
    numbers_given,
    opened,
    reservations,
    undone,
    value_at,
    with_numbers,
    with_values,
)
from tongguan.gateway.kernel.errors import Refused
from tongguan.gateway.kernel.faults import fault
from tongguan.gateway.kernel.message import PRINT, Message, State
from tongguan.gateway.kernel.outcome import Body, Outcome
from tongguan.gateway.kernel.profile import Operation, Profile
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.work import end
from tongguan.routes.desk import Errand, desk_step


def hand_of(site: Site, message: Message, records: Records) -> Carried:
    """Read a message's content again from the bytes it came in."""

    def opened(raw: bytes) -> Read:
        return read(message.source or "", raw, most_bytes=site.settings.gateway.most_bytes)

    return carried(records.opened(message.batch or message.id, opened), message)


def decide_check(site: Site, message: Message, hand: Carried | None, records: Records) -> Outcome:
    """Check one message; raises Refused with every fault."""
    hand = hand or hand_of(site, message, records)
    if message.operation == QUERY:
        return queries.decide(site, message, hand, records)
    profile = site.profile(message.type)
    operation = profile.operations[message.operation]
    message, document = living(message, records)
    faults = may(site, message, operation, document)
    if faults and document is None and "" not in operation.allowed:
        raise Refused(faults)
    checked = check(
        site.profiles[message.type],
        hand.item,
        account=site.account(message.account),
        document=document,
        operation=message.operation,
        numbers=document.numbers if document else {},
        now_ms=clock.now_ms(),
    )
    if document is None and hand.item.document and operation.body == "optional" and not checked.content:
        raise Refused([fault("GW-F04", key=hand.item.document, path="@document", label="document")])
    faults += checked.faults
    allowed = site.profiles[message.type].attachable(checked.content)
    faults += check_attachments(
        profile, hand.item.attachments, hand.files, document=document, operation=message.operation, allowed=allowed
    )
    faults += taken(profile, operation, message, content=checked.content, records=records)
    faults += needed(site, message, checked.content, records)
    if operation.way == "message":
        faults += secret_faults(site, message, checked.content, site.route_of(profile, operation.route))
    signs = site.signs(message, checked.content)
    if operation.signed_when and signs:
        faults += card_faults(site, message, operation)
    if any(f.severity == "error" for f in faults):
        raise Refused(faults)
    if not hand.item.check and signs and uses_card(profile, operation, hand):
        card_in_place(site, message, operation)
    message = replace(message, faults=tuple(faults))
    if hand.item.check:
        outcome = end(message, State.ACCEPTED, "check", document_id=None, deadline_at=None)
        return replace(outcome, answers=answers.technical(site, outcome))
    if checked.filled:
        message = replace(message, extra={**(message.extra or {}), "filled": list(checked.filled)})
    errand = errand_of(site, message, hand, document or born(message, profile), content=checked.content, options=checked.options)
    if operation.desk == PRINT:
        return prints.ask_for(site, errand, records)
    if operation.way == "desk":
        return at_desk(site, errand, records)
    if operation.way == "query" or (operation.ask and _unanswered(operation, hand, checked.content)):
        return _asking(site, errand)
    return on_its_way(site, errand, records)


def living(message: Message, records: Records) -> tuple[Message, Document | None]:
    """The document that the message acts on; a key whose document was deleted meanwhile begins its next life."""
    document = records.document(message.document_id)
    if document is None or not document.deleted:
        return message, document
    return replace(message, document_id=free_id(message.account, message.type, document.key, records)), None


def _unanswered(operation: Operation, hand: Carried, content: Content) -> bool:
    """Must the authority be asked first: for a new content always, for a draft when its answer is not there."""
    keep = operation.options.get("keep", {})
    return bool(hand.item.filters()) or not all(value_at(content, path) for path in keep)


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
        numbers=numbers_given(profile, operation, document.numbers, give=give) if own_numbers else document.numbers,
        give_number=give,
        now=clock.now_ms(),
        language=site.language(site.account(message.account)),
        profiles={type_: compiled.profile for type_, compiled in site.profiles.items()},
    )


def new_number(site: Site, profile: Profile, kind: str) -> str:
    """The next number of a kind that the gateway gives, in the shape that the profile says.

    Numbers that begin alike are one series, whatever type they are for. Older journals had one for each kind and year.
    """
    today = clock.china_date(clock.now_ms())
    stem, _, tail = profile.numbers[kind].given.partition("{serial")
    stem = stem.format(yy=today[2:4], yyyy=today[:4])
    serial = site.journal.serials(f"{profile.authority}:{stem}", after=f"{profile.authority}:{kind}:{today[:4]}")
    return stem + ("{serial" + tail).format(serial=serial)


def at_desk(site: Site, errand: Errand, records: Records) -> Outcome:
    """Let the desk do it; its answer is the technical response."""
    outcome = desk_step(errand.operation.desk or errand.operation.name)(errand, records)
    documents = tuple(_as_found(errand, d) for d in outcome.documents)
    outcome = replace(outcome, documents=documents, bodies=(*outcome.bodies, *_files(errand)))
    return replace(outcome, answers=(*outcome.answers, *answers.technical(site, outcome)))


def _as_found(errand: Errand, document: Document) -> Document:
    """The document with what lists and statistics find of it."""
    before = errand.document if errand.document.id == document.id else None
    after = document if document.deleted else replace(document, facts=facts_of(errand.profile, document))
    told_of = after.status if before is None or before.status != after.status else ""
    return counted(errand.profile, before, after, status=told_of, at=errand.now)


def _asking(site: Site, errand: Errand) -> Outcome:
    """checked: the authority is asked first; the content waits beside the message."""
    operation, before = errand.operation, errand.document
    content = orjson.dumps(errand.content)
    kept = Body(errand.message.id, "content", content, hashlib.sha256(content).hexdigest())
    route = site.route_of(errand.profile, operation.route)
    moved = _moved(site, errand, lane=f"ask:{route}", route=route)
    moved = replace(moved, extra={**(moved.extra or {}), "ask": operation.ask})
    relied_on = {before.id: before.version} if before.version else {}
    return Outcome(moved, errand.message.state, "check", bodies=(*_files(errand), kept), relied_on=relied_on)


def _moved(site: Site, errand: Errand, *, lane: str, route: str) -> Message:
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
    operation, profile, message, before = errand.operation, errand.profile, errand.message, errand.document
    route = site.route_of(profile, operation.route)
    files = attached(
        before.attachments,
        message,
        errand.attachments,
        errand.files,
        types=errand.media_types,
        one=profile.attachments.one_a_category,
    )
    filled = with_values(with_numbers(errand.content, profile, errand.numbers), errand.answered or {})
    signed = operation.signed and site.signs(message, filled)
    card = site.card_for(errand.account, profile, operation) if signed else None
    if signed and card is None:
        raise Refused(card_faults(site, message, operation))
    moved = _moved(site, errand, lane=f"card:{card.name}" if card else UNSIGNED, route=route)
    after = changed(before, errand.now, content=filled, numbers=dict(errand.numbers), attachments=files)
    after = replace(after, facts=facts_of(profile, after))
    if operation.between:
        after = replace(after, status=operation.between, changing=message.id, status_before=before.status)
    if operation.opens_round:
        after = opened(after, errand.now)
    wanted, held = reservations(profile, operation, after), all_reservations(profile, before)
    return Outcome(
        moved,
        message.state,
        "check",
        documents=(after,),
        bodies=_files(errand),
        numbers=learned(after, before, profile),
        reserve=tuple(r for r in wanted if records.reserved_by(r.kind, r.value) != after.id),
        release=tuple(r for r in held if r not in wanted) if operation.reserve else (),
    )


def _files(errand: Errand) -> tuple[Body, ...]:
    bodies = {}
    for name, _ in errand.attachments:
        if name in errand.files:
            sha256 = hashlib.sha256(errand.files[name]).hexdigest()
            bodies[sha256] = Body(errand.message.id, f"attachment:{sha256}", errand.files[name], sha256)
    return tuple(bodies.values())


def refuse(site: Site, message: Message, refused: Refused, records: Records) -> Outcome:
    """refused: every fault is listed, and the document goes back to where it was."""
    document = records.document(message.document_id)
    reverted = undone(document, message, site.profile(message.type)) if document and message.type in site.profiles else None
    outcome = end(message, State.REFUSED, "check", faults=refused.faults, deadline_at=None)
    outcome = replace(outcome, documents=(reverted,) if reverted else ())
    return replace(outcome, answers=answers.technical(site, outcome))
