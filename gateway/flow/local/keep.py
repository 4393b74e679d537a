"""An authority's answer is kept in the document, where it may be changed at all (下一步: electronic licence or paper)."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed, learned, with_numbers, with_values
from tongguan.gateway.flow.local import Errand, done
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(errand: Errand, records: Records) -> Outcome:
    before = errand.document
    content = with_numbers(with_values(errand.content, errand.answered or {}), errand.profile, errand.numbers)
    kept = changed(before, errand.now, status=before.status or errand.operation.to, content=content, numbers=dict(errand.numbers))
    return replace(done(errand, kept), numbers=learned(kept, before, errand.profile))
