"""附件删除: the named files no longer belong to the document."""

from __future__ import annotations

from tongguan.gateway.kernel.documents import changed
from tongguan.gateway.kernel.errors import Refused
from tongguan.gateway.kernel.faults import fault
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.records import Records
from tongguan.routes.desk import Errand, done


def do(errand: Errand, records: Records) -> Outcome:
    """Raises Refused naming each file that the document does not have."""
    names = {name for name, _ in errand.attachments}
    present = {a.name for a in errand.document.attachments}
    if names - present:
        raise Refused([fault("GW-F14", path="Attachments", label="附件", name=name) for name in sorted(names - present)])
    left = tuple(a for a in errand.document.attachments if a.name not in names)
    return done(errand, changed(errand.document, errand.now, attachments=left))
