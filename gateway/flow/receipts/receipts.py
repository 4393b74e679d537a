"""Receipts: received → verified → settled, or unmatched, or quarantined.

Promises: only what is signed by a configured authority and addressed to us is ever applied; what is not is kept and shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.codecs.receipts.settle import RoundSoFar, carries_out, settle
from tongguan.gateway.document.changes import facts_of, learned, settled_down, with_numbers
from tongguan.gateway.document.counting import counted
from tongguan.gateway.document.lines import with_keys
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.holdings import held_after, together
from tongguan.gateway.flow.merging.letting_go import freeing
from tongguan.gateway.flow.receipts.agreement import OpenedRound, opened_round, so_far
from tongguan.gateway.flow.receipts.carry_out import AgreedChange, CarriedOut, carry_out
from tongguan.gateway.flow.receipts.contradictions import another_verdict, contradicted, contradicts
from tongguan.gateway.flow.receipts.matching import Elsewhere, NotOurs, named_by, of_number, owners, round_of, that_asked
from tongguan.gateway.flow.receipts.sms_rules import notices
from tongguan.gateway.flow.receipts.technical import settle_technical
from tongguan.gateway.flow.receipts.verification import (
    CLOCK,
    TO_MESSAGE,
    TO_QUESTION,
    Answered,
    Untimely,
    code_of,
    fetched,
    issuers,
)
from tongguan.gateway.flow.rules import Rules, missing
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.owed import owing
from tongguan.gateway.flow.submission.send import verdict_by
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.errors import Held, in_both
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import FINAL, Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile, ReceiptRule, Text
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import NOT_HELD, Step, each, end
from tongguan.gateway.work.moment import Moment

_NOTHING = Text("", "")
CODE = "code"  #: what a genuine receipt waits for whose code its type does not know


@dataclass(frozen=True, slots=True)
class _Match:
    """What a receipt speaks of."""

    submission: Message | None  #: the one it names, or that opened its round
    document: Document
    opened: OpenedRound


@dataclass(frozen=True, slots=True)
class _BusinessReceipt:
    """A receipt of a code that its type knows, with what it speaks of and what it finds there."""

    told: Answered
    match: _Match
    rule: ReceiptRule  #: as it holds in its round
    so_far: RoundSoFar
    carried_out: CarriedOut | None  #: on the document that is changed by this one


def receipt_step(site: Site) -> Step:
    """The station of receipts: verified and settled in one hand; one that was verified before is settled again.

    Who can answer for an endpoint must not be able to shut the lane of all receipts: each bug holds its own.
    """
    rules = site.rules

    def act(claim: Claim) -> Sequence[Any]:
        with site.journal.read() as records:
            raws = records.bodies([m.id for m in claim.messages], "receipt")
        now, business = clock.now_ms(), site.business.now_ms()
        return each(claim.messages, lambda m: fetched(rules, m, raws.get(m.id, b""), now=now, business=business))

    return Step("settle", partial(decide_receipt, rules), act=act, clashed=_quarantined_for_numbers, shuts=False)


def decide_receipt(rules: Rules, moment: Moment, message: Message, told: Answered | str, records: Snapshot) -> Chain:
    """All moves of one receipt in one hand."""
    if isinstance(told, str):
        outcome = _aside(message, told, moment.now, "verify")
        if isinstance(told, Untimely):
            outcome = replace(outcome, message=replace(outcome.message, waiting_for=CLOCK))
        return (outcome,)
    if message.state in (State.VERIFIED, State.UNMATCHED):
        return (_settled(rules, moment, message, told, records),)
    content = told.content
    kept = replace(
        message,
        state=State.VERIFIED,
        type=content.type,
        number=content.number,
        reference=f"{content.authority}:{content.id}",
        holds=False,
        lane=Lane(LaneKind.SETTLE),
        updated_at=moment.now,
        hold_reason=None,
        code=content.code,
        route=content.authority,
        extra={"authority": content.authority, "receipt": content.id, "text": content.text},
    )
    first = Outcome(kept, message.state, "verify")
    if records.has_receipt(content.authority, content.id):
        other = records.receipt_bytes(content.authority, content.id, but=message.id)
        if other is not None and other != message.sha256:
            why = in_both(f"回执 {content.id} 已有，内容却不同", f"receipt {content.id} is known with other bytes")
            return (_aside(replace(message, code=kept.code, route=kept.route, extra=kept.extra), why, moment.now, "verify"),)
        return (first, replace(end(kept, State.SETTLED, "settle", moment.now), why=in_both("已有此回执", "known already")))
    return (first, _settled(rules, moment, kept, told, records))


def _aside(message: Message, why: str, now: int, step: str = "settle") -> Outcome:
    """Kept and shown, never applied."""
    return replace(end(message, State.QUARANTINED, step, now, hold_reason=why), why=why)


def _settled(rules: Rules, moment: Moment, message: Message, told: Answered, records: Snapshot) -> Outcome:
    """Match the receipt with what it answers, and apply it by its rank in its round."""
    content = told.content
    if message.answered and content.code in TO_QUESTION - TO_MESSAGE:  # it was not believed then: the question is put anew
        return replace(end(message, State.SETTLED, "settle", moment.now), why=in_both("问题会再问", "its question is put anew"))
    accounts = rules.accounts_at(message.route or "", code_of(rules, message, content)) or (message.account,)
    whose = {*owners(content, records)}
    if whose and whose.isdisjoint(rules.accounts):  # theirs may be the code by which it was fetched: nobody knows now
        raise missing("account", min(whose))
    try:
        submission = named_by(accounts, content, records)
        if content.kind == "technical":
            return settle_technical(rules, moment, message, content, submission, records)
        if content.type not in rules.profiles:
            raise NotOurs(f"没有 {content.type} 这个类型", f"type {content.type} is none of ours")
        document = records.document(submission.document_id) if submission else of_number(accounts, content, records)
        match = _matched(rules, content, (submission, document), records)
        rule = rules.profile(content.type).receipts.get(content.code)
        if rule is None:
            return _unknown_code(rules, moment, message, (told, match), records)
        rule = match.opened.rule(rule)
        found = so_far(rules.compiled(content.type), rule, content, match.opened, records)
        carried_out = _carried_out(rules, moment, content, (match, rule, found), records)
    except NotOurs as why:
        return _unmatched(message, content, why.both, moment.now)
    except Elsewhere as why:
        return _aside(message, why.both, moment.now)
    return _business(rules, moment, message, _BusinessReceipt(told, match, rule, found, carried_out), records)


def _carried_out(
    rules: Rules, moment: Moment, content: ReceiptContent, found: tuple[_Match, ReceiptRule, RoundSoFar], records: Snapshot
) -> CarriedOut | None:
    """What the receipt makes of the document that its own one changes."""
    match, rule, before = found
    if not match.opened.present or before.asked is None or not carries_out(rule, before):
        return None
    return carry_out(rules, moment, AgreedChange(match.document, before.asked, content.issued_at), records)


def _matched(rules: Rules, content: ReceiptContent, found: tuple[Message | None, Document | None], records: Snapshot) -> _Match:
    """The document, and the round and message that the receipt belongs to; NotOurs or Elsewhere where it may not speak of them."""
    submission, document = found
    if document is None:
        raise NotOurs("我方没有单证有此编号", "nothing of ours has its number")
    submission, round_ = round_of(document, submission, content, records)
    profile = rules.profile(content.type)
    rule = profile.receipts.get(content.code)
    if rule is not None and rule.answers and (submission is None or submission.operation != rule.answers):
        submission = that_asked(document, rule.answers, content, records) or submission
    allowed = issuers(rules, profile, rule, submission)
    if content.authority not in allowed:
        whose, of = sorted(allowed), f"{content.code} of {content.type}"
        raise Elsewhere(
            f"{content.type} 的 {content.code} 只能由 {' 或 '.join(whose)} 发出，不能由 {content.authority}",
            f"{of} is for {' or '.join(whose)} to say, not for {content.authority}",
        )
    if (number := _another_ones(profile, document, content, records)) is not None:
        raise Elsewhere(f"其编号 {number} 属于另一单证", f"its number {number} is another document's")
    return _Match(submission, document, opened_round(profile, document, round_, records))


def _another_ones(profile: Profile, document: Document, content: ReceiptContent, records: Snapshot) -> str | None:
    """The number by which it names another document than the one it is about; of numbers that it gives the journal keeps watch."""
    own = document.numbers.get(profile.own_number)
    if own is not None and content.numbers.get(profile.own_number, own) != own:
        return content.numbers[profile.own_number]
    named = content.number
    if named is None or named in document.numbers.values():
        return None
    owners = records.owners_of_number(profile.type, named)  # of any account; and of any type of this one:
    owners |= {d.id for d in records.documents_of_number(document.account, named)}
    return named if owners - {document.id} else None


def _quarantined_for_numbers(moment: Moment, message: Message, why: Held) -> Outcome:
    """A receipt that gives a document another one's number."""
    return _aside(message, why.both, moment.now)


