"""Lists from what is here: the account's documents in the journal, and the code tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, exists, select
from sqlalchemy.sql.elements import ColumnElement

from tongguan.codecs.checking.fields import parse_date
from tongguan.gateway.flow.query.details import shown
from tongguan.gateway.flow.query.results import Found, page_of, paging
from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.message import Message
from tongguan.gateway.profile.profile import CodeTable, Profile, Query
from tongguan.gateway.profile.queries import names_of
from tongguan.gateway.system import times

_TABLE, _FUZZY = "table.", "table~"
_TIMES = {
    "created": tables.document.c.created_at,
    "updated": tables.document.c.updated_at,
    "declared": tables.document.c.round_opened_at,
}


def orders(query: Query) -> dict[str, ColumnElement[Any]]:
    """What a list can be sorted by: its columns of time and status, and when the document was made or last moved."""
    columns = {c.name: _TIMES[c.of.removeprefix("time.")] for c in query.columns if c.of.startswith("time.")}
    status = {c.name: tables.document.c.status for c in query.columns if c.of == "status"}
    return {**_TIMES, **columns, **status}


def documents(message: Message, profile: Profile, query: Query, filters: Mapping[str, str], records: Snapshot) -> Found:
    """A page of the account's documents of the type that the filters, and the query's own `only`, let through."""
    d = tables.document.c
    where: list[ColumnElement[bool]] = [d.account == message.account, d.type == message.type]
    for of, words in query.only.items():
        where.append(d.status.in_(words) if of == "status" else _fact(profile, of, words))
    for name, of in query.filters.items():
        where += _conditions(profile, of, [filters.get(n, "") for n in names_of(name, of)])
    page, size = paging(filters)
    sort = filters.get("sort") or "-created"
    column = orders(query)[sort.lstrip("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    total, found = records.list_documents(where, offset=(page - 1) * size, limit=size, order=order)
    return Found(total, [{c.name: shown(profile, document, c.of) for c in query.columns} for document in found])


def _conditions(profile: Profile, of: str, values: list[str]) -> list[ColumnElement[bool]]:
    d, n = tables.document.c, tables.number.c
    if not any(values):
        return []
    value = values[0]
    if of == "status":
        names = [s for s, status in profile.statuses.items() if value in (s, status.code, status.text.zh, status.list_text.zh)]
        return [d.status.in_(names)]
    if of == "key":
        return [d.key == value]
    if of.startswith("number."):
        same = {value, value.replace("-", "")}
        return [exists(select(n.document_id).where(and_(n.document_id == d.id, n.kind == of[7:], n.value.in_(same))))]
    if of.startswith("time."):
        column = _TIMES[of.removeprefix("time.")]
        low = [column >= _midnight(values[0], 0)] if values[0] else []
        high = [column < _midnight(values[1], 1)] if values[1] else []
        return [*low, *high]
    return [_fact(profile, of, [value])]


def _fact(profile: Profile, of: str, values: Sequence[str]) -> ColumnElement[bool]:
    """One of these values at a path (`~path`: the first of them within the text there)."""
    f, path = tables.fact.c, of.removeprefix("~")
    name = next((field.find for field in profile.fields if field.path == path and field.find), path)
    found = f.value.contains(values[0], autoescape=True) if of.startswith("~") else f.value.in_(values)
    return exists(select(f.document_id).where(and_(f.document_id == tables.document.c.id, f.name == name, found)))


def _midnight(day: str, add: int) -> int:
    moment = date.fromisoformat(parse_date(day) or day) + timedelta(days=add)
    return times.to_ms(times.china_midnight(moment))


def table_rows(table: CodeTable, query: Query, filters: Mapping[str, str]) -> Found:
    """A page of a code table: `table.<column>` must be the filter's text, `table~<column>` hold it somewhere, in any case."""
    wanted = [(of, filters[name].casefold()) for name, of in query.filters.items() if filters.get(name)]
    lines = [line for line in table.rows.values() if all(_fits(line, of, value) for of, value in wanted)]
    columns = [(c.name, c.of.removeprefix(_TABLE)) for c in query.columns]
    return page_of([{name: line.get(column, "") for name, column in columns} for line in lines], filters)


def _fits(line: Mapping[str, str], of: str, value: str) -> bool:
    if of.startswith(_FUZZY):
        return value in line[of.removeprefix(_FUZZY)].casefold()
    return value == line[of.removeprefix(_TABLE)].casefold()
