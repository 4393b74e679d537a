"""sealed → sent | rejected: the bytes go out, the technical receipt comes back.

After a lost answer the authority is asked first; a resend is the same bytes under the same id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.gateway.document.changes import changed, learned, with_numbers
from tongguan.gateway.flow.holdings import undoing
from tongguan.gateway.flow.receipts.verification import CLOCK, Answered, Untimely, answer, claims_to_be_one
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Receipt
from tongguan.gateway.model.errors import Deferred, Held, each_of, in_both
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Body, Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import NOT_TAKEN, TAKEN
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import Step, each, lane_of, parted
from tongguan.gateway.work.moment import Moment
from tongguan.routes.reply import Reply


class Doubt(Deferred):
    """The authority may have the bytes: it is asked before they are sent again."""

    def __init__(self, why: str, *, after: timedelta | None = None, closes: Lane | None = None) -> None:
        super().__init__("route", after=after, closes=closes, why=why, marks={"doubtful": True})


def send_step(site: Site) -> Step:
    """The station of a route."""
    rules = site.rules
    return Step("send", partial(decide_send, rules), act=partial(act_send, site), wait=rules.next_try, overtaken=_overtaken)


def _overtaken(moment: Moment, message: Message, answer: object) -> Outcome | None:
    """The authority's verdict was quicker than its technical receipt: that one is kept as if it had been fetched."""
    return late(message, answer.raw, moment.now) if isinstance(answer, Answered) else None


def act_send(site: Site, claim: Claim) -> list[Answered | Exception]:
    """Send a batch over its route, as many in flight as the route allows; what is doubtful is asked for first."""
    messages = claim.messages
    route = site.route(lane_of(claim).name)
    with site.journal.read() as records:
        ours = records.unchanged(messages)  # one that was stopped before it came into this hand must not go out
        sealed = records.sealed_of([m for m in messages if m.id in ours])
    # nor one of an account or type that is not there: whoever puts that back may still stop what never left
    there, wrong = parted(messages, each(messages, lambda m: (site.rules.account(m.account), site.rules.profile(m.type))))
    ready = [m for m, _ in there if m.id in ours]
    doubtful = [m for m in ready if m.doubtful or claim.suspect(m.id)]
    asked, unasked = parted(doubtful, each(doubtful, lambda m: route.submit_ask(m.wire_id)))
    wrong |= unasked
    replies = {message.id: future.result() for message, future in asked}
    fresh = [m for m in ready if m.id not in wrong and (m.id not in replies or replies[m.id].kind == "unknown")]
    to_send, missing = parted(fresh, each(fresh, lambda m: (m.wire_id, sealed[m.id])))
    for (message, _), reply in zip(to_send, route.send_many([item for _, item in to_send]), strict=True):
        replies[message.id] = reply

    def meaning(message: Message) -> Answered | Exception:
        if message.id not in ours:
            return Deferred("route", why=in_both("它在此期间已变动", "it moved meanwhile"))
        error = wrong.get(message.id) or missing.get(message.id)
        return error or _meaning(site, message, replies[message.id], in_doubt=message.doubtful or claim.suspect(message.id))

    return each(messages, meaning)


def _meaning(site: Site, message: Message, reply: Reply, *, in_doubt: bool) -> Answered | Exception:
    """The verified receipt, or what happens next."""
    now = clock.now_ms()
    give_up = message.deadline_at is not None and now > message.deadline_at
    if reply.kind == "receipt" and reply.receipt is not None:
        answered = answer(site.rules, message, reply.receipt, now=now, business=site.business.now_ms())
        if isinstance(answered, Answered):
            return answered
        keep_aside(site, message, reply.receipt, authority=message.lane.name if message.lane else "", why=answered)
        why, doubtful = answered, reply.status in (200, 202)
    else:
        why, doubtful = reply.why, reply.kind == "lost"
    if give_up:
        do = f"tongguan retry {message.id}; tongguan give-up {message.id}"
        zh, en = each_of(why)
        return Held(f"期限前没有送达：{zh}", f"not delivered before its deadline: {en}", do=do)
    if reply.kind == "later" and reply.status is None:
        return Doubt(why, closes=message.lane) if in_doubt else Deferred("route", closes=message.lane, why=why)
    after = reply.retry_after
    if after is None:
        after = timedelta(milliseconds=max(0, site.rules.next_try(message, now) - now))
    return Doubt(why, after=after) if doubtful or in_doubt else Deferred("route", after=after, why=why)


