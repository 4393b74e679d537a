"""获取备案: an authority's own record of an enterprise completes the document, or makes it where there is none."""

from __future__ import annotations

from tongguan.gateway.document.changes import changed, learned, reservations, settled_down, with_numbers, with_values
from tongguan.gateway.flow.local import LocalRequest, done
from tongguan.gateway.flow.submission.checks.allowed import place_in
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.model.record import replace


def do(request: LocalRequest, records: Snapshot) -> Outcome:
    """What the answer says is written over what was entered, and the document is where the operation says (`to`).

    Raises Refused where another document has reserved a value of the record.
    """
    before, profile, operation = request.document, request.profile, request.operation
    told = request.answered or {}
    numbers = {kind: told[rule.field] for kind, rule in profile.numbers.items() if rule.field in told} | dict(request.numbers)
    content = with_numbers(with_values(request.content, told), profile, numbers)
    if table := operation.fetches.removesuffix("[]"):
        content[table] = list(request.answered_rows)
    whole = settled_down(changed(before, request.business, status=operation.to, content=content, numbers=numbers))
    wanted = reservations(profile, operation, whole, request.found)
    for one in wanted:
        if records.reserved_by(one.kind, one.value) not in (None, whole.id):
            path = one.kind.partition(":")[2].partition("+")[0]
            label = next(((f.label, f.label_en) for f in profile.fields if f.path == path), path)
            raise Refused([fault("GW-F07", path=place_in(request.message, path), label=label, value=one.value, by=("", ""))])
    own = tuple(one for one in wanted if records.reserved_by(one.kind, one.value) is None)
    return replace(done(request, whole), numbers=learned(whole, before, profile), reserve=own)
