"""A message that has ended, and a receipt that says otherwise: the opposite, or another verdict of the same rank.

Final states never move, so the message keeps its state and bears a mark; where it may have taken effect its reference is not
free (any more); and a person is told until he has said `tongguan release`. The document follows the ranks.
"""

from __future__ import annotations

from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.codecs.receipts.settle import in_round
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.message import FREES_REFERENCE, Message, State
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import NOT_TAKEN, TAKEN, Profile, ReceiptRule
from tongguan.gateway.system import times

_OPPOSITES = ("accepted", "rejected", "taken", "not taken")
_NEVER_TOOK_EFFECT = (State.GIVEN_UP, State.STOPPED, State.REFUSED)


def contradicts(submission: Message, rule: ReceiptRule, *, applied: bool) -> bool:
    """Does a business receipt say the opposite of how its message ended?"""
    if submission.state is State.ACCEPTED:
        return rule.ends == "rejected"
    if submission.state not in FREES_REFERENCE:
        return False
    return rule.ends == "accepted" or (rule.ends == "" and applied and bool(rule.status))


def contradicts_technically(submission: Message, code: str) -> bool:
    """Does a technical receipt say that the authority has what ended here, or that it never took what it answered?"""
    if code == TAKEN:
        return submission.state in _NEVER_TOOK_EFFECT
    return code == NOT_TAKEN and submission.state in (State.SENT, State.ACCEPTED)


def another_verdict(submission: Message, rule: ReceiptRule, profile: Profile, records: Snapshot) -> bool:
    """Does a receipt say another status, by the same rank, than the one that ended its message: returned, and then refused?"""
    told = records.receipts_of_messages([submission.id]).get(submission.id, ())
    last = max((r for r in told if r.applied), key=lambda r: r.rank, default=None)
    before = profile.receipts.get(last.code) if last is not None else None
    if before is None or before.rank != rule.rank:
        return False
    return in_round(before, profile.operations.get(submission.operation)).status not in ("", rule.status)


def contradicted(submission: Message, content: ReceiptContent, says: str, records: Snapshot, *, now: int) -> Message:
    """The message with its mark; what was said once, or weighs less than that, is not said again.

    `says`: the opposite of its state, or a status (`another_verdict`), which leaves a free reference free: nobody acts on it.
    """
    before = submission.contradicted["says"] if submission.contradicted else None
    if before == says or (before in _OPPOSITES and says not in _OPPOSITES):
        return replace(submission, updated_at=now)
    holder = None
    if submission.reference and submission.holds and not submission.holds_reference:
        found = records.holder_of(submission.account, submission.reference)
        holder = found if found is not None and found.id != submission.id else None
    mark = {
        "code": content.code,
        "text": content.text,
        "says": says,
        "issued_at": times.show(content.issued_at),
        "receipt": content.id,
        "keeps_reference": holder is None and says in _OPPOSITES,
        "used_by": holder.id if holder else None,
    }
    receipt = f"{content.code} {content.text}"
    zh = f"结果矛盾：它是 {submission.state}，而回执 {receipt} 说 {says}"
    en = f"contradicted: it is {submission.state}, but receipt {receipt} says {says}"
    if holder is not None:
        zh += f"；其企业编号已由报文 {holder.id} 使用"
        en += f"; message {holder.id} has its reference by now"
    return replace(
        submission,
        updated_at=now,
        hold_reason=in_both(zh, en),
        hold_since=now,
        hold_do=f"tongguan show {submission.id}; tongguan release {submission.id}",
        contradicted=mark,
    )