def keep_aside(site: Site, message: Message, raw: bytes, *, authority: str, why: str) -> None:
    """An answer that claims to be a receipt and is not believed is evidence: shown to a person, never applied; where our clock may be
    what is wrong, verified again when that was set."""
    if claims_to_be_one(raw):
        came = incoming(message.account, raw, route=authority, now=clock.now_ms(), answered=True)
        of = in_both(*(f"{said} ({message.wire_id})" for said in each_of(why)))
        waits = CLOCK if isinstance(why, Untimely) else None
        aside = replace(came.message, state=State.QUARANTINED, lane=None, due_at=None, hold_reason=of, waiting_for=waits)
        keep(site, [replace(came, message=aside, why=why)])


def keep(site: Site, outcomes: Sequence[Outcome]) -> None:
    """Journal receipts that came, each once."""
    with site.journal.read() as records:
        known = records.messages(outcome.message.id for outcome in outcomes)
    site.journal.finish([(outcome,) for outcome in outcomes if outcome.message.id not in known])


def decide_send(rules: Rules, moment: Moment, message: Message, answered: Answered, records: Snapshot) -> Chain:
    """sent with the technical receipt, or rejected by it."""
    content = answered.content
    message = replace(message, lane=None, due_at=None, updated_at=moment.now, doubtful=False)
    outcome = (
        _sent(rules, moment, message, content, records)
        if content.code == TAKEN
        else _rejected(rules, moment, message, content, records)
    )
    outcome = replace(
        outcome,
        receipts=(technical_receipt(content, message),),
        bodies=(Body(message.id, "receipt", answered.raw),),
        late=(late(message, answered.raw, moment.now),),
    )
    return (outcome,)


def _sent(rules: Rules, moment: Moment, message: Message, content: ReceiptContent, records: Snapshot) -> Outcome:
    moved = replace(message, state=State.SENT, deadline_at=verdict_by(rules, message), waiting_for="authority")
    outcome, profile = Outcome(moved, message.state, "send"), rules.profile(message.type)
    form, document = profile.own_form, records.document(message.document_id)
    if form is None or document is None or not content.numbers.items() - document.numbers.items():
        return outcome
    numbers = {**document.numbers, **content.numbers}  # an answer in the authority's own form gives it its number at once
    after = changed(document, moment.business, numbers=numbers, content=with_numbers(document.content, profile, numbers))
    return replace(outcome, documents=(after,), numbers=learned(after, document, profile))


def verdict_by(rules: Rules, message: Message) -> int:
    """When a verdict should be there, counted from the message's last move."""
    answer_within = rules.profile(message.type).operations[message.operation].answer_within
    return message.updated_at + round(answer_within.total_seconds() * 1000)


def _rejected(rules: Rules, moment: Moment, message: Message, content: ReceiptContent, records: Snapshot) -> Outcome:
    """The authority's final no: the document goes back to where it was."""
    profile = rules.profile(message.type)
    moved = replace(message, state=State.REJECTED, deadline_at=None, waiting_for=None, faults=content.faults)
    return Outcome(moved, message.state, "send", **undoing(message, profile, records, at=moment.business))


def technical_receipt(content: ReceiptContent, submission: Message) -> Receipt:
    """A technical receipt as it is shown beside its message; it has no rank."""
    return Receipt(
        id=content.id,
        authority=content.authority,
        code=content.code,
        zh=content.text,
        en=f"{'not taken' if content.code == NOT_TAKEN else 'taken'} by the authority: {content.text}",
        issued_at=content.issued_at,
        message_id=submission.id,
        document_id=submission.document_id,
    )


def late(message: Message, raw: bytes, now: int) -> Outcome:
    """A receipt that came in an answer nobody waits for any more: stored as if it had been fetched."""
    return incoming(message.account, raw, route=message.route or "", now=now)


def incoming(account: str, raw: bytes, *, route: str, now: int, answered: bool = False) -> Outcome:
    """A receipt as it came, not yet believed; its id follows from its bytes, so that the same bytes are one receipt.

    `answered`: it answered a request; else it came by itself.
    """
    sha256 = hashlib.sha256(raw).hexdigest()
    message = Message(
        id=derived_id("receipt", route, account, sha256),
        kind=Kind.RECEIPT,
        account=account,
        type="",
        operation="receipt",
        state=State.RECEIVED,
        received_at=now,
        updated_at=now,
        lane=Lane(LaneKind.VERIFY),
        due_at=now,
        sha256=sha256,
        waits=False,
        route=route,
        answered=answered,
    )
    return Outcome(message, None, "receive", bodies=(Body(message.id, "receipt", raw),))
