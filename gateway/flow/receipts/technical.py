"""Technical receipts that did not come as the answer to their message: late, fetched, or asked for afterwards.

They prove that their message was sent, or end it; where the verdict was quicker they are shown and answered, once.
"""

from __future__ import annotations

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.holdings import undoing
from tongguan.gateway.flow.receipts.contradictions import contradicted, contradicts_technically
from tongguan.gateway.flow.receipts.matching import Elsewhere, NotOurs
from tongguan.gateway.flow.receipts.verification import issuers
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.send import technical_receipt, verdict_by
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import TAKEN
from tongguan.gateway.work.loop import NOT_HELD, end
from tongguan.gateway.work.moment import Moment


def settle_technical(
    rules: Rules, moment: Moment, message: Message, content: ReceiptContent, submission: Message | None, records: Snapshot
) -> Outcome:
    """A technical receipt that came late: it proves that the message was sent, or ends it."""
    if submission is None:
        raise NotOurs("技术回执没有指明报文", "a technical receipt that names no message")
    profile = rules.profile(submission.type)
    allowed = issuers(rules, profile, None, submission)
    if content.authority not in allowed:
        to, of = " ".join(sorted(allowed)), content.authority
        raise Elsewhere(f"报文 {submission.id} 发往 {to}，不是 {of}", f"message {submission.id} went to {to}, not to {of}")
    outcome = end(message, State.SETTLED, "settle", moment.now, document_id=submission.document_id, hold_reason=None)
    if content.message != submission.wire_id:
        return replace(outcome, why=in_both("它答复的是较早的一次签名", "it answers an earlier seal"))
    before = submission.held_from if submission.state is State.HELD else submission.state
    if before != State.SEALED:
        return _overtaken(rules, moment, outcome, content, submission, records)
    document = records.document(submission.document_id)
    ended = replace(submission, lane=None, due_at=None, updated_at=moment.now, **NOT_HELD)
    shown = (technical_receipt(content, submission),)
    were = {submission.id: submission.state}
    if content.code == TAKEN:
        moved = replace(ended, state=State.SENT, waiting_for="authority", deadline_at=verdict_by(rules, ended))
    else:
        moved = replace(ended, state=State.REJECTED, waiting_for=None, deadline_at=None, faults=content.faults)
        outcome = replace(outcome, **undoing(submission, profile, records, at=moment.business))
    told = answers.technical(rules, moved, document)
    return replace(outcome, others=(moved,), others_were=were, receipts=shown, answers=told)


def _overtaken(
    rules: Rules,
    moment: Moment,
    outcome: Outcome,
    content: ReceiptContent,
    submission: Message,
    records: Snapshot,
) -> Outcome:
    """Something was there before it: shown, answered once, and it moves nothing."""
    before = records.receipts_of_messages([submission.id]).get(submission.id, ())
    outcome = replace(outcome, receipts=(technical_receipt(content, submission),))
    if contradicts_technically(submission, content.code):
        says = "taken" if content.code == TAKEN else "not taken"
        marked = contradicted(submission, content, says, records, now=moment.now)
        return replace(outcome, others=(marked,), others_were={submission.id: submission.state})
    if content.code != TAKEN or any(r.code == TAKEN for r in before):
        return outcome
    document = records.document(submission.document_id)
    return replace(outcome, answers=answers.technical(rules, replace(submission, state=State.SENT), document))
