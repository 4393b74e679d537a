"""确认: a person says what became of a document elsewhere; from then on it stands where the operation says."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.outcome import Outcome


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """Another status, and nothing else; Refused while another document is to change or cancel this one."""
    if (holder := _change_of(request, records)) is not None:
        profile = request.profiles[holder.type]
        told = fault(
            "GW-F86",
            path="@operation",
            label="operation",
            operation=request.message.operation,
            title=(profile.title.zh, profile.title.en),
            number=holder.numbers.get(profile.own_number) or holder.key,
            status=profile.status_words(holder.status),
        )
        raise Refused([told])
    return done(request, changed(request.document, request.business, status=request.operation.to))


def _change_of(request: LocalRequest, records: Snapshot) -> Document | None:
    """The document by which this one is to be changed, where that is not over."""
    for profile in request.profiles.values():
        if profile.changes is not None and profile.needs[profile.changes.need].type == request.profile.type:
            holder = records.document(records.reserved_by(f"{profile.authority}:@{profile.changes.need}", request.document.id))
            if holder is not None and holder.type == profile.type:
                return holder
    return None
