"""附件删除: the named files no longer belong to the document."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.outcome import Outcome


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """Raises Refused naming each file that the document does not have."""
    names = {name for name, _ in request.attachments}
    present = {a.name for a in request.document.attachments}
    if names - present:
        raise Refused(
            [fault("GW-F14", path="Attachments", label=("附件", "attachment"), name=name) for name in sorted(names - present)]
        )
    left = tuple(a for a in request.document.attachments if a.name not in names)
    return done(request, changed(request.document, request.business, attachments=left))
