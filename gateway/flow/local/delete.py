"""删除: a draft goes; its key and what it had reserved are free again, its numbers are never given anew."""

from __future__ import annotations

from tongguan.gateway.document.changes import all_reservations, changed
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    gone = changed(request.document, request.now, deleted=True, facts={})
    return replace(done(request, gone), release=all_reservations(request.profile, request.document))
