"""sealed → sent | rejected: the bytes go out, the technical receipt comes back.

After a lost answer the authority is asked first; a resend is the same bytes under the same id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta

from tongguan.codecs.receipt import ReceiptContent, read_receipt
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel import clock
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.document import Receipt
from tongguan.gateway.kernel.documents import all_reservations, undone
from tongguan.gateway.kernel.errors import Deferred, Held
from tongguan.gateway.kernel.ids import derived_id
from tongguan.gateway.kernel.message import Kind, Message, State
from tongguan.gateway.kernel.outcome import Body, Outcome
from tongguan.gateway.kernel.records import Records
from tongguan.routes.reply import Reply
from tongguan.signer.errors import SignatureInvalid
from tongguan.signer.verify import verify

TAKEN, NOT_TAKEN = "0", "1"  #: codes of a technical receipt


@dataclass(frozen=True, slots=True)
class Answered:
    """A verified receipt and its bytes."""

    content: ReceiptContent
    raw: bytes


@dataclass(frozen=True, slots=True)
class Doubt:
    """The authority may have the bytes: it is asked before they are sent again.

    An answer and no exception: deciding it must leave its mark on the message.
    """

    why: str
    after: timedelta
    closes: str | None = None  #: the lane, where the authority could not be reached at all


def act_send(site: Site, messages: Sequence[Message]) -> list[Answered | Doubt | Exception]:
    """Send a batch over its route, as many in flight as the route allows; what is doubtful is asked for first."""
    route = site.routes[_route_name(messages[0])]
    with site.journal.read() as records:
        ours = records.unchanged(messages)  # one that was stopped before it came into this hand must not go out
        sealed = records.sealed_of([m for m in messages if m.id in ours])
    replies: dict[str, Reply] = {}
    doubtful = [m for m in messages if m.id in ours and _doubtful(m)]
    asked: list[tuple[Message, Future[Reply]]] = [(m, route.submit_ask(m.wire_id)) for m in doubtful]
    for message, future in asked:
        replies[message.id] = future.result()
    to_send = [m for m in messages if m.id in ours and (m.id not in replies or replies[m.id].kind == "unknown")]
    for message, reply in zip(to_send, route.send_many([(m.wire_id, sealed[m.id]) for m in to_send]), strict=True):
        replies[message.id] = reply
    return [_meaning(site, m, replies[m.id]) if m.id in ours else Deferred("route", why="it moved meanwhile") for m in messages]


def _route_name(message: Message) -> str:
    return (message.lane or "").removeprefix("route:")


def _doubtful(message: Message) -> bool:
    return bool((message.extra or {}).get("doubtful"))


def _meaning(site: Site, message: Message, reply: Reply) -> Answered | Doubt | Exception:
    """The verified receipt, or what happens next."""
    lane = message.lane or ""
    give_up = message.deadline_at is not None and clock.now_ms() > message.deadline_at
    if reply.kind == "receipt" and reply.receipt is not None:
        answered = believed(site, message, reply.receipt)
        if isinstance(answered, Answered):
            return answered
        why, doubtful = answered, reply.status in (200, 202)
    else:
        why, doubtful = reply.why, reply.kind == "lost"
    if give_up:
        return Held(f"not delivered before its deadline: {why}", do=f"tongguan retry {message.id}; tongguan give-up {message.id}")
    if reply.kind == "later" and reply.status is None:
        return Doubt(why, timedelta(0), closes=lane) if _doubtful(message) else Deferred("route", closes=lane, why=why)
    after = reply.retry_after
    if after is None:
        after = timedelta(milliseconds=max(0, site.next_try(message) - clock.now_ms()))
    return Doubt(why, after) if doubtful or _doubtful(message) else Deferred("route", after=after, why=why)


def believed(site: Site, message: Message, raw: bytes, *, asked: tuple[str, str] | None = None) -> Answered | str:
    """A receipt that is the authority's own answer to this very message, or why it is not believed.

    `asked`: the authority that was asked and the account's code there, where they are not those of the type.
    """
    profile = site.profile(message.type)
    own = str((message.extra or {}).get("route") or profile.authority), site.code_at(site.account(message.account), profile)
    authority, account = asked or own
    try:
        root = verify(raw, site.trust[authority], clock.now()).root
        content = read_receipt(root)
    except SignatureInvalid as wrong:
        return f"its receipt does not verify: {wrong}"
    except Exception as wrong:
        return f"its receipt cannot be read: {wrong}"
    unopened = content.code == NOT_TAKEN and not content.account  # what it could not decrypt it cannot say whose it is
    if content.authority != authority or not (content.account == account or unopened):
        return f"its receipt is addressed to {content.account}"
    if content.message != message.wire_id:
        return f"its receipt answers {content.message}"
    return Answered(content, raw)


def decide_send(site: Site, message: Message, answered: Answered, records: Records) -> Outcome:
    """sent with the technical receipt, or rejected by it."""
    content = answered.content
    extra = {k: v for k, v in (message.extra or {}).items() if k != "doubtful"}
    message = replace(message, lane=None, due_at=None, updated_at=clock.now_ms(), extra=extra)
    outcome = _sent(site, message) if content.code == TAKEN else _rejected(site, message, content, records)
    return replace(
        outcome,
        receipts=(technical_receipt(content, message),),
        bodies=(Body(message.id, "receipt", answered.raw, hashlib.sha256(answered.raw).hexdigest()),),
        answers=answers.technical(site, outcome),
        late=(late(message, answered.raw),),
    )


def _sent(site: Site, message: Message) -> Outcome:
    answer_within = site.profile(message.type).operations[message.operation].answer_within
    deadline = message.updated_at + round(answer_within.total_seconds() * 1000)
    moved = replace(message, state=State.SENT, deadline_at=deadline, waiting_for="authority")
    return Outcome(moved, message.state, "send")


def _rejected(site: Site, message: Message, content: ReceiptContent, records: Records) -> Outcome:
    """The authority's final no: the document goes back to where it was."""
    profile = site.profile(message.type)
    document = records.document(message.document_id)
    reverted = undone(document, message, profile) if document else None
    moved = replace(message, state=State.REJECTED, deadline_at=None, waiting_for=None, faults=content.faults)
    return Outcome(
        moved,
        message.state,
        "send",
        documents=(reverted,) if reverted else (),
        release=all_reservations(profile, document) if document and profile.operations[message.operation].reserve else (),
    )


