"""A technical receipt that is owed: the verdict was quicker, or a crash swallowed the answer. It is asked for, and handed on.

Asks only, and never sends; moves no message. What comes is treated as any receipt (`flow/receipts/receipts.py`), so it is believed by the
same rules and given to the enterprise once. Ends when the authority says that it has none, after the time in which a message is
given up, or when the gateway crashed over it thrice, each time thrice alone; none is worth an alert: the verdict is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tongguan.gateway.flow.receipts.believing import claims_to_be_one
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.send import incoming
from tongguan.gateway.journal.claims import Claim
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.errors import each_of, in_both
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import CRASHES, conclude
from tongguan.routes.reply import Reply

LANE = "owed"
_ASKED = in_both("询问所得的技术回执", "asked for the technical receipt")
_SOON = timedelta(seconds=1)  #: an answer that is on its way comes by itself


def owing(site: Site, submission: Message, now: int) -> dict[str, Any]:
    """Where a message goes that a business receipt moves: to be asked for where its technical receipt is missing, else nowhere."""
    lane = submission.lane or ""
    if lane.startswith(f"{LANE}:"):
        return {"lane": lane, "due_at": submission.due_at}
    before_sent = submission.held_from if submission.state is State.HELD else submission.state
    route = str((submission.extra or {}).get("route", ""))
    if before_sent != State.SEALED or route not in site.routes:
        return {"lane": None, "due_at": None}
    extra = {**(submission.extra or {}), "owed_since": now}
    return {"lane": f"{LANE}:{route}", "due_at": now + _SOON // timedelta(milliseconds=1), "attempts": 0, "extra": extra}


def ask_for_owed(site: Site, name: str, claim: Claim) -> Sequence[Chain]:
    """Ask one authority for the technical receipts that it owes."""
    crashed = claim.crashes >= CRASHES
    asked = [] if crashed else [(m.id, site.routes[name].submit_ask(m.wire_id)) for m in claim.messages]
    replies = {id_: future.result() for id_, future in asked}

    def decide(message: Message, records: Records) -> Chain:
        return (_decide(site, message, replies.get(message.id), records),)

    return conclude(site.journal, claim.messages, decide, token=claim.token)


def _decide(site: Site, message: Message, reply: Reply | None, records: Records) -> Outcome:
    """The debt is paid, waits, or ends."""
    paid = replace(message, lane=None, due_at=None, updated_at=clock.now_ms())
    if reply is None:
        why = in_both("网关在询问技术回执时崩溃", "the gateway crashed when it asked for the technical receipt")
        left = paid if message.attempts >= CRASHES else _later(site, message)
        return Outcome(left, message.state, "ask", why=why)
    if reply.kind == "unknown":
        return Outcome(
            paid, message.state, "ask", why=in_both("主管部门没有签发技术回执", "the authority has issued no technical receipt")
        )
    if reply.kind == "receipt" and reply.receipt is not None and claims_to_be_one(reply.receipt):
        came = incoming(message.account, reply.receipt, authority=str((message.extra or {}).get("route", "")), door="answer")
        known = records.message(came.message.id) is not None
        return Outcome(paid, message.state, "ask", follow_ons=() if known else (came,), why=_ASKED)
    since = int((message.extra or {}).get("owed_since", message.received_at))
    operation = site.profile(message.type).operations.get(message.operation) if message.type in site.profiles else None
    bound = operation.give_up if operation else timedelta(days=3)
    if clock.now_ms() > since + bound // timedelta(milliseconds=1):
        zh, en = each_of(reply.why)
        why = in_both(f"期限内没有技术回执：{zh}", f"no technical receipt in time: {en}")
        return Outcome(paid, message.state, "ask", why=why)
    return Outcome(_later(site, message), message.state, "ask", why=reply.why)


def _later(site: Site, message: Message) -> Message:
    return replace(message, due_at=site.next_try(message), attempts=message.attempts + 1, updated_at=clock.now_ms())
