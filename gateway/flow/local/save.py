"""暂存: keep what was entered as a draft, with the number that the gateway gives."""

from __future__ import annotations

from tongguan.gateway.document.changes import (
    all_reservations,
    attached,
    changed,
    learned,
    reservations,
    with_numbers,
    with_values,
)
from tongguan.gateway.flow.local import Errand, done
from tongguan.gateway.journal.reading.records import Records
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(errand: Errand, records: Records) -> Outcome:
    """The document as a draft. What an authority answered before is in `errand.answered` and stays in the content."""
    before, profile = errand.document, errand.profile
    content = with_numbers(with_values(errand.content, errand.answered or {}), errand.profile, errand.numbers)
    files = attached(
        before.attachments,
        errand.message,
        errand.attachments,
        errand.files,
        types=errand.media_types,
        one=profile.attachments.one_a_category,
    )
    draft = changed(
        before, errand.now, status=errand.operation.to, content=content, numbers=dict(errand.numbers), attachments=files
    )
    draft = replace(draft, changing=None, status_before=None)
    wanted, held = reservations(profile, errand.operation, draft), all_reservations(profile, before)
    return replace(
        done(errand, draft),
        numbers=learned(draft, before, profile),
        reserve=tuple(r for r in wanted if r not in held or records.reserved_by(r.kind, r.value) is None),
        release=tuple(r for r in held if r not in wanted),
    )
