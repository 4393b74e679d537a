"""暂存: keep what was entered as a draft, with the number that the gateway gives."""

from __future__ import annotations

from tongguan.gateway.document.changes import (
    attached,
    changed,
    learned,
    own_reservations,
    reservations,
    value_at,
    with_numbers,
    with_values,
)
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.outcome import Outcome, Take
from tongguan.gateway.model.record import replace


def _status(request: LocalRequest) -> str:
    """What it is then: another status where another enterprise must sign."""
    operation, profile = request.operation, request.profile
    signer = value_at(request.content, profile.signer) if operation.to_another else ""
    return operation.to_another if signer and signer != getattr(request.account, profile.account_code) else operation.to


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """The document as a draft. What an authority answered before is in `request.answered` and stays in the content."""
    before, profile = request.document, request.profile
    content = with_numbers(with_values(request.content, request.answered or {}), request.profile, request.numbers)
    files = attached(
        before.attachments,
        request.message,
        request.attachments,
        request.files,
        types=request.media_types,
        one=profile.attachments.one_a_category,
    )
    draft = changed(
        before,
        request.business,
        status=_status(request) or before.status,
        content=content,
        numbers=dict(request.numbers),
        attachments=files,
    )
    draft = replace(draft, changing=None, status_before=None)
    wanted = reservations(profile, request.operation, draft, request.found)
    held = own_reservations(profile, records.reservations_of(before.id))
    return replace(
        done(request, draft),
        numbers=learned(draft, before, profile),
        reserve=tuple(r for r in wanted if r not in held or records.reserved_by(r.kind, r.value) is None),
        release=tuple(r for r in held if r not in wanted),
        takes=(Take(draft.id),) if profile.takes is not None and records.held_by(draft.id) else (),
    )
