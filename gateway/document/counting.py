"""What a document adds to the statistics: pure functions from what its profile counts.

Promises: the same lines whatever order receipts come in; numbers are whole millionths, never rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tongguan.gateway.document.changes import rows_of, value_at, values_at
from tongguan.gateway.model.document import Content, CountedLine, Document
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Profile, Statistics
from tongguan.gateway.system import times

PLACES = 6  #: decimals that are kept of a number: no field that is counted may have more


def category(commodity: str) -> str:
    """商品大类码 (ours): the heading of the tariff, its code's first four digits."""
    return commodity[:4]


def month(ms: int) -> int:
    """The month of China of a journal time: 202611."""
    return int(times.china_date(ms)[:7].replace("-", ""))


def millionths(text: str) -> int:
    """A canonical number as whole millionths; ValueError when it has finer decimals."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > PLACES:
        raise ValueError(f"{text} has more than {PLACES} decimals")
    return int(whole + fraction.ljust(PLACES, "0"))


def number_of(parts: int, places: int = PLACES) -> str:
    """A whole number of parts (millionths, unless another count of decimals is given) as a canonical number."""
    whole, part = divmod(abs(parts), 10**places)
    fraction = f"{part:0{places}d}".rstrip("0")
    return f"{'-' if parts < 0 else ''}{whole}{f'.{fraction}' if fraction else ''}"


def counted(profile: Profile, before: Document | None, after: Document, *, status: str, at: int) -> Document:
    """`after`, with its new lines of the statistics where this step changes them.

    `status` is what the step tells of the present round (empty: nothing) and `at` when that was issued: the earliest such
    moment is the document's month. While an operation is on its way, the document counts as it did before.
    """
    rule = profile.statistics
    if rule is None:
        return after
    was = before is not None and before.counted_at is not None and _counts(rule, before)
    if not _counts(rule, after):
        gone = after.counted_at is not None
        return replace(after, counted_at=None, counted=()) if gone else after
    known = before.counted_at if was and before is not None else None
    since = min([moment for moment in (known, at if status in rule.status else None) if moment is not None], default=at)
    if was and before is not None and since == known and _unchanged(rule, before, after):
        return after
    return replace(after, counted_at=since, counted=lines(rule, after.content, _month_of(rule, after.content, since)))


def _month_of(rule: Statistics, content: Content, since: int) -> int:
    """The month of the date that the document itself says, where its profile names one; else of the moment since when it counts."""
    day = value_at(content, rule.day) if rule.day else ""
    return int(day[:7].replace("-", "")) if day else month(since)


def _counts(rule: Statistics, document: Document) -> bool:
    standing = document.status_before if document.changing and document.status_before else document.status
    return standing in rule.status and not document.deleted


def _unchanged(rule: Statistics, before: Document, after: Document) -> bool:
    if after.changing:
        return True
    days = [_month_of(rule, content, 0) for content in (before.content, after.content)]
    return before.status == after.status and lines(rule, before.content, days[0]) == lines(rule, after.content, days[1])


def lines(rule: Statistics, content: Content, in_month: int) -> tuple[CountedLine, ...]:
    """A line for each row of the counted table, empty cells where a row says nothing."""
    dimensions = tuple(value_at(content, path) for path in rule.dimensions.values())
    commodities: set[tuple[str, str]] = set()
    categories: set[tuple[str, str]] = set()
    found = []
    for row in rows_of(content, rule.table):
        commodity, name, unit = (next(iter(_at(rule, row, word)), "") for word in ("commodity", "name", "unit"))
        quantity, amount = (sum(map(millionths, _at(rule, row, word))) for word in ("quantity", "amount"))
        new, new_category = (commodity, unit) not in commodities, (category(commodity), unit) not in categories
        commodities.add((commodity, unit))
        categories.add((category(commodity), unit))
        found.append(CountedLine(in_month, commodity, name, unit, quantity, amount, new, new_category, dimensions))
    return tuple(found)


def _at(rule: Statistics, row: Mapping[str, Any], word: str) -> list[str]:
    return values_at(row, rule.row[word]) if rule.row.get(word) else []
