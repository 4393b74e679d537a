"""An authority's answer is kept in the document, where it may be changed at all (下一步: electronic licence or paper)."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed, learned, with_numbers, with_values
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    before = request.document
    content = with_numbers(with_values(request.content, request.answered or {}), request.profile, request.numbers)
    kept = changed(
        before, request.business, status=before.status or request.operation.to, content=content, numbers=dict(request.numbers)
    )
    return replace(done(request, kept), numbers=learned(kept, before, request.profile))
