"""Which months are to be merged by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from tongguan.gateway.document.changes import value_at
from tongguan.gateway.document.lines import pool_named
from tongguan.gateway.flow.merging.selection import MergeTypes, deadline, month_number
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content

_BACK = 12  #: months that are looked at behind the present one


def months_due(types: MergeTypes, content: Content, account: str, records: Snapshot, *, today: str) -> Iterator[str]:
    """Months, `2026-11`, with something that is ready: once nothing of the month is on its way, at the latest some days before it must be."""
    rule = types.rule
    pool = _pool(types, content)
    now = date.fromisoformat(today)
    present = now.year * 100 + now.month
    warn, case = types.rules.settings.schedule.warn.days, types.case_of(content)

    def has(month: int, *statuses: str) -> bool:
        return _has(types, pool, account, records, month, *statuses)

    for month in records.months_of(account, rule.merges, pool):
        behind = (now.year - month // 100) * 12 + now.month - month % 100
        over = case is not None and case.within_year.zh and month // 100 < now.year
        if behind > _BACK or over or not has(month, rule.ready):
            continue
        until = deadline(case, month)
        near = bool(until) and date.fromisoformat(until).toordinal() - warn <= now.toordinal()
        if near or (month < present and not has(month, *rule.underway)):
            yield f"{month // 100}-{month % 100:02d}"


def has_ready(types: MergeTypes, content: Content, account: str, records: Snapshot, *, month: str) -> bool:
    """Is something of a month to be merged by such a merge?"""
    return _has(types, _pool(types, content), account, records, month_number(month), types.rule.ready)


def _pool(types: MergeTypes, content: Content) -> str:
    assert types.merged.lines is not None
    return pool_named(value_at(content, path) for path in types.merged.lines.pool)


def _has(types: MergeTypes, pool: str, account: str, records: Snapshot, month: int, *statuses: str) -> bool:
    where = of_documents(statuses=statuses)
    return bool(records.keyed_of(account, types.rule.merges, pool=pool, month=month, where=where, limit=1))
