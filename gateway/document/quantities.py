"""What was approved by a licence, what was used of it and what is left: as an authority told, or from the document itself.

Promises: numbers are the texts that were told, or exact differences of them; what nobody told is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from tongguan.gateway.document.changes import rows_of
from tongguan.gateway.model.document import Document, Quantity
from tongguan.gateway.profile.profile import Profile
from tongguan.gateway.system import times

NUMBERS = ("approved", "used", "remaining")
LICENCE = "licence"  #: the kind of number by which licences are cited
_NOTHING = ("", "-")


def told(facts: Mapping[str, str], *, as_of: int, source: str) -> Quantity:
    """A line of an answer; what was used is what is missing from the approved quantity, where it is not told."""
    line: dict[str, str | None] = {name: value for name, value in facts.items() if value not in _NOTHING}
    if "used" not in line:
        line["used"] = _difference(line.get("approved"), line.get("remaining"))
    return {**line, **{n: line.get(n) for n in NUMBERS}, "as_of": times.show(as_of), "source": source}


def _difference(approved: str | None, remaining: str | None) -> str | None:
    if approved is None or remaining is None:
        return None
    try:
        return format(Decimal(approved) - Decimal(remaining), "f")
    except InvalidOperation:
        return None


def shown(document: Document, profile: Profile | None) -> Sequence[Quantity] | None:
    """What is known now of a licence: as told, else what its own lines say was approved; None before it is approved, and where its type
    has no licence number."""
    if document.quantities:
        return tuple(_by_code(line, profile) for line in document.quantities)
    rule = profile.statistics if profile is not None else None
    if profile is None or rule is None or LICENCE not in profile.numbers or document.status not in rule.status:
        return None
    since = document.counted_at or document.updated_at
    lines = []
    for row in rows_of(document.content, rule.table):
        facts = {fact: row.get(rule.row.get(word, ""), "") for fact, word in _OF_ROW.items()}
        lines.append(told({"licence": document.numbers.get(LICENCE, ""), **facts}, as_of=since, source="journal"))
    return lines


def _by_code(line: Quantity, profile: Profile | None) -> Quantity:
    """A line whose unit is a code, also where an authority told it by name."""
    units = (
        {name: code for query in profile.queries.values() for name, code in query.units.items()} if profile is not None else {}
    )
    unit = line.get("unit")
    return {**line, "unit": units.get(unit, unit)} if unit else line


_OF_ROW = {"commodity": "commodity", "name": "name", "unit": "unit", "approved": "quantity"}
