"""received → checked | accepted | refused: what the message says is held against its profile and its document.

All that is wrong is told at once; a message that is right becomes a request (`dispatch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from tongguan.codecs.checking.check import Checked, check, places_of
from tongguan.codecs.reading.attachments import check_attachments
from tongguan.codecs.reading.read import Item, Read, read
from tongguan.gateway.document.changes import born, numbers_given
from tongguan.gateway.flow.holdings import undoing
from tongguan.gateway.flow.intake.accept import Carried, carried, free_id, read_again, unread
from tongguan.gateway.flow.intake.locations import placed
from tongguan.gateway.flow.intake.offline import besides_of
from tongguan.gateway.flow.local import LocalRequest
from tongguan.gateway.flow.merging.letting_go import came_to_nothing, freeing
from tongguan.gateway.flow.merging.request import merge_faults, with_agent
from tongguan.gateway.flow.printing import prints
from tongguan.gateway.flow.query import queries
from tongguan.gateway.flow.query.authority.known_answers import with_known
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.checks.allowed import (
    Needs,
    asks_now,
    by_number,
    card_faults,
    card_in_place,
    in_place_of_expired,
    may,
    needed,
    place_in,
    taken,
    to_the_card,
    unanswered,
    uses_card,
)
from tongguan.gateway.flow.submission.checks.filed import FiledDocuments, changed_document
from tongguan.gateway.flow.submission.checks.licences import licence_faults, wish_of
from tongguan.gateway.flow.submission.checks.parties import OWN, party_of
from tongguan.gateway.flow.submission.checks.picks import content_picked, pick_faults, picked
from tongguan.gateway.flow.submission.checks.powers import power_faults
from tongguan.gateway.flow.submission.checks.secrets import look_at_secrets, secret_faults
from tongguan.gateway.flow.submission.dispatch import asking, at_desk, on_its_way, request_of, waiting, without_answer
from tongguan.gateway.flow.submission.split import (
    PART_OF,
    Part,
    further_documents,
    left_over,
    part_document,
    part_faults,
    part_message,
    parts_of,
    with_parts,
)
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Deferred, Fault, Refused, in_both
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import MERGE, PRINT, QUERY, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import Operation
from tongguan.gateway.system.times import china_date
from tongguan.gateway.work.loop import Step, end, lane_of
from tongguan.gateway.work.moment import Moment
from tongguan.signer.cards.card import CardState
from tongguan.signer.errors import CardBroken


def hand_of(rules: Rules, message: Message, records: Snapshot) -> Carried:
    """Read a message's content again from the bytes it came in.

    One that the rows of another message became has the other one's files.
    """

    def opened(raw: bytes) -> Read:
        most_bytes = rules.settings.gateway.most_bytes
        return read(message.source or "", raw, most_bytes=most_bytes, own_forms=rules.own_forms, known=rules.known)

    hand = carried(records.opened(message.batch or message.id, opened), message)
    first_id = (message.extra or {}).get(PART_OF)
    first = records.message(first_id) if first_id else None
    if first is None:
        return hand
    whole = hand_of(rules, first, records)
    return Carried(replace(hand.item, attachments=whole.item.attachments), whole.files)


def read_step(site: Site) -> Step:
    """The station of what is to be checked; also of a file that was taken without having been read."""
    rules = site.rules

    def act(claim: Claim) -> Sequence[None]:
        _look_at_secrets(site, claim)
        return [None] * len(claim.messages)

    return Step("check", partial(decide_read, rules), act=act, refuse=partial(refuse, rules), wait=rules.next_try)


def decide_read(rules: Rules, moment: Moment, message: Message, _answer: None, records: Snapshot) -> Chain:
    """Check it; one that was taken unread is read first."""
    if unread(message):
        return (read_again(rules, moment, message, records, besides_of(rules, moment)),)
    return decide_check(rules, moment, message, hand_of(rules, message, records), records)


def presence_step(site: Site) -> Step:
    """One look at the card for all that want it in its reader; the rest of their check comes after it."""
    rules = site.rules

    def act(claim: Claim) -> Sequence[CardState | Deferred]:
        _look_at_secrets(site, claim)
        lane = lane_of(claim)
        try:
            state = site.looks.look(lane.name)
        except CardBroken as broken:
            absent = Deferred("card", closes=lane, why=in_both(f"卡不可用：{broken.zh}", broken.en))
            return [absent] * len(claim.messages)
        return [state] * len(claim.messages)

    return Step("check", partial(decide_present, rules), act=act, refuse=partial(refuse, rules), wait=rules.next_try)


def decide_present(rules: Rules, moment: Moment, message: Message, state: CardState, records: Snapshot) -> Chain:
    """Check what wants its card in the reader."""
    assert message.lane is not None
    hand = hand_of(rules, message, records)
    try:
        card_in_place(rules, message, message.lane, state)
    except Refused as refused:
        raise Refused(placed(hand.item, refused.faults)) from None
    return decide_check(rules, moment, message, hand, records, present=True)


def _look_at_secrets(site: Site, claim: Claim) -> None:
    for account in {message.account for message in claim.messages}:
        look_at_secrets(site, account, {message.type for message in claim.messages})


def decide_check(
    rules: Rules, moment: Moment, message: Message, hand: Carried, records: Snapshot, *, present: bool = False
) -> Chain:
    """Check one message; raises Refused with every fault. Unless its card is `present`, one that wants it there goes to look."""
    try:
        if message.operation == QUERY:
            return (queries.decide(rules, moment, message, hand, records, present=present),)
        return (_checked(rules, moment, message, hand, records, present=present),)
    except Refused as refused:
        raise Refused(placed(hand.item, refused.faults)) from None


@record
class Examined:
    """The content that a message would make, what is wrong with it, and the other documents that it rests on."""

    checked: Checked
    faults: tuple[Fault, ...]
    needs: Needs
    relied_on: Mapping[str, int]
    parts: tuple[Part, ...]  #: what the rows become for which the first document has no room


def _checked(rules: Rules, moment: Moment, message: Message, hand: Carried, records: Snapshot, *, present: bool) -> Outcome:
    message, document = living(message, records)
    document = _before_it_waited(message, document)
    seen = _looked_into(rules, moment, message, hand, records, document=document)
    if any(f.severity == "error" for f in seen.faults):
        raise Refused(seen.faults)
    if hand.item.check:
        return end(message, State.ACCEPTED, "check", moment.now, faults=seen.faults, document_id=None, deadline_at=None)
    extra = {**(message.extra or {}), "filled": list(seen.checked.filled)} if seen.checked.filled else message.extra
    message = replace(message, faults=seen.faults, extra=extra)
    operation, waits_on = rules.profile(message.type).operations[message.operation], seen.needs.waits_on
    if waits_on is None:
        message = _goes_on(message, operation, moment.now)
        if not present and rules.signs(message, seen.checked.content) and uses_card(rules.profile(message.type), operation, hand):
            return to_the_card(rules, moment, message, operation)
    request = _request(rules, moment, message, hand, seen, document=document)
    outcome = _sent_on(rules, moment, request, hand, records) if waits_on is None else waiting(request, waits_on, records)
    if seen.parts and (waits_on is None or operation.way == "message"):
        outcome = _with_parts(rules, moment, request, seen, outcome, records)
    outcome = in_place_of_expired(rules, moment, outcome, records)
    return replace(outcome, relied_on={**seen.relied_on, **outcome.relied_on}) if seen.relied_on else outcome


def _request(
    rules: Rules, moment: Moment, message: Message, hand: Carried, seen: Examined, *, document: Document | None
) -> LocalRequest:
    """What the message asks for, of its document or of one that it makes."""
    checked = seen.checked
    document = document or born(message, rules.profile(message.type), moment.business)
    picks = rules.profile(message.type).operations[message.operation].picks
    if picks is not None:
        wanted = picked(picks, document.content, checked.options)
        checked = replace(checked, content=content_picked(picks, document.content, wanted))
    return request_of(
        rules,
        moment,
        message,
        hand,
        document,
        content=with_agent(rules, message, checked.content),
        options=checked.options,
        found=seen.needs.found,
    )


def _before_it_waited(message: Message, document: Document | None) -> Document | None:
    """The document as it was before this message, waiting for another one, put it into the status for that."""
    if document is None or document.changing != message.id:
        return document
    return replace(document, status=document.status_before or "", changing=None, status_before=None)


def _goes_on(message: Message, operation: Operation, now: int) -> Message:
    """Of a message that has waited for another document its time begins anew."""
    if message.waits_on is None:
        return message
    deadline = operation.given_up_at(now) if message.holds else None
    return replace(message, waits_on=None, waiting_for=None, deadline_at=deadline, tries_since=now)


def _sent_on(rules: Rules, moment: Moment, request: LocalRequest, hand: Carried, records: Snapshot) -> Outcome:
    """To the desk, to the authority with a question, or to card and wire."""
    operation = request.operation
    if operation.desk == PRINT:
        return prints.ask_for(rules, request, records)
    if operation.way == "query" or asks_now(rules, moment, request.message, operation, hand.item, request.content):
        return asking(rules, moment, request)
    if operation.way == "desk":
        return at_desk(request, records)
    outcome = on_its_way(rules, moment, request, records)
    return without_answer(outcome) if unanswered(operation, hand.item, request.content) else outcome


def _with_parts(
    rules: Rules, moment: Moment, request: LocalRequest, seen: Examined, outcome: Outcome, records: Snapshot
) -> Outcome:
    """The outcome with what becomes of the rows for which the first document has no room."""
    made = {part.number: _of_part(rules, moment, request, seen, part, records) for part in seen.parts if not part.stays}
    return with_parts(outcome, seen.parts, made)


def _of_part(rules: Rules, moment: Moment, request: LocalRequest, seen: Examined, part: Part, records: Snapshot) -> Outcome:
    """What becomes of a further document: at the desk it is done with the first one, else by a message of its own."""
    message = request.message
    document = part_document(rules, message, part, records, moment.business)
    numbers = numbers_given(request.profile, request.operation, part.content, document.numbers, give=request.give_number)
    own = replace(request, document=replace(document, party=request.document.party), content=part.content, numbers=numbers)
    if request.operation.way == "desk":
        return at_desk(own, records)
    further, source = part_message(rules, message, part, document, records, moment.now)
    own, other = replace(own, message=further), seen.needs.waits_on
    outcome = on_its_way(rules, moment, own, records) if other is None else waiting(own, other, records)
    return replace(outcome, was=None, bodies=(source, *outcome.bodies), relied_on={**seen.relied_on, **outcome.relied_on})


def _looked_into(
    rules: Rules, moment: Moment, message: Message, hand: Carried, records: Snapshot, *, document: Document | None
) -> Examined:
    """The content that the message would make, and everything that is wrong with it, with its files, and with its time."""
    profile, compiled = rules.profile(message.type), rules.compiled(message.type)
    operation = profile.operations[message.operation]
    faults = may(rules, moment, message, operation, document)
    if faults and document is None and "" not in operation.allowed:
        raise Refused(faults)
    filed = FiledDocuments(rules, message, records)
    checked = check(
        compiled,
        hand.item,
        account=rules.account(message.account),
        document=document,
        operation=message.operation,
        numbers=document.numbers if document else {},
        now_ms=moment.business,
        further=further_documents(message, records),
        filed=filed,
        changed=partial(changed_document, rules, message, records),
        files={name: hand.files[name] for name, _ in hand.item.attachments if name in hand.files},
    )
    if document is None and hand.item.document and operation.body == "optional" and not checked.content:
        raise Refused([fault("GW-F04", key=hand.item.document, path="@document", label="document")])
    checked = replace(checked, content=with_known(profile, message, checked.content, moment.answers, moment.business))
    faults += checked.faults
    if any(need.number for need in profile.needs.values()):
        named = [by_number(rules, message, content, records) for content in (checked.content, *checked.further)]
        checked = replace(checked, content=named[0], further=tuple(named[1:]))
    faults += check_attachments(
        profile,
        hand.item.attachments,
        hand.files,
        document=document,
        operation=message.operation,
        allowed=compiled.attachable(checked.content) or asks_now(rules, moment, message, operation, hand.item, checked.content),
    )
    needs, beside = _beside(rules, moment, message, checked.content, document, records)
    faults = [*_said_by_no_need(faults, needs.faults), *in_its_form(hand.item, beside)]
    party = party_of(rules.account(message.account), profile, checked.content, needs.found, document) or OWN
    wish = wish_of(rules, moment, message, checked.content, document, needs.found, party=party)
    faults += licence_faults(rules, message, checked.content, wish, records, places_of(hand.item))
    freed = came_to_nothing(rules.types, document, records) if document is not None and operation.body != "none" else None
    if freed is not None:
        title = freed.title
        faults.append(fault("GW-F76", zh=title.zh, en=title.en, operation=operation.name, path="@operation", label="operation"))
    if profile.merge is not None and (operation.desk or operation.name) == MERGE:
        faults += merge_faults(rules, moment, message, checked.content, records, places_of(hand.item))
    if operation.picks is not None and document is not None and not faults:
        place = place_in(message, operation.picks.named)
        states = compiled.tables.get(compiled.nodes[f"{operation.picks.table}/{operation.picks.field}"].field.code_table)
        faults += pick_faults(operation.picks, picked(operation.picks, document.content, checked.options), states, place)
    parts = parts_of(rules, message, checked, records)
    for part in parts:
        faults += part_faults(rules, message, part, records)
        faults += [f for f in _beside(rules, moment, message, part.content, part.document, records)[1] if f not in faults]
    if operation.splits and document is not None and len(hand.item.body):
        faults += left_over(message, parts, records)
    return Examined(checked, tuple(faults), needs, {**filed.relied_on, **needs.relied_on}, parts)


def in_its_form(item: Item, faults: Sequence[Fault]) -> list[Fault]:
    """Places are told as the message has them, which may have a root of its authority's own."""
    if not item.own_form:
        return list(faults)
    return [replace(fault, path=fault.path.replace(f"/{item.type}/", f"{item.place}/", 1)) for fault in faults]


