"""Receipts: received → verified → settled, or unmatched, or quarantined.

Promises: only what is signed by a configured authority and addressed to us is ever applied; what is not is kept and shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tongguan.codecs.receipt import ReceiptContent, read_receipt
from tongguan.codecs.settle import settle
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.notices import notices
from tongguan.gateway.flow.send import NOT_TAKEN, TAKEN, Answered, technical_receipt
from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.counting import counted
from tongguan.gateway.kernel.document import Document, Receipt
from tongguan.gateway.kernel.documents import all_reservations, changed, facts_of, learned, settled_down, undone, with_numbers
from tongguan.gateway.kernel.message import FINAL, Message, State
from tongguan.gateway.kernel.outcome import Chain, Outcome
from tongguan.gateway.kernel.profile import Profile, ReceiptRule
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.work import end
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.verify import verify


def verified(site: Site, message: Message, raw: bytes) -> Answered | str:
    """The receipt's content, or why it must be quarantined."""
    authority = str((message.extra or {}).get("authority", ""))
    try:
        content = read_receipt(verify(raw, site.trust[authority], clock.now()).root)
    except SignatureInvalid as wrong:
        return f"{wrong.code}: {wrong.text}"
    except Exception as wrong:
        return f"it cannot be read: {wrong}"
    if content.authority != authority:
        return f"it says that {content.authority} issued it, but it came from {authority}"
    account = site.account(message.account)
    if content.account not in {account.mofcom_code, account.customs_code, account.uscc} - {""}:
        return f"it is addressed to {content.account}"
    return Answered(content, raw)


def decide_receipt(site: Site, message: Message, told: Answered | str, records: Records) -> Chain:
    """All moves of one receipt in one hand."""
    if isinstance(told, str):
        outcome = end(message, State.QUARANTINED, "verify", hold_reason=told)
        return (replace(outcome, why=told),)
    content = told.content
    facts = {"authority": content.authority, "receipt": content.id, "code": content.code, "text": content.text}
    kept = replace(
        message,
        state=State.VERIFIED,
        type=content.type,
        number=content.number,
        reference=f"{content.authority}:{content.id}",
        holds=False,
        lane="settle",
        updated_at=clock.now_ms(),
        extra={**(message.extra or {}), **facts},
    )
    first = Outcome(kept, message.state, "verify")
    if records.has_receipt(content.authority, content.id):
        other = records.receipt_bytes(content.authority, content.id, but=message.id)
        if other is not None and other != message.sha256:
            wrong = f"receipt {content.id} is known with other bytes"
            return (replace(end(message, State.QUARANTINED, "verify", hold_reason=wrong, extra=kept.extra), why=wrong),)
        return (first, replace(end(kept, State.SETTLED, "settle"), why="known already"))
    return (first, decide_settle(site, kept, told, records))


def decide_settle(site: Site, message: Message, told: Answered, records: Records) -> Outcome:
    """Match the receipt with what it answers, and apply it by its rank in its round."""
    content = told.content
    submission, document = _match(site, message, content, records)
    if content.type not in site.profiles or (submission is None and document is None):
        unmatched = replace(
            message,
            state=State.UNMATCHED,
            lane=None,
            due_at=None,
            updated_at=clock.now_ms(),
            waiting_for="number",
            number=content.number,
        )
        return Outcome(unmatched, message.state, "settle", why="nothing of ours has its number")
    profile = site.profile(content.type)
    if submission is not None and submission.type != content.type:
        wrong = f"it speaks of {content.type}, but message {submission.id} is a {submission.type}"
        return replace(end(message, State.QUARANTINED, "settle", hold_reason=wrong), why=wrong)
    if content.code in (TAKEN, NOT_TAKEN) and content.kind == "technical":
        return _technical(site, message, content, submission, document)
    rule = profile.receipts.get(content.code)
    if rule is None:
        wrong = f"{content.type} has no receipt code {content.code}"
        return replace(end(message, State.QUARANTINED, "settle", hold_reason=wrong), why=wrong)
    return _business(site, message, told, (submission, document, rule), records)


def _match(site: Site, message: Message, content: ReceiptContent, records: Records) -> tuple[Message | None, Document | None]:
    """The submission that the receipt names, and the document it speaks of."""
    submission = None
    if content.message:
        found = records.message(content.message.rpartition("-")[0])
        if found is not None and found.account == message.account:
            submission = found
    document = records.document(submission.document_id) if submission else None
    numbers = [content.number, *content.numbers.values()]
    for number in numbers if document is None else ():
        for candidate in records.documents_of_number(message.account, number or ""):
            if candidate.type == content.type:
                return submission, candidate
    return submission, document


