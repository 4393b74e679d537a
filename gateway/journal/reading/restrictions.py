"""What restricts lists, for `Search.list_messages` and `list_documents`: made of what is asked, whatever database answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, exists, not_, or_, select
from sqlalchemy.sql.elements import ColumnElement

from tongguan.gateway.journal.database import tables

Restriction = ColumnElement[bool]
_m, _d, _n, _f = tables.message.c, tables.document.c, tables.number.c, tables.fact.c

#: the times of a document
TIMES: Mapping[str, ColumnElement[int]] = {"created": _d.created_at, "updated": _d.updated_at, "declared": _d.round_opened_at}
#: what documents can be sorted by
ORDERS: Mapping[str, ColumnElement[Any]] = {**TIMES, "status": _d.status}


def of_messages(
    *,
    states: Sequence[str] = (),
    account: str = "",
    type_: str = "",
    operation: str = "",
    since: int | None = None,
    until: int | None = None,
    fault: str = "",
    text: str = "",
) -> list[Restriction]:
    """Of messages, for these filters; an empty one selects everything. `until`: before that moment; `fault`: those with a fault or
    warning of this code; `text`: those that have it, in small or capital letters, in a name, a number, a fault or the reason of a hold."""
    where: list[Restriction] = [_m.state.in_(states)] if states else []
    where += [column == value for column, value in ((_m.account, account), (_m.type, type_), (_m.operation, operation)) if value]
    where += [_m.received_at >= since] if since is not None else []
    where += [_m.received_at < until] if until is not None else []
    where += [_m.faults.contains(f'["{fault}",', autoescape=True)] if fault else []
    searched = (_m.id, _m.reference, _m.document, _m.number, _m.source, _m.hold_reason, _m.faults)
    return [*where, or_(*(column.icontains(text, autoescape=True) for column in searched))] if text else where


def of_documents(
    *, account: str = "", type_: str = "", key: str = "", statuses: Sequence[str] | None = None, number: str = ""
) -> list[Restriction]:
    """Of documents, for these filters; an empty one selects everything, no statuses at all nothing. Statuses are the profiles' names."""
    where: list[Restriction] = [
        column == value for column, value in ((_d.account, account), (_d.type, type_), (_d.key, key)) if value
    ]
    if statuses is not None:
        where.append(_d.status.in_(sorted(statuses)))
    if number:
        where.append(_d.id.in_(select(_n.document_id).where(_n.value == number)))
    return where


def has_number(kind: str, values: Iterable[str]) -> Restriction:
    """Documents that have an official number of this kind, one of the values."""
    return _exists(_n.document_id, _n.document_id == _d.id, _n.kind == kind, _n.value.in_(values))


def between(time: str, first: int | None, end: int | None) -> list[Restriction]:
    """Documents with one of `TIMES` from a moment, before another; None: however early, or late."""
    column = TIMES[time]
    return [*([column >= first] if first is not None else ()), *([column < end] if end is not None else ())]


def over(statuses: Iterable[str], name: str, day: str) -> Restriction:
    """Documents in one of these statuses whose date under a name is before a day."""
    before = _exists(_f.document_id, _f.document_id == _d.id, _f.name == name, _f.value < day)
    return and_(_d.status.in_(sorted(statuses)), before)


def standing(statuses: Iterable[str], gone: Restriction, *, with_gone: bool) -> Restriction:
    """Documents in one of these statuses that are not gone; or, `with_gone`, those that are as well."""
    still = and_(_d.status.in_(sorted(statuses)), not_(gone))
    return or_(still, gone) if with_gone else still


def has_fact(name: str, values: Sequence[str], *, within: bool = False) -> Restriction:
    """Documents with one of these values under a name; `within`: with one of them within the text there."""
    found = or_(*(_f.value.contains(value, autoescape=True) for value in values)) if within else _f.value.in_(values)
    return _exists(_f.document_id, _f.document_id == _d.id, _f.name == name, found)


def _exists(column: Any, *where: Restriction) -> Restriction:
    """That a row of the document's own is there: the statement reads the same wherever the document's table comes from."""
    return exists(select(column).where(*where).correlate(tables.document))
