"""Named checks: what rules.toml may ask of a field. Each is a factory, called once a rule at start.

A check of a value says whether it holds; an absent value breaks only `required`. A check of a date is given the moment at which it is
asked, and reads no clock. A check of rows is given all values of its path (the rows themselves where the path is a table's) and says which
of them are wrong.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache, reduce
from typing import Any

from tongguan.codecs.checking.field_tree import Rows
from tongguan.codecs.checking.fields import EXACT
from tongguan.gateway.system import times

Getter = Callable[[Rows], Sequence[Any]]
See = Callable[[str], Getter]
"""A path of the profile, made into a look from the row that the rule is about; it raises ValueError for an unknown path."""

ValueCheck = Callable[[str, Rows], bool]
DateCheck = Callable[[str, int], bool]
"""Of a date or time in canonical form, and of the moment at which it is asked; days are China's, a time is taken by its day."""

RowsCheck = Callable[[Sequence[Any]], Sequence[int]]
WHOLE = -1  #: the table as such is wrong, not one of its rows

_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_AT = {letter: place for place, letter in enumerate(_USCC)}
_USCC_WEIGHTS = [pow(3, place, 31) for place in range(17)]


@lru_cache(maxsize=4096)
def uscc_is_right(code: str) -> bool:
    """Length, letters and check character of a unified social credit code (GB 32100)."""
    if len(code) != 18 or any(letter not in _USCC_AT for letter in code):
        return False
    total = sum(weight * _USCC_AT[letter] for weight, letter in zip(_USCC_WEIGHTS, code, strict=False))
    return _USCC[-total % 31] == code[17]


def _uscc(with_: Mapping[str, Any], see: See) -> ValueCheck:
    return lambda value, rows: uscc_is_right(value)


def _formed(way: str, right: bool) -> Callable[[Mapping[str, Any], See], ValueCheck]:
    def make(with_: Mapping[str, Any], see: See) -> ValueCheck:
        found = getattr(re.compile(with_["pattern"]), way)
        return lambda value, rows: (found(value) is not None) is right

    return make


def _differs(with_: Mapping[str, Any], see: See) -> ValueCheck:
    others = [see(path) for path in with_["others"]]
    return lambda value, rows: not any(value in other(rows) for other in others)


def _at_most(with_: Mapping[str, Any], see: See) -> ValueCheck:
    other = see(with_["other"])
    return lambda value, rows: all(Decimal(value) <= Decimal(limit) for limit in other(rows))


def _same_number(with_: Mapping[str, Any], see: See) -> ValueCheck:
    """The same paper's number: the kind before a colon, and hyphens, do not count."""
    other = see(with_["other"])
    return lambda value, rows: all(_bare(value) == _bare(each) for each in other(rows))


def _bare(number: str) -> str:
    return number.rpartition(":")[2].replace("-", "")


def _product_within(with_: Mapping[str, Any], see: See) -> ValueCheck:
    """The value is the product of the factors, within so much, and so much more for each of the first factor (prices are rounded)."""
    factors = [see(path) for path in with_["factors"]]
    within, each = Decimal(with_["within"]), Decimal(with_["each"])

    def holds(value: str, rows: Rows) -> bool:
        given = [Decimal(found[0]) for factor in factors if (found := factor(rows))]
        if len(given) < len(factors):
            return True
        off = abs(EXACT.subtract(Decimal(value), reduce(EXACT.multiply, given)))
        return off <= EXACT.add(within, EXACT.multiply(each, given[0]))

    return holds


def _date_not_before(with_: Mapping[str, Any], see: See) -> ValueCheck:
    other = see(with_["other"])
    return lambda value, rows: all(value >= first for first in other(rows))


def _date_within(with_: Mapping[str, Any], see: See) -> ValueCheck:
    other, months = see(with_["other"]), int(with_["months"])
    return lambda value, rows: all(value <= _months_after(first, months) for first in other(rows))


def _same_year(with_: Mapping[str, Any], see: See) -> ValueCheck:
    other = see(with_["other"])
    return lambda value, rows: all(value[:4] == day[:4] for day in other(rows))


@lru_cache(maxsize=4096)
def _months_after(day: str, months: int) -> str:
    """The same day so many months later; the month's last where it has no such day."""
    first = date.fromisoformat(day)
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    if year > date.max.year:
        return date.max.isoformat()
    return date(year, month + 1, min(first.day, monthrange(year, month + 1)[1])).isoformat()


def _not_past(with_: Mapping[str, Any]) -> DateCheck:
    return lambda value, now: value[:10] >= times.china_date(now)


def _months_ahead(with_: Mapping[str, Any]) -> DateCheck:
    """A day that is past is for `not_past` to tell: one thing is told once."""
    months = _count(with_, "months")

    def holds(value: str, now: int) -> bool:
        today = times.china_date(now)
        return value[:10] < today or value[:10] >= _months_after(today, months)

    return holds


