"""Statistics (统计查询): what was counted in a month and from January to it, by commodity or by category, or in a period of months,
by commodity or by one of the type's own dimensions.

Promises: exact sums of the lines that the journal keeps (document/counting.py); of a month, a row for everything counted in the
year so far, with zeros where the month has nothing; what is in two units (or currencies) stays two rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tongguan.codecs.checking.compile import Compiled
from tongguan.gateway.document.counting import category, number_of
from tongguan.gateway.flow.query.results import Found, paging
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.search import CountedSum, PeriodSum
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import CodeTable, Profile, Query

STATISTICS = "statistics"
CATEGORY, COMMODITY = "category", "commodity"
CATEGORIES = "commodity_category"  #: the code table of their names
_WORD = "statistics."
_FIRST, _LAST = "first_month", "last_month"  #: filters of statistics that are of a period
_MONTH = re.compile(r"(20[0-9]{2})-?(0[1-9]|1[0-2])")
_TEXTS = ("code", "name", "unit")


@dataclass(slots=True)
class _Line:
    """Sums of one commodity or category in one unit: quantity, amount and documents of the month, and of the year so far."""

    name: str
    month: tuple[int, int, int] = (0, 0, 0)
    year: tuple[int, int, int] = (0, 0, 0)

    def add(self, part: CountedSum, documents: int, *, of_month: bool) -> None:
        more = (part.quantity, part.amount, documents)
        self.year = _plus(self.year, more)
        if of_month:
            self.month = _plus(self.month, more)


def _plus(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def statistics(rules: Rules, message: Message, query: Query, filters: Mapping[str, str], records: Snapshot) -> Found:
    """The page that is asked for; its head says of which month, by what, in which unit, of which statuses, and who asked.

    What the code tables have a name for is told in the language of the account.

    Raises Refused for a month that is none and for a way of grouping that does not exist.
    """
    compiled, account = rules.compiled(message.type), rules.account(message.account)
    language = rules.language(account)
    where = {n: _code(compiled, name, filters[name]) for n, name in enumerate(_dimensions(compiled.profile)) if filters.get(name)}
    if _FIRST in query.required:
        span, by, rows = _of_period(compiled, message, filters, where, records, language=language)
    else:
        month, by = _month(filters, "month"), _by(filters, (CATEGORY, COMMODITY))
        sums = records.counted(message.account, message.type, first=month // 100 * 100 + 1, last=month, where=where)
        span, rows = _shown(month), _rows(compiled, _lines(compiled, sums, month, by, language), language)
    units = {row["unit"] for row in rows}
    head = {
        "month": span,
        "by": by,
        "unit": units.pop() if len(units) == 1 else "-",
        "status": _statuses(compiled.profile, language),
        "operator": account.operator or account.title,
    }
    return _page(query, filters, rows, head)


def _of_period(
    compiled: Compiled,
    message: Message,
    filters: Mapping[str, str],
    where: Mapping[int, str],
    records: Snapshot,
    *,
    language: str,
) -> tuple[str, str, list[dict[str, str]]]:
    """How the period is written, what its rows are by, and the rows."""
    first, last = _month(filters, _FIRST), _month(filters, _LAST)
    if first > last:
        raise Refused([fault("GW-F18", name=_LAST, value=filters[_LAST], path=_LAST, label=_LAST, known="")])
    dimensions = list(_dimensions(compiled.profile))
    by = _by(filters, (*dimensions, COMMODITY))
    place = None if by == COMMODITY else dimensions.index(by)
    sums = records.counted_by(place, message.account, message.type, months=(first, last), where=where)
    rows = [
        {
            "code": each.value,
            "name": _name(compiled, by, each, language),
            "unit": _unit(compiled, each.unit, language),
            "period_quantity": number_of(each.quantity),
            "period_amount": number_of(each.amount),
            "period_count": str(each.documents),
            "period_lines": str(each.lines),
        }
        for each in sums
    ]
    return f"{_shown(first)} – {_shown(last)}", by, rows


def _name(compiled: Compiled, by: str, each: PeriodSum, language: str) -> str:
    """What the code table of a dimension calls a code, else the code itself; of a commodity what documents call it."""
    if by == COMMODITY:
        return _name_of_goods(compiled, each.value, each.name, language)
    table = _table_at(compiled, _dimensions(compiled.profile)[by])
    return table.name_of(each.value, language) if table else each.value


def _name_of_goods(compiled: Compiled, code: str, name: str, language: str) -> str:
    """What documents call a commodity; its English name where the code table has one."""
    table = _table_of_row(compiled, COMMODITY)
    english = table.rows.get(code, {}).get("en") if table and language == "en" else ""
    return english or name or code


def _table_at(compiled: Compiled, path: str) -> CodeTable | None:
    return compiled.tables.get(compiled.nodes[path].field.code_table) if path in compiled.nodes else None


def _table_of_row(compiled: Compiled, word: str) -> CodeTable | None:
    """The code table of what is counted of a row: its commodity, its unit."""
    rule = compiled.profile.statistics
    return _table_at(compiled, "/".join(p for p in (rule.table, rule.row.get(word, "")) if p)) if rule else None


def _shown(month: int) -> str:
    return f"{month // 100}-{month % 100:02d}"


def _month(filters: Mapping[str, str], name: str) -> int:
    found = _MONTH.fullmatch(filters.get(name, ""))
    if found is None:
        raise Refused([fault("GW-F18", name=name, value=filters.get(name, ""), path=name, label=name, known="")])
    return int(found[1]) * 100 + int(found[2])


def _by(filters: Mapping[str, str], known: Sequence[str]) -> str:
    """What the rows are by; the first of those known where nothing is said, a commodity where it is a month's."""
    by = filters.get("by") or (COMMODITY if CATEGORY in known else known[0])
    if by not in known:
        raise Refused([fault("GW-F10", name=f"by={by}", known=" ".join(known), path="by", label="by")])
    return by


