"""Lists from what is here: the account's documents in the journal, and the code tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.fields import FLAGS, parse_date
from tongguan.gateway.document.changes import status_on
from tongguan.gateway.flow.query.results import Found, page_of, paging
from tongguan.gateway.flow.query.wording import list_cell, list_columns, table_of
from tongguan.gateway.journal.reading.restrictions import (
    TIMES,
    Restriction,
    between,
    has_fact,
    has_number,
    of_documents,
    over,
    standing,
)
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import OWN, CodeTable, Profile, Query, Status
from tongguan.gateway.profile.sections.queries import names_of
from tongguan.gateway.system import times

_COMMAS = re.compile(r"[,，\s]+")
_TABLE, _FUZZY, _TIME = "table.", "table~", "time."
_NAMES = ("zh", "en")  #: columns by which a line of a code table is called


def orders(query: Query) -> dict[str, str]:
    """What a list can be sorted by, as the journal names it: its columns of time and status, and when the document was made or last moved."""
    columns = {c.name: c.of.removeprefix(_TIME) for c in query.columns if c.of.startswith(_TIME)}
    status = {c.name: "status" for c in query.columns if c.of == "status"}
    return {**{time: time for time in TIMES}, **columns, **status}


def documents(
    message: Message,
    compiled: Compiled,
    query: Query,
    filters: Mapping[str, str],
    records: Snapshot,
    *,
    today: str,
    code: str,
    language: str,
) -> Found:
    """A page of the account's documents of the type that the filters, and the query's own `only`, let through; `code`: the account's own."""
    profile = compiled.profile
    where = of_documents(account=message.account, type_=message.type)
    for of, words in query.only.items():
        values = [code if word == OWN else word for word in words]
        where.append(_in_status(profile, values, today) if of == "status" else _fact(profile, of, values))
    for name, of in query.filters.items():
        if name in query.several:
            where += any_of(profile, of, several_of(filters.get(name, "")))
        else:
            where += conditions(profile, of, [code_of(compiled, of, filters.get(n, "")) for n in names_of(name, of)], today)
    page, size = paging(filters)
    sort = filters.get("sort") or "-created"
    order = "-" * sort.startswith("-") + orders(query)[sort.lstrip("-")]
    total, found = records.list_documents(where, offset=(page - 1) * size, limit=size, order=order)
    stand = [replace(document, status=status_on(profile, document, today)) for document in found]
    columns = list_columns(compiled, query.columns)
    rows = [{c.name: list_cell(compiled, document, c.of, language) for c in columns} for document in stand]
    return Found(total, rows, columns=columns)


def several_of(value: str) -> list[str]:
    """The values of a filter that takes several, with commas of half or full width between them."""
    return [part for part in _COMMAS.split(value) if part]


def code_of(compiled: Compiled, of: str, value: str) -> str:
    """The code that a filter's value stands for: itself, or the one of that name; a day as documents have it."""
    node = compiled.nodes.get(of)
    if node is not None and node.field.type == "flag":
        return FLAGS.get(value, value)
    if node is not None and node.field.type == "date":
        return parse_date(value) or value
    table = table_of(compiled, of)
    return table.codes.get(value, value) if table is not None and value not in table.rows else value


def _in_status(profile: Profile, statuses: Collection[str], today: str) -> Restriction:
    """Documents in one of these statuses, today."""
    rule = profile.expires
    if rule is None:
        return of_documents(statuses=list(statuses))[0]
    return standing(statuses, over(rule.status, _find(profile, rule.until), today), with_gone=rule.to in statuses)


def conditions(profile: Profile, of: str, values: list[str], today: str) -> list[Restriction]:
    """Documents that a filter lets through; one without a value lets all."""
    if not any(values):
        return []
    value = values[0]
    if of == "status":
        names = [s for s, status in profile.statuses.items() if value in status_words(s, status)]
        return [_in_status(profile, names, today)]
    if of == "key":
        return of_documents(key=value)
    if of.startswith("number."):
        return [has_number(of.removeprefix("number."), {value, value.replace("-", "")})]
    if of.startswith(_TIME):
        first, end = (_midnight(day, add) if day else None for day, add in zip(values, (0, 1), strict=True))
        return between(of.removeprefix(_TIME), first, end)
    return [_fact(profile, of, [value])]


def status_words(name: str, status: Status) -> tuple[str, ...]:
    """By what a status is asked for: name, code, and its texts."""
    return (name, status.code, status.text.zh, status.list_text.zh, status.text.en, status.list_text.en)


def any_of(profile: Profile, of: str, values: Sequence[str]) -> list[Restriction]:
    """Documents with one of these values at a path; with no values all."""
    return [_fact(profile, of, values)] if values else []


def _fact(profile: Profile, of: str, values: Sequence[str]) -> Restriction:
    """One of these values at a path (`~path`: one of them within the text there)."""
    return has_fact(_find(profile, of.removeprefix("~")), values, within=of.startswith("~"))


def _find(profile: Profile, path: str) -> str:
    """The name under which a field is found."""
    return next((field.find for field in profile.fields if field.path == path and field.find), path)


def _midnight(day: str, add: int) -> int | None:
    """So many days after a day; None behind the last day that there is."""
    known = date.fromisoformat(parse_date(day) or day)
    if (date.max - known).days < add:
        return None
    return times.to_ms(times.china_midnight(known + timedelta(days=add)))


def table_rows(table: CodeTable, query: Query, filters: Mapping[str, str]) -> Found:
    """A page of a code table: `table.<column>` must be the filter's text, or the line be called so; `table~<column>` hold it; in any case."""
    wanted = [(of, filters[name].casefold()) for name, of in query.filters.items() if filters.get(name)]
    lines = [line for line in table.rows.values() if all(_fits(line, of, value) for of, value in wanted)]
    columns = [(c.name, c.of.removeprefix(_TABLE)) for c in query.columns]
    return page_of([{name: line.get(column, "") for name, column in columns} for line in lines], filters)


def _fits(line: Mapping[str, str], of: str, value: str) -> bool:
    if of.startswith(_FUZZY):
        return value in line[of.removeprefix(_FUZZY)].casefold()
    return value in (line[name].casefold() for name in (of.removeprefix(_TABLE), *_NAMES))


def finds_any(table: CodeTable, of: str, value: str) -> bool:
    """Has the table a line that a filter lets through; of a filter by a part of a text nobody can say what it may be."""
    return of.startswith(_FUZZY) or any(_fits(line, of, value.casefold()) for line in table.rows.values())
