"""Queries: answered from the journal here, or put to the authority by `ask`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import orjson
from lxml import etree
from sqlalchemy import and_, exists, select
from sqlalchemy.sql.elements import ColumnElement

from tongguan.codecs.fields import parse_date
from tongguan.gateway.flow import answers
from tongguan.gateway.flow.accept import QUERY, Carried
from tongguan.gateway.flow.details import ATTACHMENTS, RECEIPTS, details, file_of, shown
from tongguan.gateway.flow.site import Site
from tongguan.gateway.kernel import clock, tables
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.errors import Fault, Refused
from tongguan.gateway.kernel.faults import fault
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.profile import Profile, Query
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.work import end

_PAGING = ("page", "size", "sort", "format", "source")
_NAMESPACE = "urn:tongguan:result:1"
_FORMATS = ("xml", "json", "csv")
_TIMES = {
    "created": tables.document.c.created_at,
    "updated": tables.document.c.updated_at,
    "declared": tables.document.c.round_opened_at,
}


def decide(site: Site, message: Message, hand: Carried, records: Records) -> Outcome:
    """The result at once, or on its way to the authority; raises Refused for filters that do not exist."""
    profile = site.profile(message.type)
    operation = profile.operations.get(QUERY)
    if (
        operation is not None
        and operation.card_bound
        and site.card_for(site.account(message.account), profile, operation) is None
    ):
        raise Refused([fault("GW-F06", account=message.account, authority=profile.authority, roles="legal/operator")])
    query = profile.queries.get(message.query_kind or "")
    if query is None:
        raise Refused([fault("GW-F08", kind=message.query_kind, known=" ".join(profile.queries), path="@kind", label="kind")])
    filters = hand.item.filters()
    faults = _filter_faults(query, filters)
    if faults:
        raise Refused(faults)
    if query.source == "authority" or filters.get("source") == "authority":
        route = profile.authority
        extra = {**(message.extra or {}), "route": route, "ask": query.ask or query.kind}
        now = clock.now_ms()
        moved = replace(message, state=State.CHECKED, lane=f"ask:{route}", due_at=now, updated_at=now, extra=extra)
        return Outcome(moved, message.state, "check")
    if any(column.of.startswith("message.") for column in query.columns):
        total, rows = _message(message, query, filters, records)
    elif query.ask in (RECEIPTS, ATTACHMENTS):
        if filters.get("name"):
            return replace(
                end(message, State.ACCEPTED, "query", deadline_at=None), answers=file_of(message, filters["name"], records)
            )
        rows = details(site, message, query, records)
        total = len(rows)
    else:
        total, rows = _documents(message, profile, query, filters, records)
    return answer(message, filters, total=total, rows=rows, source="journal")


def answer(message: Message, filters: Mapping[str, str], *, total: int, rows: list[dict[str, str]], source: str) -> Outcome:
    """The result as a file in the form asked for (default: the form of the question)."""
    form = filters.get("format") or message.form
    head: dict[str, Any] = {"total": total, "page": int(filters.get("page") or 1), "size": int(filters.get("size") or 50)}
    head |= {"as_of": clock.show(clock.now_ms()), "source": source}
    writers = {"json": _as_json, "csv": _as_csv}
    content = writers.get(form, _as_xml)(head, rows)
    outcome = end(message, State.ACCEPTED, "query", deadline_at=None)
    suffix = f".{form if form in writers else 'xml'}"
    return replace(outcome, answers=answers.results(message, [(suffix, content)]))


def _as_json(head: dict[str, Any], rows: list[dict[str, str]]) -> bytes:
    return orjson.dumps({**head, "rows": rows}, option=orjson.OPT_INDENT_2)


def _as_csv(head: dict[str, Any], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _as_xml(head: dict[str, Any], rows: list[dict[str, str]]) -> bytes:
    root = etree.Element(f"{{{_NAMESPACE}}}Result", {k: str(v) for k, v in head.items()}, nsmap={None: _NAMESPACE})  # type: ignore[dict-item]
    for row in rows:
        element = etree.SubElement(root, f"{{{_NAMESPACE}}}Row")
        for name, value in row.items():
            etree.SubElement(element, f"{{{_NAMESPACE}}}{name}").text = value
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _filter_faults(query: Query, filters: Mapping[str, str]) -> list[Fault]:
    known = [n for name, of in query.filters.items() for n in _names(name, of)]
    if any(column.of.startswith("message.") for column in query.columns):
        known += ["Reference", "MessageId"]
    faults = []
    for name in filters:
        if name not in known and name not in _PAGING:
            faults.append(fault("GW-F10", name=name, known=" ".join(known), path=name, label=name))
    for name in query.required:
        if any(not filters.get(n) for n in _names(name, query.filters.get(name, ""))):
            faults.append(fault("GW-F09", name=name, path=name, label=name))
    if not filters.get("page", "1").isdecimal() or not int(filters.get("page", "1")) >= 1:
        faults.append(fault("GW-F17", path="page"))
    if not filters.get("size", "50").isdecimal() or not 1 <= int(filters.get("size", "50")) <= 1000:
        faults.append(fault("GW-F17", path="size"))
    if filters.get("format", "xml") not in _FORMATS:
        faults.append(
            fault("GW-F10", name=f"format={filters['format']}", known=" ".join(_FORMATS), path="format", label="format")
        )
    if filters.get("sort", "-created").lstrip("-") not in _orders(query):
        known_orders = " ".join(f"{name} -{name}" for name in _orders(query))
        faults.append(fault("GW-F10", name=f"sort={filters['sort']}", known=known_orders, path="sort", label="sort"))
    for name, of in query.filters.items():
        if of.startswith("time."):
            faults += _range_faults(query, name, filters)
    return faults


def _orders(query: Query) -> dict[str, ColumnElement[Any]]:
    """What a list can be sorted by: its columns of time and status, and when the document was made or last moved."""
    columns = {c.name: _TIMES[c.of.removeprefix("time.")] for c in query.columns if c.of.startswith("time.")}
    status = {c.name: tables.document.c.status for c in query.columns if c.of == "status"}
    return {**_TIMES, **columns, **status}


def _names(name: str, of: str) -> tuple[str, ...]:
    """A date is asked for as a range: `name_from` and `name_to`."""
    return (f"{name}_from", f"{name}_to") if of.startswith("time.") else (name,)


def _range_faults(query: Query, name: str, filters: Mapping[str, str]) -> list[Fault]:
    days: list[date] = []
    for bound in _names(name, "time."):
        given = filters.get(bound)
        if given:
            canonical = parse_date(given)
            if canonical is None:
                return [fault("GW-F18", name=bound, value=given, path=bound, label=bound)]
            days.append(date.fromisoformat(canonical))
    if len(days) == 2 and days[0] > days[1]:
        return [fault("GW-F21", name=name, path=name, label=name)]
    if query.most_days and len(days) == 2 and (days[1] - days[0]).days > query.most_days:
        return [fault("GW-F11", days=query.most_days, path=name, label=name)]
    return []


def _documents(
    message: Message, profile: Profile, query: Query, filters: Mapping[str, str], records: Records
) -> tuple[int, list[dict[str, str]]]:
    d = tables.document.c
    where: list[ColumnElement[bool]] = [d.account == message.account, d.type == message.type]
    for name, of in query.filters.items():
        where += _conditions(profile, of, [filters.get(n, "") for n in _names(name, of)])
    page, size = int(filters.get("page") or 1), int(filters.get("size") or 50)
    sort = filters.get("sort") or "-created"
    column = _orders(query)[sort.lstrip("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    total, documents = records.list_documents(where, offset=(page - 1) * size, limit=size, order=order)
    return total, [{column.name: shown(profile, document, column.of) for column in query.columns} for document in documents]


def _conditions(profile: Profile, of: str, values: list[str]) -> list[ColumnElement[bool]]:
    d, f, n = tables.document.c, tables.fact.c, tables.number.c
    if not any(values):
        return []
    value = values[0]
    if of == "status":
        names = [s for s, status in profile.statuses.items() if value in (s, status.code, status.text.zh, status.list_text.zh)]
        return [d.status.in_(names)]
    if of.startswith("number."):
        return [exists(select(n.document_id).where(and_(n.document_id == d.id, n.kind == of[7:], n.value == value)))]
    if of.startswith("time."):
        column = _TIMES[of.removeprefix("time.")]
        low = [column >= _midnight(values[0], 0)] if values[0] else []
        high = [column < _midnight(values[1], 1)] if values[1] else []
        return [*low, *high]
    name = next((field.find for field in profile.fields if field.path == of and field.find), of)
    return [exists(select(f.document_id).where(and_(f.document_id == d.id, f.name == name, f.value == value)))]


def _midnight(day: str, add: int) -> int:
    moment = date.fromisoformat(parse_date(day) or day) + timedelta(days=add)
    return clock.to_ms(clock.china_midnight(moment))


def _message(message: Message, query: Query, filters: Mapping[str, str], records: Records) -> tuple[int, list[dict[str, str]]]:
    """The messages of the account with a reference or id."""
    wanted = filters.get("MessageId") or filters.get("Reference") or ""
    found = [m for m in records.find(wanted, message.account) if m.id != message.id]
    if not found:
        raise Refused([fault("GW-F12", path="Reference", label="报文编号", reference=wanted)])
    return len(found), [{c.name: _of_message(m, c.of.removeprefix("message.")) for c in query.columns} for m in found]


def _of_message(message: Message, name: str) -> str:
    value = getattr(message, name)
    return (clock.show(value) or "") if name.endswith("_at") else str(value or "")