def _dimensions(profile: Profile) -> Mapping[str, str]:
    return profile.statistics.dimensions if profile.statistics else {}


def _code(compiled: Compiled, dimension: str, value: str) -> str:
    """The code that a filter's value stands for: itself, or the exact name of a code."""
    field = compiled.nodes[_dimensions(compiled.profile)[dimension]].field
    table = compiled.tables.get(field.code_table)
    return table.codes.get(value, value) if table else value


def _lines(compiled: Compiled, sums: Iterable[CountedSum], month: int, by: str, language: str) -> dict[tuple[str, str], _Line]:
    """(code, unit) to its sums; a category without a name has that of its first commodity, as the document has it."""
    categories = compiled.tables.get(CATEGORIES)
    lines: dict[tuple[str, str], _Line] = {}
    for part in sorted(sums, key=lambda s: (s.commodity, s.unit, s.month)):
        code, documents = part.commodity, part.documents
        name = _name_of_goods(compiled, code, part.name, language)
        if by == CATEGORY:
            code, documents = category(code), part.documents_of_category
            name = categories.name_of(code, language) if categories and code in categories.rows else name
        line = lines.setdefault((code, part.unit), _Line(name))
        line.add(part, documents, of_month=part.month == month)
    return lines


def _rows(compiled: Compiled, lines: Mapping[tuple[str, str], _Line], language: str) -> list[dict[str, str]]:
    rows = []
    for (code, unit), line in sorted(lines.items()):
        row = {"code": code, "name": line.name, "unit": _unit(compiled, unit, language)}
        for span, (quantity, amount, documents) in (("month", line.month), ("year", line.year)):
            row |= {f"{span}_quantity": number_of(quantity), f"{span}_amount": number_of(amount), f"{span}_count": str(documents)}
        rows.append(row)
    return rows


def _unit(compiled: Compiled, code: str, language: str) -> str:
    """A unit's name, or its code where the profile has no table of units."""
    table = _table_of_row(compiled, "unit")
    return table.name_of(code, language) if table else code


def _statuses(profile: Profile, language: str) -> str:
    counted = profile.statistics.status if profile.statistics else frozenset()
    return " / ".join(s.statistics_text[language] for name, s in profile.statuses.items() if name in counted)


def _page(query: Query, filters: Mapping[str, str], rows: list[dict[str, str]], head: Mapping[str, str]) -> Found:
    """The rows in the order that is asked for (numbers by their size), numbered, with the query's own columns."""
    of = {column.name: column.of.removeprefix(_WORD) for column in query.columns}
    sort = filters.get("sort") or ""
    word = of.get(sort.lstrip("-"), "")
    if word in _TEXTS:
        rows = sorted(rows, key=lambda row: row[word], reverse=sort.startswith("-"))
    elif word in (rows[0] if rows else ()):
        rows = sorted(rows, key=lambda row: Decimal(row[word]), reverse=sort.startswith("-"))
    numbered = [{"index": str(n), **row} for n, row in enumerate(rows, 1)]
    page, size = paging(filters)
    shown = [{name: row[word] for name, word in of.items()} for row in numbered[(page - 1) * size : page * size]]
    return Found(len(rows), shown, head=head)