def _business(
    site: Site,
    message: Message,
    told: Answered,
    match: tuple[Message | None, Document | None, ReceiptRule],
    records: Records,
) -> Outcome:
    content = told.content
    submission, document, rule = match
    profile = site.profile(content.type)
    now = clock.now_ms()
    outcome = end(message, State.SETTLED, "settle", document_id=document.id if document else None)
    if document is None:
        return outcome
    round_ = _round_of(content, submission, document, records)
    submission = submission or _open_submission(document, round_, records)
    after, applied = settle(rule, content, document, round_=round_)
    after = replace(after, updated_at=now, content=with_numbers(after.content, profile, after.numbers))
    if applied and rule.status:
        after = settled_down(after)
    after = replace(after, facts=facts_of(profile, after))
    told_of = rule.status if round_ == document.round else ""
    after = counted(profile, document, after, status=told_of, at=content.issued_at)
    receipt = Receipt(
        id=content.id,
        authority=content.authority,
        code=content.code,
        zh=content.text or rule.text.zh,
        en=rule.text.en,
        issued_at=content.issued_at,
        message_id=submission.id if submission else None,
        document_id=document.id,
        round=round_,
        rank=rule.rank,
        applied=applied,
    )
    return replace(
        outcome,
        documents=(after,),
        receipts=(receipt,),
        numbers=learned(after, document, profile),
        others=_ended(submission, rule, content, now),
        others_were={submission.id: submission.state} if submission else {},
        release=all_reservations(profile, document) if rule.releases and applied else (),
        answers=(answers.business(message, told.raw, document=after, profile=profile),),
        notifications=notices(site, message.id, receipt, rule, after),
    )


def _round_of(content: ReceiptContent, submission: Message | None, document: Document, records: Records) -> int:
    """The round that the message opened, or the one open when the receipt was issued."""
    rounds = records.rounds(document.id)
    if submission is not None:
        own = [n for n, message_id, _ in rounds if message_id == submission.id]
        if own:
            return own[-1]
    open_then = [n for n, _, opened_at in rounds if opened_at <= content.issued_at]
    return open_then[-1] if open_then else document.round


def _open_submission(document: Document, round_: int, records: Records) -> Message | None:
    for n, message_id, _ in records.rounds(document.id):
        if n == round_:
            return records.message(message_id)
    return None


def _ended(submission: Message | None, rule: ReceiptRule, content: ReceiptContent, now: int) -> tuple[Message, ...]:
    """The submission as the receipt leaves it: a receipt that names it proves that it was sent."""
    if submission is None or submission.state in FINAL:
        return ()
    if rule.answers and submission.operation != rule.answers:
        return ()
    quiet: dict[str, Any] = {"lane": None, "due_at": None, "updated_at": now}
    if rule.ends:
        state = State(rule.ends)
        return (
            replace(
                submission, state=state, deadline_at=None, waiting_for=None, faults=(*submission.faults, *content.faults), **quiet
            ),
        )
    if submission.state is not State.SENT:
        return (replace(submission, state=State.SENT, waiting_for="authority", **quiet),)
    return (replace(submission, updated_at=now),)


def _technical(
    site: Site, message: Message, content: ReceiptContent, submission: Message | None, document: Document | None
) -> Outcome:
    """A technical receipt that came late: it proves that the message was sent, or ends it."""
    outcome = end(message, State.SETTLED, "settle", document_id=document.id if document else None)
    if submission is None:
        return outcome
    if submission.state is not State.SEALED:
        return _overtaken(site, outcome, content, submission, document)
    quiet: dict[str, Any] = {"lane": None, "due_at": None, "updated_at": clock.now_ms()}
    if content.code == TAKEN:
        sent = replace(submission, state=State.SENT, waiting_for="authority", **quiet)
        return replace(outcome, others=(sent,), others_were={submission.id: submission.state})
    profile = site.profile(content.type)
    reverted = undone(document, submission, profile) if document else None
    rejected = replace(submission, state=State.REJECTED, waiting_for=None, deadline_at=None, faults=content.faults, **quiet)
    release = all_reservations(profile, document) if document else ()
    moved = replace(outcome, others=(rejected,), others_were={submission.id: submission.state})
    return replace(moved, documents=(reverted,) if reverted else (), release=release)


def _overtaken(site: Site, outcome: Outcome, content: ReceiptContent, submission: Message, document: Document | None) -> Outcome:
    """The verdict was there before it: shown and answered, but it moves nothing."""
    told = Outcome(replace(submission, state=State.SENT), submission.state, "send")
    response = answers.technical(site, told, document) if content.code == TAKEN else ()
    return replace(outcome, receipts=(technical_receipt(content, submission),), answers=response)


def status_told(document: Document, profile: Profile, told: Sequence[tuple[str, dict[str, str]]]) -> Document | None:
    """The document after an answer to a status question: (receipt code, numbers) pairs in order; None when nothing is new."""
    after = document
    for code, numbers in told:
        rule = profile.receipts.get(code)
        if rule is None:
            continue
        marks = {**after.marks, **rule.marks}
        after = replace(after, marks=marks, numbers={**after.numbers, **numbers})
        if rule.status and rule.rank > after.rank:
            after = replace(after, status=rule.status, rank=rule.rank)
    if after == document:
        return None
    after = replace(after, content=with_numbers(after.content, profile, after.numbers))
    now = clock.now_ms()
    after = replace(changed(after, now), facts=facts_of(profile, after))
    return counted(profile, document, after, status=after.status if after.status != document.status else "", at=now)
