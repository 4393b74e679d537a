"""复制: drafts with what was entered, and new numbers; nothing that the system, an authority or an operation has set is copied."""

from __future__ import annotations

from tongguan.gateway.document.changes import learned, with_numbers
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.characters import is_count
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace

MOST_COPIES = 100


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """As many drafts as `Copies` says (1 when absent); the message's `copies` lists their keys and numbers."""
    asked = request.options.get(str(request.operation.options.get("field", "Copies")), "1")
    if not is_count(asked, MOST_COPIES):
        raise Refused([fault("GW-F15", path="Copies", label=("复制份数", "number of copies"), most=MOST_COPIES)])
    drafts = [_draft(request, n) for n in range(1, int(asked) + 1)]
    listed = [{"document": d.key, "numbers": d.numbers} for d in drafts]
    outcome = done(request, *drafts)
    message = replace(outcome.message, extra={**(outcome.message.extra or {}), "copies": listed})
    numbers = tuple(number for draft in drafts for number in learned(draft, replace(draft, numbers={}), request.profile))
    relied_on = {request.document.id: request.document.version}
    return replace(outcome, message=message, numbers=numbers, relied_on=relied_on)


def _draft(request: LocalRequest, n: int) -> Document:
    profile, origin = request.profile, request.document
    numbers = {kind: request.give_number(kind) for kind in request.operation.give_numbers}
    key = f"{request.message.reference or request.message.id}-{n}"
    return Document(
        id=derived_id("copy", request.message.id, str(n)),
        account=origin.account,
        type=origin.type,
        key=key,
        profile=profile.version,
        version=1,
        status=request.operation.to,
        created_at=request.business,
        updated_at=request.business,
        content=with_numbers(request.content, profile, numbers),
        numbers=numbers,
        party=origin.party,
    )
