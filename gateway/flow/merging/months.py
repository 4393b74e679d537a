"""Which months are to be merged by now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date

from tongguan.gateway.document.changes import value_at
from tongguan.gateway.document.lines import pool_named
from tongguan.gateway.flow.merging.selection import MergeTypes, month_number
from tongguan.gateway.journal.reading.keyed import OpenMessage
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.message import MERGE, Message, State

_BACK = 12  #: months that are looked at behind the present one
_EVERY = 0  #: stands for all months


class MonthsOfAccount:
    """One account's months: what is ready, what is on its way, and which are being merged; read once, from where documents stand."""

    def __init__(self, types: MergeTypes, account: str, records: Snapshot, *, singly: Collection[str]) -> None:
        """`singly`: what something of the made type names by itself: no merge takes it."""
        rule = types.rule
        self._types = types
        ready = records.standing(account, rule.merges, [rule.ready])
        self._ready = {(each.pool, each.month) for each in ready if each.id not in singly}
        self._underway = {(each.pool, each.month) for each in records.standing(account, rule.merges, sorted(rule.underway))}
        self._busy = {
            being for each in records.open_of_type(account, types.profile.type) if (being := _merges(types, each, records))
        }
        self.waits = False  #: one that is due is being merged: it is to be looked at again

    def due(self, content: Content, *, today: str) -> Iterator[str]:
        """Months, `2026-11`, with something that is ready: once nothing of the month is on its way, at the latest some days before it must be.

        Not while one is being merged: what is ready then is what that one is about to take, and another would find nothing.
        """
        types, pool = self._types, _pool(self._types, content)
        now = date.fromisoformat(today)
        present = now.year * 100 + now.month
        warn, case = types.rules.settings.schedule.warn.days, types.case_of(content)
        for month in sorted(month for of, month in self._ready if of == pool):
            behind = (now.year - month // 100) * 12 + now.month - month % 100
            over = case is not None and case.within_year.zh and month // 100 < now.year
            if behind > _BACK or over:
                continue
            named = f"{month // 100}-{month % 100:02d}"
            until = types.until(pool, named)
            near = bool(until) and date.fromisoformat(until).toordinal() - warn <= now.toordinal()
            if near or (month < present and (pool, month) not in self._underway):
                if self._busy & {("", _EVERY), (pool, _EVERY), (pool, month)}:
                    self.waits = True
                else:
                    yield named


def at_work(types: MergeTypes, message: Message, content: Content, records: Snapshot) -> Document | None:
    """Another merge that is at work on months that this one is about to take: it waits for that one's end."""
    mine = _pool_and_month(types, content)
    for each in records.open_of_type(message.account, types.profile.type):
        document = records.document(each.document_id) if each.id != message.id else None
        if document is not None and document.status == types.rule.working and _is_merged_by(types, each):
            pool, month = _pool_and_month(types, document.content)
            if pool == mine[0] and (month == mine[1] or _EVERY in (month, mine[1])):
                return document
    return None


def _merges(types: MergeTypes, message: OpenMessage, records: Snapshot) -> tuple[str, int] | None:
    """The pool and the month that a message is about to merge."""
    if not _is_merged_by(types, message):
        return None
    document = records.document(message.document_id)
    if document is None:
        return "", _EVERY  # it is not known yet
    if document.status in (types.rule.made, types.rule.partly, types.rule.none):
        return None
    return _pool_and_month(types, document.content)


def _is_merged_by(types: MergeTypes, message: OpenMessage) -> bool:
    """A held one waits for a person, and nobody for it."""
    operation = types.profile.operations.get(message.operation)
    return message.state != State.HELD and operation is not None and (operation.desk or operation.name) == MERGE


def _pool_and_month(types: MergeTypes, content: Content) -> tuple[str, int]:
    month = value_at(content, types.rule.month)
    return _pool(types, content), month_number(month) if month else _EVERY


def has_ready(types: MergeTypes, content: Content, account: str, records: Snapshot, *, month: str) -> bool:
    """Is something of a month to be merged by such a merge?"""
    where, pool = of_documents(statuses=[types.rule.ready]), _pool(types, content)
    return bool(records.keyed_of(account, types.rule.merges, pool=pool, month=month_number(month), where=where, limit=1))


def _pool(types: MergeTypes, content: Content) -> str:
    assert types.merged.lines is not None
    return pool_named(value_at(content, path) for path in types.merged.lines.pool)
