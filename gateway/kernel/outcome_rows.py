"""The rows of outcomes besides messages, in bulk: documents, what is counted, receipts, answers, bodies, and whom they wake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Table

from tongguan.gateway.kernel import clock, statements, tables
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.document import Document
from tongguan.gateway.kernel.message import FINAL
from tongguan.gateway.kernel.notifying import LANE as NOTIFY
from tongguan.gateway.kernel.outcome import Answer, Outcome
from tongguan.gateway.kernel.particulars import slices
from tongguan.gateway.kernel.rows import DOCUMENT_MOVES, counted_rows, document_row, pack, receipt_row
from tongguan.gateway.kernel.writer import Group


def write_documents(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Each document's last version, the rounds it opened, and what lists find of it."""
    last: dict[str, Document] = {}
    first_version: dict[str, int] = {}
    rounds: list[dict[str, Any]] = []
    facts: dict[str, dict[str, str]] = {}
    for outcome in outcomes:
        for document in outcome.documents:
            first_version.setdefault(document.id, document.version)
            opened = last.get(document.id)
            if document.round and document.changing == outcome.message.id and (opened is None or opened.round < document.round):
                row = {"document_id": document.id, "round": document.round, "message_id": outcome.message.id}
                rounds.append({**row, "opened_at": document.round_opened_at or group.at})
            if document.facts is not None:
                facts[document.id] = document.facts
            last[document.id] = document
    new = [document_row(d) for d in last.values() if first_version[d.id] == 1]
    old = [document_row(d) for d in last.values() if first_version[d.id] > 1]
    if new:
        group.connection.exec_driver_sql(*group.sql.insert(tables.document, new))
    if old:
        group.connection.exec_driver_sql(*group.sql.update(tables.document, DOCUMENT_MOVES, old))
    if rounds:
        statement, rows = group.sql.insert(tables.round_, rounds)
        group.connection.exec_driver_sql(statement + " ON CONFLICT DO NOTHING", rows)
    changed = [id_ for id_ in facts if first_version[id_] > 1]
    for part in slices(changed):
        group.connection.execute(statements.FORGET_FACTS, {"values": part})
    _insert(group, tables.fact, [{"document_id": i, "name": n, "value": v} for i, f in facts.items() for n, v in f.items()])


def write_counted(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Put each document's last lines of the statistics in the place of those it had."""
    _count(group, {d.id: d for outcome in outcomes for d in outcome.documents if d.counted is not None})


def _count(group: Group, documents: Mapping[str, Document]) -> None:
    for part in slices(documents):
        group.connection.execute(statements.UNCOUNT, {"values": part})
    _insert(group, tables.counted, [row for document in documents.values() for row in counted_rows(document)])


def recount(group: Group, documents: Sequence[Document]) -> bool:
    """Write these documents' next versions and lines; False, and nothing, when one of them has changed since it was read."""
    versions: dict[str, int] = {}
    for part in slices(d.id for d in documents):
        versions.update(tuple(row) for row in group.connection.execute(statements.VERSIONS, {"values": part}))
    if any(versions.get(d.id) != d.version - 1 for d in documents):
        return False
    if documents:
        group.connection.exec_driver_sql(*group.sql.update(tables.document, DOCUMENT_MOVES, [document_row(d) for d in documents]))
        _count(group, {d.id: d for d in documents})
    return True


def write_lists(group: Group, outcomes: Sequence[Outcome], names: dict[int, str]) -> None:
    """Reservations, numbers, receipts (with the `names` of their files), bodies and short messages."""
    for gone in (gone for outcome in outcomes for gone in outcome.release):
        mine = {"kind": gone.kind, "value": gone.value, "document_id": gone.document_id}
        group.connection.execute(statements.RELEASE, mine)
    reserved = [{"kind": r.kind, "value": r.value, "document_id": r.document_id} for o in outcomes for r in o.reserve]
    _insert(group, tables.reservation, reserved)
    numbers = [
        {"authority": n.series, "kind": n.kind, "value": n.value, "document_id": n.document_id, "account": n.account}
        for o in outcomes
        for n in o.numbers
    ]
    _insert(group, tables.number, numbers)
    receipts = [replace(r, file=names.get(id(o.answers[0])) if o.answers else None) for o in outcomes for r in o.receipts]
    group.touched.update(r.message_id for r in receipts if r.message_id)
    _insert(group, tables.receipt, [receipt_row(r) for r in receipts], again=True)
    bodies = [
        {"message_id": b.message_id, "role": b.role, "sha256": b.sha256, "content": pack(b.content)}
        for o in outcomes
        for b in o.bodies
    ]
    _insert(group, tables.body, bodies, again=True)
    notifications = [asdict(n) for o in outcomes for n in o.notifications]
    _insert(group, tables.notification, notifications, again=True)
    if notifications:
        group.lanes.add(NOTIFY)


def _insert(group: Group, table: Table, rows: list[dict[str, Any]], *, again: bool = False) -> None:
    """Insert rows in bulk; `again`: a row that is there already stays as it is."""
    if rows:
        statement, values = group.sql.insert(table, rows)
        group.connection.exec_driver_sql(statement + (" ON CONFLICT DO NOTHING" if again else ""), values)


def write_answers(group: Group, outcomes: Sequence[Outcome]) -> dict[int, str]:
    """Give each answer the name it keeps: stem, time, and `-2` when that is taken; the names by the answers' identity."""
    answers = [a for o in outcomes for a in o.answers]
    if not answers:
        return {}
    stamp = clock.stamp(group.at)
    taken: dict[str, set[str]] = defaultdict(set)
    wanted: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        wanted[answer.account].add(f"{answer.name}_{stamp}{answer.suffix}")
    for account, names in wanted.items():
        for part in slices(names):
            taken[account].update(group.connection.execute(statements.FILES, {"account": account, "values": part}).scalars())
    rows = [_answer_row(a, stamp, taken[a.account], group.at) for a in answers]
    _insert(group, tables.answer, rows)
    return {id(answer): row["file"] for answer, row in zip(answers, rows, strict=True)}


def _answer_row(answer: Answer, stamp: str, taken: set[str], at: int) -> dict[str, Any]:
    name, n = f"{answer.name}_{stamp}{answer.suffix}", 1
    while name in taken:
        n += 1
        name = f"{answer.name}_{stamp}-{n}{answer.suffix}"
    taken.add(name)
    return {
        "message_id": answer.message_id,
        "document_id": answer.document_id,
        "account": answer.account,
        "kind": answer.kind,
        "file": name,
        "content": pack(answer.content),
        "number": answer.number,
        "at": at,
        "written": 0,
    }


def wake(group: Group, freed: set[str]) -> None:
    """The next message of each document may go."""
    if freed:
        woken = group.connection.execute(statements.WAKE, [{"now": group.at, "document": d} for d in freed])
        if woken.rowcount:
            group.lanes.add("read")


def wake_batches(group: Group, batches: set[str]) -> None:
    """A batch is looked at again when its items have moved."""
    for batch in batches:
        if group.connection.execute(statements.WAKE_BATCH, {"now": group.at, "batch": batch, "final": list(FINAL)}).rowcount:
            group.lanes.add("batch")


def wake_learned(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Receipts that nobody knew are tried again when their number becomes known."""
    values = [{"now": group.at, "number": n.value} for o in outcomes for n in o.numbers]
    if values and group.connection.execute(statements.LEARNED, values).rowcount:
        group.lanes.add("settle")
