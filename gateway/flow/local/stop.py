"""Stop a message before it takes effect: in received or checked, or sealed and never tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tongguan.gateway.flow.holdings import undoing
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.flow.merging.letting_go import owner_of
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """Stop the message that `Reference` or `MessageId` names; refused, naming its state, when it is too late."""
    reference, id_ = request.content.get("Reference"), request.content.get("MessageId")
    target = records.message(id_) if id_ else records.holder_of(request.message.account, reference or "")
    if target is None or target.account != request.message.account:
        raise Refused([fault("GW-F12", **named_by(request.content))])
    if not may_stop(target):
        raise Refused([fault("GW-F13", **named_by(request.content), state=target.state)])
    stopped = stop(target, records, request.profiles.get(target.type), now=request.now, business=request.business)
    outcome = done(request, *stopped.documents, why=request.content.get("Why", ""))
    more = {"release": stopped.release, "takes": stopped.takes}
    return replace(outcome, others=(stopped.message,), others_were={target.id: target.state}, **more)


def named_by(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a message about another one names it by, as its faults tell it."""
    if id_ := content.get("MessageId"):
        return {"path": "MessageId", "label": ("报文标识", "message id"), "reference": id_}
    return {"path": "Reference", "label": ("报文编号", "reference"), "reference": content.get("Reference") or ""}


def may_stop(message: Message) -> bool:
    never_tried = message.state is State.SEALED and message.attempts == 0 and not message.doubtful
    held_early = (
        message.state is State.HELD and message.held_from in (State.RECEIVED, State.CHECKED) and owner_of(message) is None
    )
    merging = message.lane == Lane(LaneKind.MERGE)  # it ends by itself, in portions
    return (message.state in (State.RECEIVED, State.CHECKED) and not merging) or never_tried or held_early


def stop(
    message: Message,
    records: Snapshot,
    profile: Profile | None,
    *,
    now: int,
    business: int,
    state: State = State.STOPPED,
) -> Outcome:
    """The outcome of a message that ends by order; its document goes back to where it was."""
    ended = replace(
        message, state=state, lane=None, due_at=None, deadline_at=None, waiting_for=None, waits_on=None, updated_at=now
    )
    return Outcome(ended, message.state, state.value, **undoing(message, profile, records, at=business))