def _unmatched(message: Message, content: ReceiptContent, why: str, now: int, **changes: Any) -> Outcome:
    """Kept, and tried again whenever its number is learned."""
    waiting = replace(
        message,
        state=State.UNMATCHED,
        lane=None,
        due_at=None,
        updated_at=now,
        number=content.number,
        **{"waiting_for": "number", "hold_reason": why, **changes},
    )
    return Outcome(waiting, message.state, "settle", why=why)


def _unknown_code(rules: Rules, moment: Moment, message: Message, found: tuple[Answered, _Match], records: Snapshot) -> Outcome:
    """Genuine, and beyond what the profile knows: handed on as it came, once; it moves nothing, and waits for a profile that does."""
    (told, match), now = found, moment.now
    content = told.content
    profile = rules.profile(content.type)
    why = in_both(f"{content.type} 没有回执代码 {content.code}", f"{content.type} has no receipt code {content.code}")
    waiting = _unmatched(
        message,
        content,
        why,
        now,
        waiting_for=CODE,
        document_id=match.document.id,
        hold_since=message.hold_since or now,
        hold_do=f"tongguan quarantine show {message.id}; tongguan quarantine drop {message.id}",
    )
    outcome = replace(waiting, **_submission_moves(rules, moment, match.submission, (None, content), records))
    if message.handed_on:
        return outcome
    outcome = replace(outcome, message=replace(outcome.message, handed_on=True))
    receipt = _receipt(content, match, ReceiptRule(content.code, _NOTHING), applied=False)
    after = replace(
        match.document, version=match.document.version + 1, updated_at=moment.business
    )  # so that its file shows the receipt
    handed_on = answers.business(message, told.raw, document=match.document, profile=profile)
    return replace(outcome, documents=(after,), receipts=(receipt,), answers=(handed_on,))