def technical_receipt(content: ReceiptContent, submission: Message) -> Receipt:
    """A technical receipt as it is shown beside its message; it has no rank."""
    return Receipt(
        id=content.id,
        authority=content.authority,
        code=content.code,
        zh=content.text,
        en=content.text,
        issued_at=content.issued_at,
        message_id=submission.id,
        document_id=submission.document_id,
    )


def late(message: Message, raw: bytes) -> Outcome:
    """A receipt that came in an answer nobody waits for any more: stored as if it had been fetched."""
    return incoming(message.account, raw, authority=str((message.extra or {}).get("route", "")))


def incoming(account: str, raw: bytes, *, authority: str) -> Outcome:
    """A receipt as it came, not yet believed; its id follows from its bytes, so that the same bytes are one receipt."""
    now = clock.now_ms()
    sha256 = hashlib.sha256(raw).hexdigest()
    message = Message(
        id=derived_id("receipt", authority, account, sha256),
        kind=Kind.RECEIPT,
        account=account,
        type="",
        operation="receipt",
        state=State.RECEIVED,
        received_at=now,
        updated_at=now,
        lane="verify",
        due_at=now,
        sha256=sha256,
        waits=False,
        extra={"authority": authority},
    )
    return Outcome(message, None, "receive", bodies=(Body(message.id, "receipt", raw, sha256),))
