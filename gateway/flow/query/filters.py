"""What a query may be asked with: its filters, pages, order, form and source; everything else is refused by name."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.fields import FLAGS, ValueWrong, parse_date
from tongguan.codecs.checking.hints import MeantCodes
from tongguan.gateway.flow.query.answers.lists import finds_any, several_of, status_words
from tongguan.gateway.flow.query.answers.statistics import STATISTICS
from tongguan.gateway.flow.query.results import FORMATS
from tongguan.gateway.flow.query.wording import table_of
from tongguan.gateway.model.characters import is_count
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import InBoth, fault
from tongguan.gateway.profile.profile import PAGING, CodeTable, Query
from tongguan.gateway.profile.sections.queries import LOG, MERGE, OFFER, RELATION, ROWS, TIME, names_of

MOST_SIZE = 1000
MOST_PAGE = 999_999_999
_FEW = 12  #: rows of a code table that are all told
MOST_VALUES = 50  #: of a filter that takes several


def asks_authority(query: Query, filters: Mapping[str, str]) -> bool:
    return query.source == "authority" or filters.get("source") == "authority"


def with_periods(query: Query, filters: Mapping[str, str], today: str) -> dict[str, str]:
    """The filters with first and last day in the place of a period's name, and without those that let all through.

    A day that is not told is today, or the one day that is.
    """
    told = {name: value for name, value in filters.items() if value not in query.all_words.get(name, ())}
    for name, of in query.filters.items():
        if not of.startswith(TIME):
            continue
        word, (first, last) = told.pop(name, ""), names_of(name, of)
        if told.get(first) or told.get(last):
            if query.most_months:
                told[first], told[last] = told.get(first) or told[last], told.get(last) or today
        elif word in PERIODS:
            told[first], told[last] = PERIODS[word](date.fromisoformat(today))
        elif word:
            told[name if parse_date(word) is None else first] = word  # what is neither period nor day is told where it stands
    return told


def _week(today: date) -> tuple[str, str]:
    monday = today - timedelta(days=today.weekday())
    return monday.isoformat(), (monday + timedelta(days=6)).isoformat()


def _month(today: date) -> tuple[str, str]:
    return today.replace(day=1).isoformat(), today.replace(day=monthrange(today.year, today.month)[1]).isoformat()


def _three_months(today: date) -> tuple[str, str]:
    return _months_before(today, 3).isoformat(), today.isoformat()


def _months_before(day: date, months: int) -> date:
    """The same day so many months before; the month's last where it has no such day, and the first day that there is before that."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date.min if year < date.min.year else date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


Period = Callable[[date], tuple[str, str]]
#: what a filter by date may be given in place of two days, in the words of the form, and their first and last day
PERIODS: Mapping[str, Period] = {
    **dict.fromkeys(("today", "当天"), lambda today: (today.isoformat(), today.isoformat())),
    **dict.fromkeys(("week", "本周"), _week),
    **dict.fromkeys(("month", "本月"), _month),
    **dict.fromkeys(("three_months", "三个月"), _three_months),
}


def given(query: Query, filters: Mapping[str, str]) -> dict[str, str]:
    """The filters of a question in the order of its profile, days as `2026-11-20`; without pages, order and form."""
    told = {}
    for name, of in query.filters.items():
        for word in names_of(name, of):
            if filters.get(word):
                told[word] = (parse_date(filters[word]) or filters[word]) if of.startswith(TIME) else filters[word]
    return told


def pages_asked(query: Query, filters: Mapping[str, str]) -> dict[str, str]:
    """Page, size and order of a question as its authority reads them: ordered by the element that a column is made of."""
    asked = {"page": filters.get("page") or "1", "size": filters.get("size") or "50"}
    sort = filters.get("sort") or ""
    element = next((c.row for c in query.columns if c.name == sort.lstrip("-")), "")
    return {**asked, "sort": ("-" if sort.startswith("-") else "") + element} if element else asked


def filter_faults(query: Query, filters: Mapping[str, str], sorts: Collection[str]) -> list[Fault]:
    """What cannot be asked so; `sorts` are the columns by which the answer can be ordered."""
    known = [word for name, of in query.filters.items() for word in names_of(name, of)]
    if any(column.of.startswith("message.") for column in query.columns):
        known += ["Reference", "MessageId"]
    faults = [
        _no_period(name, filters[name]) if name in query.filters else _unknown(name, known, name)
        for name in filters
        if name not in known and name not in PAGING
    ]
    for name in query.required:
        if any(not filters.get(word) for word in names_of(name, query.filters.get(name, ""))):
            faults.append(fault("GW-F09", name=name, path=name, label=name))
    faults += _page_faults(filters)
    choices = {"format": FORMATS, "source": _sources(query), "sort": [w for s in sorts for w in (s, f"-{s}")]}
    for name, words in choices.items():
        if filters.get(name) and filters[name] not in words:
            faults.append(_unknown(f"{name}={filters[name]}", words, name))
    faults += [one for name, form in query.several.items() for one in _several_faults(name, form, filters.get(name) or "")]
    for name, of in query.filters.items():
        if of.startswith(TIME):
            faults += _range_faults(query, name, filters)
    return faults


def _several_faults(name: str, form: str, value: str) -> list[Fault]:
    """Values that are none, one that stands twice, and the first of too many."""
    values = several_of(value)
    wrong = [one for n, one in enumerate(values) if not re.fullmatch(form, one, re.ASCII) or one in values[:n]]
    wrong += values[MOST_VALUES : MOST_VALUES + 1]
    return [fault("GW-F97", name=name, value=one[:60], most=MOST_VALUES, path=name, label=name) for one in wrong[:10]]


