"""A technical receipt that is owed: the verdict was quicker, or a crash swallowed the answer. It is asked for, and handed on.

Asks only, and never sends; moves no message. What comes is treated as any receipt (`flow/receipts/receipts.py`), so it is believed by the
same rules and given to the enterprise once. Ends when the authority says that it has none, after the time in which a message is
given up, or when the gateway crashed over it thrice, each time thrice alone; none is worth an alert: the verdict is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from tongguan.gateway.flow.receipts.verification import claims_to_be_one
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.site import Site
from tongguan.gateway.flow.submission.send import incoming
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import each_of, in_both
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Chain, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.work.loop import CRASHES, Crashed, Step, lane_of
from tongguan.gateway.work.moment import Moment
from tongguan.routes.reply import Reply

_ASKED = in_both("询问所得的技术回执", "asked for the technical receipt")
_SOON = timedelta(seconds=1)  #: an answer that is on its way comes by itself


def owing(rules: Rules, submission: Message, now: int) -> dict[str, Any]:
    """Where a message goes that a business receipt moves: to be asked for where its technical receipt is missing, else nowhere."""
    if submission.lane is not None and submission.lane.kind == LaneKind.OWED:
        return {"lane": submission.lane, "due_at": submission.due_at}
    before_sent = submission.held_from if submission.state is State.HELD else submission.state
    route = submission.route
    if before_sent != State.SEALED or route is None or route not in rules.settings.route:
        return {"lane": None, "due_at": None}
    return {
        "lane": Lane(LaneKind.OWED, route),
        "due_at": now + _SOON // timedelta(milliseconds=1),
        "attempts": 0,
        "tries_since": now,
    }


def owed_step(site: Site) -> Step:
    """The station that asks an authority for the technical receipts that it owes."""
    rules = site.rules

    def act(claim: Claim) -> Sequence[Any]:
        route = site.route(lane_of(claim).name)
        asked = [route.submit_ask(message.wire_id) for message in claim.messages]
        return [future.result() for future in asked]

    return Step("ask", partial(decide_owed, rules), act=act, failed=partial(_failed, rules))


def _failed(rules: Rules, moment: Moment, message: Message, why: Exception) -> Outcome:
    """Put off, and given up after some times: it is never held, as its verdict is there."""
    left = _paid(message, moment.now) if message.attempts >= CRASHES else _later(rules, message, moment.now)
    zh, en = ("网关崩溃", "the gateway crashed") if isinstance(why, Crashed) else (f"程序错误：{why!r}", f"a bug: {why!r}")
    said = in_both(f"询问技术回执时{zh}", f"{en} when it asked for the technical receipt")
    return Outcome(left, message.state, "ask", why=said)


def _paid(message: Message, now: int) -> Message:
    return replace(message, lane=None, due_at=None, updated_at=now)


def decide_owed(rules: Rules, moment: Moment, message: Message, reply: Reply, records: Snapshot) -> Chain:
    """The debt is paid, waits, or ends."""
    now = moment.now
    paid = _paid(message, now)
    if reply.kind == "unknown":
        why = in_both("主管部门没有签发技术回执", "the authority has issued no technical receipt")
        return (Outcome(paid, message.state, "ask", why=why),)
    if reply.kind == "receipt" and reply.receipt is not None and claims_to_be_one(reply.receipt):
        came = incoming(message.account, reply.receipt, route=message.route or "", now=now, answered=True)
        known = records.message(came.message.id) is not None
        return (Outcome(paid, message.state, "ask", follow_ons=() if known else (came,), why=_ASKED),)
    since = message.received_at if message.tries_since is None else message.tries_since
    operation = rules.profile(message.type).operations.get(message.operation) if message.type in rules.profiles else None
    bound = operation.give_up if operation else timedelta(days=3)
    if now > since + bound // timedelta(milliseconds=1):
        zh, en = each_of(reply.why)
        why = in_both(f"期限内没有技术回执：{zh}", f"no technical receipt in time: {en}")
        return (Outcome(paid, message.state, "ask", why=why),)
    return (Outcome(_later(rules, message, now), message.state, "ask", why=reply.why),)


def _later(rules: Rules, message: Message, now: int) -> Message:
    return replace(message, due_at=rules.next_try(message, now), attempts=message.attempts + 1, updated_at=now)