def _beside(
    rules: Rules, moment: Moment, message: Message, content: Content, document: Document | None, records: Snapshot
) -> tuple[Needs, list[Fault]]:
    """The other documents that a content rests on, and what is wrong beside it: with these, with secrets, and cards."""
    profile = rules.profile(message.type)
    operation = profile.operations[message.operation]
    needs = needed(rules, moment, message, content, records)
    others = {} if needs.faults else needs.found  # one that will not do is told once
    faults = [*taken(rules, moment, message, content=content, others=others, records=records), *needs.faults]
    party = party_of(rules.account(message.account), profile, content, needs.found, document)
    faults += power_faults(rules, message, content, party, china_date(moment.business))
    if operation.way == "message":
        faults += secret_faults(rules, moment.secrets, message, content, rules.route_of(profile, operation.route))
    if operation.signed_when and rules.signs(message, content):
        faults += card_faults(rules, message, operation)
    return needs, faults


def _said_by_no_need(faults: Sequence[Fault], of_needs: Sequence[Fault]) -> list[Fault]:
    """Without what says that a document is not there which a need wants: the need's own words tell it."""
    told = {fault.label for fault in of_needs if fault.code == "GW-F30"}
    return [fault for fault in faults if fault.code != "GW-C32" or fault.label not in told]


def living(message: Message, records: Snapshot) -> tuple[Message, Document | None]:
    """The document that the message acts on; a key whose document was deleted meanwhile begins its next life."""
    document = records.document(message.document_id)
    if document is None or not document.deleted:
        return message, document
    return replace(message, document_id=free_id(message.account, message.type, document.key, records)), None


def refuse(rules: Rules, moment: Moment, message: Message, refused: Refused, records: Snapshot) -> Outcome:
    """refused: every fault is listed, and the document goes back to where it was."""
    outcome = end(message, State.REFUSED, "check", moment.now, faults=refused.faults, deadline_at=None)
    outcome = replace(outcome, **undoing(message, rules.types.get(message.type), records, at=moment.business))
    return freeing(rules.types, outcome, records, at=moment.business)