def _years_ahead(with_: Mapping[str, Any]) -> DateCheck:
    """Of a year, or of the year of a day."""
    years = _count(with_, "years")

    def holds(value: str, now: int) -> bool:
        this = int(times.china_date(now)[:4])
        return this <= int(value[:4]) <= this + years

    return holds


def _hours_ahead(with_: Mapping[str, Any]) -> DateCheck:
    ahead = _count(with_, "hours") * 3_600_000
    return lambda value, now: times.read(value) >= now + ahead


def _within_days_before(with_: Mapping[str, Any]) -> DateCheck:
    days = _count(with_, "days")
    return lambda value, now: 0 <= -_days_since(value, now) <= days


def _at_most_days_since(with_: Mapping[str, Any]) -> DateCheck:
    days = _count(with_, "days")
    return lambda value, now: _days_since(value, now) <= days


def _at_most_days_ahead(with_: Mapping[str, Any]) -> DateCheck:
    days = _count(with_, "days")
    return lambda value, now: -_days_since(value, now) <= days


def _days_since(value: str, now: int) -> int:
    """How many midnights of China lie between the two; below 0 when the value's day is still to come."""
    return date.fromisoformat(times.china_date(now)).toordinal() - date.fromisoformat(value[:10]).toordinal()


def _count(with_: Mapping[str, Any], name: str) -> int:
    """A whole number of at least 0; ValueError for anything else."""
    count = with_[name]
    if type(count) is not int or count < 0:
        raise ValueError(f"{name} = {count!r}")
    return count


def _rows(with_: Mapping[str, Any], see: See) -> RowsCheck:
    least = int(with_["least"])
    return lambda rows: () if len(rows) >= least else (WHOLE,)


def _unique(with_: Mapping[str, Any], see: See) -> RowsCheck:
    def wrongs(values: Sequence[Any]) -> Sequence[int]:
        if len(set(values)) == len(values):
            return ()
        first: dict[Any, int] = {}
        return [n for n, value in enumerate(values) if first.setdefault(value, n) != n]

    return wrongs


def _unique_rows(with_: Mapping[str, Any], see: See) -> RowsCheck:
    """No two rows say the same in all of these columns."""
    columns, one_of_many = with_["columns"], _unique({}, see)
    return lambda rows: one_of_many([tuple(row.get(column) for column in columns) for row in rows])


def _same(with_: Mapping[str, Any], see: See) -> RowsCheck:
    return lambda values: [n for n, value in enumerate(values) if value != values[0]]


#: name to its factory and the arguments that it needs
OF_VALUES: dict[str, tuple[Callable[[Mapping[str, Any], See], ValueCheck], frozenset[str]]] = {
    "uscc": (_uscc, frozenset()),
    "matches": (_formed("fullmatch", True), frozenset({"pattern"})),
    "not_matches": (_formed("fullmatch", False), frozenset({"pattern"})),
    "contains": (_formed("search", True), frozenset({"pattern"})),
    "differs": (_differs, frozenset({"others"})),
    "at_most": (_at_most, frozenset({"other"})),
    "same_number": (_same_number, frozenset({"other"})),
    "product_within": (_product_within, frozenset({"factors", "within", "each"})),
    "date_not_before": (_date_not_before, frozenset({"other"})),
    "date_within": (_date_within, frozenset({"other", "months"})),
    "same_year": (_same_year, frozenset({"other"})),
}
OF_DATES: dict[str, tuple[Callable[[Mapping[str, Any]], DateCheck], frozenset[str]]] = {
    "not_past": (_not_past, frozenset()),
    "months_ahead": (_months_ahead, frozenset({"months"})),
    "years_ahead": (_years_ahead, frozenset({"years"})),
    "hours_ahead": (_hours_ahead, frozenset({"hours"})),
    "within_days_before": (_within_days_before, frozenset({"days"})),
    "days_since": (_at_most_days_since, frozenset({"days"})),
    "days_ahead": (_at_most_days_ahead, frozenset({"days"})),
}
OF_ROWS: dict[str, tuple[Callable[[Mapping[str, Any], See], RowsCheck], frozenset[str]]] = {
    "rows": (_rows, frozenset({"least"})),
    "unique": (_unique, frozenset()),
    "unique_rows": (_unique_rows, frozenset({"columns"})),
    "same": (_same, frozenset()),
}
OF_YEARS = ("years_ahead",)  #: of these also a field whose pattern says that it is a year
OF_PRESENCE = ("required", "absent")
CHECKS = (*OF_PRESENCE, *OF_VALUES, *OF_DATES, *OF_ROWS)
