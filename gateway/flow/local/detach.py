"""附件删除: the named files no longer belong to the document."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.characters import normal
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.outcome import Outcome


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """Raises Refused naming each file that the document does not have."""
    names = {normal(name): name for name, _ in request.attachments}
    missing = names.keys() - {normal(a.name) for a in request.document.attachments}
    if missing:
        label = "附件", "attachment"
        raise Refused(
            [fault("GW-F14", path="Attachments", label=label, name=name) for name in sorted(names[each] for each in missing)]
        )
    left = tuple(a for a in request.document.attachments if normal(a.name) not in names)
    return done(request, changed(request.document, request.business, attachments=left))
