"""确认: a person says what became of a document elsewhere; from then on it stands where the operation says."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.outcome import Outcome


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """Another status, and nothing else."""
    return done(request, changed(request.document, request.business, status=request.operation.to))
