"""汇总: the merge is begun, and says so at once; what it comes to is made portion by portion (`flow/merging/merge.py`)."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed, learned, with_numbers
from tongguan.gateway.flow.local import LocalRequest
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """checked, in the lane of merges; its document says that it has begun."""
    before, message = request.document, request.message
    content = with_numbers(request.content, request.profile, request.numbers)
    begun = changed(before, request.business, status=request.operation.to, content=content, numbers=dict(request.numbers))
    moved = replace(
        message,
        state=State.CHECKED,
        lane=Lane(LaneKind.MERGE),
        due_at=request.now,
        deadline_at=None,
        waiting_for=None,
        updated_at=request.now,
        attempts=0,
    )
    numbers = learned(begun, before, request.profile)
    return Outcome(moved, message.state, request.operation.name, documents=(begun,), numbers=numbers)