def _no_period(name: str, value: str) -> Fault:
    """A filter by date whose value is neither a day nor the name of a period."""
    names = [[word for word in PERIODS if word.isascii() == english] for english in (False, True)]
    zh, en = _there_are(*names)
    known = f"{zh}，或日期", f"{en}, or a day"
    return fault("GW-F18", name=name, value=value, path=name, label=name, known=known)


def _unknown(name: str, known: Collection[str], path: str) -> Fault:
    return fault("GW-F10", name=name, known=" ".join(known), path=path, label=path)


def _sources(query: Query) -> tuple[str, ...]:
    """Who can be asked: the authority only where a column, or a question of its own, says what it answers."""
    if query.source == "authority":
        return ("authority",)
    if query.ask in (STATISTICS, OFFER, RELATION, LOG, ROWS):
        return ("journal",)
    return ("journal", "authority") if query.ask or query.in_rows else ("journal",)


def _page_faults(filters: Mapping[str, str]) -> list[Fault]:
    bounds = {"page": MOST_PAGE, "size": MOST_SIZE}
    wrong = [name for name, most in bounds.items() if not is_count(filters.get(name) or "1", most)]
    return [fault("GW-F17", path=name, label=name, most=bounds[name]) for name in wrong]


def _range_faults(query: Query, name: str, filters: Mapping[str, str]) -> list[Fault]:
    days: list[date] = []
    for bound in names_of(name, TIME):
        told = filters.get(bound)
        if told:
            canonical = parse_date(told)
            if canonical is None:
                return [fault("GW-F18", name=bound, value=told, path=bound, label=bound, known="")]
            days.append(date.fromisoformat(canonical))
    if len(days) == 2 and days[0] > days[1]:
        return [fault("GW-F21", name=name, path=name, label=name)]
    if query.most_months and len(days) == 2 and days[0] < _months_before(days[1], query.most_months):
        return [fault("GW-F96", months=query.most_months, path=name, label=name)]
    if query.most_days and len(days) == 2 and (days[1] - days[0]).days > query.most_days:
        return [fault("GW-F11", days=query.most_days, path=name, label=name)]
    return []


def value_faults(compiled: Compiled, query: Query, filters: Mapping[str, str]) -> list[Fault]:
    """Values by which nothing can be found: of no status, no code and no name."""
    faults = []
    for name, of in query.filters.items():
        value = filters.get(name, "")
        if value and query.source == "table" and not finds_any(table := compiled.tables[query.table], of, value):
            near = MeantCodes({line[of.partition(".")[2]]: line for line in table.rows.values()}).near(value)
            faults.append(fault("GW-F85", name=name, value=value, path=name, label=_label(query, name, of), known=(near, near)))
        if value and query.source == "journal" and _is_no_day(compiled, of, value):
            faults.append(fault("GW-F18", name=name, value=value, path=name, label=_label(query, name, of), known=""))
        elif value and query.source == "journal" and (wrong := _unknown_value(compiled, of, value)) is not None:
            faults.append(fault("GW-F85", name=name, value=value, path=name, label=_label(query, name, of), **wrong))
    return [*faults, *_merge_faults(compiled, query, filters)]


def _merge_faults(compiled: Compiled, query: Query, filters: Mapping[str, str]) -> list[Fault]:
    """Of days that would be merged: that the last comes before the first."""
    rule = compiled.profile.merge
    if query.ask != OFFER or rule is None:
        return []
    bounds = [name for path in (rule.first, rule.last) for name, of in query.filters.items() if of == MERGE + path]
    days = [day for name in bounds if (day := parse_date(filters.get(name, ""))) is not None]
    if len(days) < 2 or days[0] <= days[1]:
        return []
    return [fault("GW-F21", name=" – ".join(bounds), path=bounds[-1], label=_label(query, bounds[-1], MERGE + rule.last))]


def _is_no_day(compiled: Compiled, of: str, value: str) -> bool:
    node = compiled.nodes.get(of.removeprefix(MERGE))
    return node is not None and node.field.type == "date" and parse_date(value) is None


def _unknown_value(compiled: Compiled, of: str, value: str) -> dict[str, InBoth] | None:
    """What is known instead; None where the value is known, or may be any."""
    profile = compiled.profile
    if of == "status":
        if any(value in status_words(name, status) for name, status in profile.statuses.items()):
            return None
        texts = [status.list_text for status in profile.statuses.values()]
        return {"known": _there_are([text.zh for text in texts], [text.en for text in texts])}
    word, _, dimension = of.partition(".")
    path = profile.statistics.dimensions.get(dimension, "") if word == "statistics" and profile.statistics is not None else of
    path = path.removeprefix(MERGE)
    node, table = compiled.nodes.get(path), table_of(compiled, path)
    if node is not None and node.field.type == "flag":
        return None if value in FLAGS else {"known": _there_are(("1", "0", "是", "否"), ("1", "0", "true", "false"))}
    if node is None or node.convert is None or (table is None and path == of):
        return None
    try:
        node.convert(value)
    except ValueWrong:
        near = MeantCodes(table.rows).near(value) if table is not None else ""
        return {"known": (near, near) if near or table is None or len(table.rows) > _FEW else _listed(table)}
    return None


def _listed(table: CodeTable) -> InBoth:
    """All codes of a small table, with their names."""
    return _there_are(*([f"{code} {row[language]}" for code, row in table.rows.items()] for language in ("zh", "en")))


def _there_are(zh: Collection[str], en: Collection[str]) -> InBoth:
    """The values that may be given, to be put behind what is wrong with one."""
    return f"；可用：{' '.join(zh)}", f"; there are: {', '.join(en)}"


def _label(query: Query, name: str, of: str) -> str | InBoth:
    """What a filter is called: as the column of the same."""
    found = next((column.label for column in query.columns if column.of == of), None)
    return (found.zh, found.en) if found is not None else name
