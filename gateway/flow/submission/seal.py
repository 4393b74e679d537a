"""checked → sealed: the document as it goes on the wire, signed by the account's card where its profile wants a signature.

The profile says in which form it is signed, the route's settings to whom it is encrypted then. Nothing leaves before these
bytes are committed, as they leave. A new seal (number grows) is made only after a verified refusal or by retry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from tongguan.codecs.writing.render import package, render_document
from tongguan.gateway.document.changes import sent
from tongguan.gateway.flow.cards.looks import certificate_trouble
from tongguan.gateway.flow.query.authority.question import SEALED_AT, is_signed_question, question
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.check import hand_of, in_its_form
from tongguan.gateway.flow.submission.checks.allowed import card_of_signer, unbound
from tongguan.gateway.flow.submission.checks.powers import power_faults
from tongguan.gateway.flow.submission.checks.secrets import sealed_secrets
from tongguan.gateway.flow.submission.own_form import in_own_form
from tongguan.gateway.flow.submission.refusal import refuse_later
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Deferred, Refused, in_both
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Body, Chain, Outcome
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.system import clock, times
from tongguan.gateway.work.loop import Step, each, parted
from tongguan.gateway.work.moment import Moment
from tongguan.signer import cms_signature, xml_signature
from tongguan.signer.cards.card import OpenCard
from tongguan.signer.certificate import Algorithm
from tongguan.signer.errors import CardAbsent, CardBroken, CardMismatch, PinNeeded, PinUnfit, PinWrong

Prepared = xml_signature.PreparedXml | cms_signature.PreparedCms


@record
class Sealed:
    """The bytes as they leave, signed and encrypted as it was asked, and the seal number that they carry."""

    number: int
    content: bytes


@record
class Rendered:
    """A message whose bytes lack only the signature; without a card they are whole."""

    message: Message
    card: OpenCard | None
    name: str
    unsigned: bytes
    form: str  #: of the signature


def act_seal(site: Site, messages: Sequence[Message], records: Snapshot) -> list[Sealed | Exception]:
    """Sign a batch: one call to each card; an exception where the card could not or must not sign."""
    answers: dict[str, Sealed | Exception] = {}
    waiting: dict[str, list[Rendered]] = defaultdict(list)
    for message in messages:
        try:
            rendered = _render(site, message, records)
        except Exception as trouble:
            answers[message.id] = _meaning(message.lane, trouble)
            continue
        if rendered.card is None:
            answers[message.id] = Sealed(message.seal_number + 1, rendered.unsigned)
        else:
            waiting[rendered.name].append(rendered)
    for name, group in waiting.items():
        answers.update(_sign(name, group[0].card, group))
    return each(messages, lambda m: _in_envelope(site, m, answers[m.id]))


def seal_step(site: Site) -> Step:
    """The station of a card, or of what goes unsigned."""

    def act(claim: Claim) -> Sequence[Any]:
        with site.journal.read() as records:
            return act_seal(site, claim.messages, records)

    refuse = partial(refuse_later, site.rules)
    return Step("seal", partial(decide_seal, site.rules), act=act, refuse=refuse, wait=site.rules.next_try)


def _render(site: Site, message: Message, records: Snapshot) -> Rendered:
    rules = site.rules
    profile, account = rules.profile(message.type), rules.account(message.account)
    signer = rules.code_at(account, profile)
    name, card = (
        ("", None) if message.lane is not None and message.lane.kind == LaneKind.UNSIGNED else _card(site, message, signer)
    )
    if is_signed_question(rules, message):
        site.recipient(message.route or "")
        wire_id, number = message.wire_id_of(message.seal_number + 1), card.number if card else ""
        asked = question(
            rules, message, records, clock.now_ms(), business=site.business.now_ms(), ic_card=number, wire_id=wire_id
        )
        return Rendered(message, card, name, asked, profile.signature)
    document = records.document(message.document_id)
    assert document is not None
    content = sent(document, profile.operations.get(message.operation))
    if faults := power_faults(rules, message, content, document.party, times.china_date(site.business.now_ms())):
        raise Refused(in_its_form(hand_of(rules, message, records).item, faults))  # a power may have ended while it waited
    site.recipient(message.route or "")  # no card signs what nobody serves, or may read
    filled = sealed_secrets(site, message, content, message.route or "")
    form = profile.own_form if profile.own_form is not None and message.operation in profile.own_form.operations else None
    if form is None:
        rendered, sheet = render_document(rules.compiled(message.type), message, filled, _files(document, records)), None
    else:
        rendered, sheet = in_own_form(profile, form, message, filled, card, now=times.stamp(clock.now_ms()))
    unsigned = package(
        message_id=message.wire_id_of(message.seal_number + 1),
        file_name=message.source or "",
        message_type=message.type,
        operation=message.operation,
        sender_id=signer,
        receiver_id=message.route or "",
        send_time=times.show(clock.now_ms()) or "",
        ic_card=card.number if card else "",
        environment=rules.settings.gateway.environment,
        document=rendered,
        enclosed=sheet,
    )
    return Rendered(message, card, name, unsigned, profile.signature)


def _card(site: Site, message: Message, signer: str) -> tuple[str, OpenCard]:
    """The card that signs, with its name; raises Refused when it is another enterprise's, Deferred while it must not sign.

    A message that was checked already waits where there is none any more: the settings were changed, not the message.
    """
    rules = site.rules
    account, profile = rules.account(message.account), rules.profile(message.type)
    operation = profile.operations[message.operation]
    bound = rules.card_for(account, profile, operation)
    if bound is None:
        raise unbound(rules, message)
    card = site.card(bound.name)
    certificate = card.certificate_chain[0]
    card_of_signer(operation, bound.name, certificate, signer)
    if (wrong := certificate_trouble(bound, certificate, production=site.looks.production)) is not None:
        raise Deferred("card", closes=message.lane, why=in_both(wrong.zh, wrong.en), do=wrong.do)
    return bound.name, card


def _files(document: Document, records: Snapshot) -> list[tuple[str, str, str, bytes]]:
    """Name, category, SHA-256 and bytes of each attachment."""
    return [
        (a.name, a.category, a.sha256, records.body(a.message_id, f"attachment:{a.sha256}") or b"") for a in document.attachments
    ]


def _sign(name: str, card: OpenCard | None, group: Sequence[Rendered]) -> dict[str, Sealed | Exception]:
    assert card is not None
    try:
        algorithm = card.algorithm
        messages = [r.message for r in group]
        by_id = {r.message.id: r for r in group}

        def prepare(message: Message) -> Prepared:
            return _prepared(by_id[message.id], algorithm)

        ready: list[tuple[Message, Prepared]]
        ready, wrong = parted(messages, each(messages, prepare))
        signatures = card.sign([p.signed_info_digest for _, p in ready])
        chain = card.certificate_chain
    except Exception as trouble:
        meaning = _meaning(Lane(LaneKind.CARD, name), trouble)
        return {r.message.id: meaning for r in group}
    signed = {m.id: (p, signature) for (m, p), signature in zip(ready, signatures, strict=True)}

    def complete(message: Message) -> Sealed | Exception:
        if message.id in wrong:
            return wrong[message.id]
        prepared, signature = signed[message.id]
        return Sealed(message.seal_number + 1, prepared.complete(signature, chain))

    return dict(zip(by_id, each(messages, complete), strict=True))


def _prepared(rendered: Rendered, algorithm: Algorithm) -> Prepared:
    if rendered.form == "cms":
        return cms_signature.prepare(rendered.unsigned, algorithm, clock.now())
    return xml_signature.prepare(rendered.unsigned, algorithm)


def _in_envelope(site: Site, message: Message, answer: Sealed | Exception) -> Sealed | Exception:
    """Encrypted before it is committed: a resend must be the same bytes, and each encryption gives others."""
    if isinstance(answer, Sealed):
        return Sealed(answer.number, site.enveloped(message.route or "", answer.content))
    return answer


def _meaning(lane: Lane | None, trouble: Exception) -> Exception:
    """What a card's trouble means for the message."""
    card = lane.name if lane is not None else ""
    match trouble:
        case PinUnfit():  # not tried: where the settings say lies none yet, and is looked for again
            return Deferred("pin", closes=lane, why=trouble.both, do=f"tongguan card pin {card}")
        case CardMismatch():
            return Refused([fault("GW-F19", in_reader=trouble.in_reader, bound=trouble.bound)])
        case PinWrong() | PinNeeded():
            why, do = trouble.both, f"tongguan card pin {card}"
            return Deferred("pin", closes=lane, why=why, do=do, by_person=True)
        case CardAbsent() | CardBroken():
            zh = "卡不在读卡器中" if isinstance(trouble, CardAbsent) else "卡不可用"
            return Deferred("card", closes=lane, after=timedelta(seconds=1), why=in_both(f"{zh}：{trouble.zh}", trouble.en))
    return trouble


def decide_seal(rules: Rules, moment: Moment, message: Message, sealed: Sealed, records: Snapshot) -> Chain:
    """sealed: from here on it counts as “may have been sent”; a question is put."""
    now = moment.now
    asks = is_signed_question(rules, message)
    lane = Lane(LaneKind.ASK if asks else LaneKind.ROUTE, message.route or "")
    extra = {**(message.extra or {}), SEALED_AT: now} if asks else message.extra
    moved = replace(
        message,
        state=State.SEALED,
        seal_number=sealed.number,
        lane=lane,
        due_at=now,
        updated_at=now,
        waiting_for=moment.shut(lane),
        attempts=0,
        extra=extra,
    )
    body = Body(message.id, f"sealed:{sealed.number}", sealed.content)
    relied_on = {}
    document = records.document(message.document_id)
    if document is not None:
        relied_on = {document.id: document.version}
    return (Outcome(moved, message.state, "seal", bodies=(body,), relied_on=relied_on),)


def may_be_sealed(rules: Rules, moment: Moment, message: Message, _records: Snapshot) -> bool:
    """Can it be sealed at once, in whatever hand it is?"""
    lane = message.lane
    return message.state is State.CHECKED and lane is not None and lane not in moment.closed and rules.at_once(lane)