def _receipt(content: ReceiptContent, match: _Match, rule: ReceiptRule, *, applied: bool) -> Receipt:
    return Receipt(
        id=content.id,
        authority=content.authority,
        code=content.code,
        zh=content.text or rule.text.zh,
        en=rule.text.en or content.text,
        issued_at=content.issued_at,
        message_id=match.submission.id if match.submission else None,
        document_id=match.document.id,
        round=match.opened.number,
        rank=rule.rank,
        applied=applied,
    )


def _business(rules: Rules, moment: Moment, message: Message, received: _BusinessReceipt, records: Snapshot) -> Outcome:
    match, rule, content = received.match, received.rule, received.told.content
    document, profile, now = match.document, rules.profile(content.type), moment.now
    seen = {"hold_reason": None, "hold_since": None, "hold_do": None}
    outcome = end(message, State.SETTLED, "settle", now, document_id=document.id, **seen)
    after, applied = settle(rule, content, document, round_=match.opened.number, so_far=received.so_far)
    after = replace(after, updated_at=moment.business, content=with_numbers(after.content, profile, after.numbers))
    if applied and rule.status:
        after = settled_down(after)
    after = replace(after, facts=facts_of(profile, after.content))
    told_of = rule.status if match.opened.present else ""
    after = with_keys(profile, document, counted(profile, document, after, status=told_of, at=content.issued_at))
    receipt = _receipt(content, match, rule, applied=applied)
    kept, other = held_after(rules, rule if applied else None, (document, after), match.submission, records), received.carried_out
    outcome = replace(
        outcome,
        documents=(after, other.document) if other else (after,),
        receipts=(receipt,),
        numbers=learned(after, document, profile),
        answers=() if message.handed_on else (answers.business(message, received.told.raw, document=after, profile=profile),),
        notifications=notices(rules, now, message.id, (receipt, rule), after),
        **(together(kept, other.held) if other else kept),
        **_submission_moves(rules, moment, match.submission, (rule, content), records, applied=applied),
    )
    return freeing(rules.types, outcome, records, at=moment.business)


def _submission_moves(
    rules: Rules,
    moment: Moment,
    submission: Message | None,
    told: tuple[ReceiptRule | None, ReceiptContent],
    records: Snapshot,
    *,
    applied: bool = False,
) -> dict[str, Any]:
    """What becomes of the submission that a business receipt answers, as changes of the outcome."""
    rule, content = told
    if submission is None or (rule is not None and rule.answers not in ("", submission.operation)):
        return {}
    if submission.state not in FINAL:
        moved = _answered(rules, submission, rule, content, moment.now)
    elif rule is not None and contradicts(submission, rule, applied=applied):
        moved = contradicted(submission, content, rule.ends or "taken", records, now=moment.now)
    elif (
        rule is not None
        and rule.status
        and not applied
        and another_verdict(submission, rule, rules.profile(submission.type), records)
    ):
        moved = contradicted(submission, content, rule.status, records, now=moment.now)
    else:
        return {}
    return {"others": (moved,), "others_were": {submission.id: submission.state}}


def _answered(rules: Rules, submission: Message, rule: ReceiptRule | None, content: ReceiptContent, now: int) -> Message:
    """The submission as a receipt leaves it: one that names it proves that it was sent."""
    moved = replace(submission, updated_at=now, **NOT_HELD, **owing(rules, submission, now))
    if rule is not None and rule.ends:
        faults = (*submission.faults, *content.faults)
        return replace(moved, state=State(rule.ends), deadline_at=None, waiting_for=None, faults=faults)
    if submission.state is State.SENT:
        return moved
    return replace(moved, state=State.SENT, waiting_for="authority", deadline_at=verdict_by(rules, moved))
