"""What documents take of the licences that they cite: what a content wants, and what of a licence may be used.

Promises: amounts are whole hundred-thousandths of the unit, exact; what is approved in finer parts than these is never used; a quantity
that nobody told, or that is no number, limits nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tongguan.gateway.document.changes import rows_of
from tongguan.gateway.document.counting import number_of
from tongguan.gateway.document.quantities import shown
from tongguan.gateway.model.document import Content, Document, Quantity
from tongguan.gateway.model.outcome import Take, TakenLine
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import Profile, TakeRule

PLACES = 5  #: decimals of an amount
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]*))?")


@record
class Licence:
    """A licence that is known here, of which others are taken account of: what may be used of each of its lines (None: any)."""

    id: str  #: its document
    version: int
    number: str
    most: Mapping[str, int | None]


@record
class WantedLine:
    """What one row of a content wants of a licence."""

    row: int
    line: str
    amount: int


@record
class UncoveredRow:
    """A row that wants more of a licence than is left when the rows before it have had theirs; None: the licence has no such line."""

    row: int
    line: str
    wanted: int
    left: int | None


def bare(number: str) -> str:
    """A licence's number as it is compared: hyphens do not count."""
    return number.replace("-", "")


def line_of(commodity: str, unit: str) -> str:
    """The name of a licence's line, and of what is taken of it."""
    return f"{commodity} {unit}"


def amount_of(text: str | None) -> int | None:
    """A number as whole hundred-thousandths, without its finer part; None where it is none."""
    found = _NUMBER.fullmatch(text or "")
    return int(found[1] + (found[2] or "")[:PLACES].ljust(PLACES, "0")) if found else None


def text_of(amount: int) -> str:
    """An amount as a canonical number."""
    return number_of(amount, PLACES)


def licence_of(document: Document, profile: Profile | None, number: str) -> Licence | None:
    """The licence of this number as its document knows it; None when the document knows nothing of it."""
    lines = [q for q in shown(document, profile) or () if bare(q.get("licence") or "") == number]
    return Licence(document.id, document.version, number, _most(profile, lines)) if lines else None


def _most(profile: Profile | None, quantities: Sequence[Quantity]) -> dict[str, int | None]:
    """What this gateway's documents may hold of each line."""
    most: dict[str, int | None] = {}
    for quantity, line in zip(quantities, _lines(profile, quantities), strict=True):
        here, before = _without_others(quantity), most.get(line, 0)
        most[line] = None if here is None or before is None else here + before
    return most


def _without_others(quantity: Quantity) -> int | None:
    """What was approved, less what others have used of it."""
    approved, others = amount_of(quantity.get("approved")), amount_of(quantity.get("others"))
    return None if approved is None else max(0, approved - (others or 0))


def _lines(profile: Profile | None, quantities: Sequence[Quantity]) -> Iterator[str]:
    """The name of each one's line: its unit as a code, also where an authority told it by name."""
    units: dict[str, str] = {}
    for query in profile.queries.values() if profile is not None else ():
        units.update(query.units)
    return (line_of(q.get("commodity") or "", units.get(q.get("unit") or "", q.get("unit") or "")) for q in quantities)


def wanted(rule: TakeRule, content: Content) -> list[WantedLine]:
    """What each row of a content wants; a row without a quantity wants nothing."""
    found = []
    for n, row in enumerate(rows_of(content, rule.table)):
        amount = amount_of(row.get(rule.quantity))
        if amount:
            found.append(WantedLine(n, line_of(row.get(rule.commodity, ""), row.get(rule.unit, "")), amount))
    return found


def takes_of(rule: TakeRule, document_id: str, content: Content, licence: Licence | None) -> Take:
    """What a document with this content holds of a licence: of the lines that this has, and nothing of one that is not known."""
    amounts = Counter[str]()
    for want in wanted(rule, content) if licence is not None else ():
        amounts[want.line] += want.amount
    lines = [
        TakenLine(licence.id, line, amount, licence.most[line])
        for line, amount in amounts.items()
        if licence is not None and line in licence.most
    ]
    return Take(document_id, tuple(lines))


def uncovered(rule: TakeRule, content: Content, licence: Licence, used: Mapping[str, int]) -> list[UncoveredRow]:
    """Rows that the licence does not cover; `used`: what other documents hold of it, by line."""
    found, taken = [], Counter(used)
    for want in wanted(rule, content):
        most = licence.most.get(want.line, 0)
        left = None if most is None else max(0, most - taken[want.line])
        if want.line not in licence.most or (left is not None and want.amount > left):
            found.append(UncoveredRow(want.row, want.line, want.amount, left if want.line in licence.most else None))
        else:
            taken[want.line] += want.amount
    return found


def with_others(profile: Profile, quantities: Sequence[Quantity], used: Mapping[str, int]) -> list[Quantity]:
    """Quantities as they were told, each with what others had used of them: what this gateway's documents held then (`used`, by
    line) is not theirs."""
    own = dict(used)
    found: list[Quantity] = []
    for quantity, line in zip(quantities, _lines(profile, quantities), strict=True):
        told = amount_of(quantity.get("used"))
        mine = min(told or 0, own.get(line, 0))
        own[line] = own.get(line, 0) - mine
        found.append({**quantity, "others": None if told is None else text_of(told - mine)})
    return found


def _unit_names(profile: Profile | None) -> dict[str, str]:
    """What units are called by their codes; of several names the last, which is the Chinese one."""
    queries = profile.queries.values() if profile is not None else ()
    return {code: name for query in queries for name, code in query.units.items()}


def with_taken(profile: Profile | None, quantities: Sequence[Quantity], used: Mapping[str, int]) -> list[Quantity]:
    """Quantities as they are shown, each with what this gateway's documents hold (`used`, by line) of its commodity in its unit, and
    what is left of that for others of them."""
    found: list[Quantity] = []
    most, names = _most(profile, quantities), _unit_names(profile)
    for quantity, line in zip(quantities, _lines(profile, quantities), strict=True):
        here, taken = most[line], used.get(line, 0)
        left = None if here is None else text_of(max(0, here - taken))
        if unit := quantity.get("unit"):
            quantity = {**quantity, "unit_name": names.get(unit, unit)}
        found.append({**quantity, "taken": text_of(taken), "left": left})
    return found
