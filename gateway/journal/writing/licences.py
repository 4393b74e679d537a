"""What documents hold of licences, written with the outcomes that take it and give it back.

Promises: what all hold of a line is the sum of what each holds; nobody gets more of it while that is, or would be, more than the most
that was decided on; lines are written in the order of their keys, so that two who write at once wait for each other and never cross.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.rows import TAKEN_PART, amount_of, taken_rows
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.history import line_of_other
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.journal.writing.outcome_rows import insert_together
from tongguan.gateway.journal.writing.preconditions import LineAmounts, Overtaken
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Outcome, Take

_ANY = TAKEN_PART << 62  #: more than anybody takes


def write_takes(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Put what each document holds at last in the place of what it held; raises Overtaken when there is not so much left."""
    last = {take.document_id: (outcome, take) for outcome in outcomes for take in outcome.takes}
    if not last:
        return
    held = _taken_back(group, last)
    states = {m.id: m.state for outcome in outcomes for m in (outcome.message, *outcome.others)}
    change, most = Counter[tuple[str, str]](), dict[tuple[str, str], int]()
    rows = {}
    for document_id, (outcome, take) in last.items():
        before, after = held.get(document_id, {}), {(line.licence_id, line.line): line.amount for line in take.lines}
        change.update(after)
        change.subtract(before)
        for line in take.lines:
            key = line.licence_id, line.line
            if line.most is not None and line.amount > before.get(key, 0):
                most[key] = min(line.most, most.get(key, line.most))
        if before or after:
            rows[document_id] = taken_rows(take)
        changed = [key[0] for key in {**before, **after} if before.get(key) != after.get(key)]
        _tell(group, outcome, states[outcome.message.id], account=_account(outcome, document_id), licences=changed)
    _take(group, change, most)
    insert_together(group, tables.licence_taken, rows)


def _taken_back(group: Group, documents: Mapping[str, tuple[Outcome, Take]]) -> dict[str, LineAmounts]:
    """What these documents held, and hold no more."""
    held: dict[str, LineAmounts] = {}
    for part in slices(documents):
        for document_id, licence_id, line, *parts in statements.TAKE_BACK.rows(group.connection, values=part):
            held.setdefault(document_id, {})[licence_id, line] = amount_of(*parts)
    return held


def _take(group: Group, change: Mapping[tuple[str, str], int], most: Mapping[tuple[str, str], int]) -> None:
    """Have each line move by its change, up to its most where somebody gets more of it."""
    rows = []
    for key in sorted(change):
        high, low = divmod(change[key], TAKEN_PART)
        most_high, most_low = divmod(most.get(key, _ANY), TAKEN_PART)
        named = {"licence_id": key[0], "line": key[1]}
        wanted = {**named, "high": high, "low": low, "most_high": most_high, "most_low": most_low}
        written = (statements.TAKE_LESS if high < 0 else statements.TAKE).rows(group.connection, **wanted)
        if not written:
            raise Overtaken(tables.licence_used.name) if key in most else ArithmeticError(f"{' '.join(key)}: more than was taken")
        rows.append({**named, **dict(zip(("high", "low"), written[0], strict=True))})
    group.left += digests.records_of(tables.licence_used.name, rows)


def _account(outcome: Outcome, document_id: str) -> str:
    """Whose the document is, which an outcome with a take of it always writes."""
    return next(document.account for document in outcome.documents if document.id == document_id)


def _tell(group: Group, outcome: Outcome, state: State, *, account: str, licences: Sequence[str]) -> None:
    """Of a licence of which more or less is left, the history and those who show it hear as of a document that the message moved."""
    id_ = outcome.message.id
    for licence_id in dict.fromkeys(licences):
        group.moves.append((id_, licence_id, line_of_other(id_, state, state, outcome=outcome)))
        group.change(account).documents[licence_id] = None
