"""The rows of outcomes besides messages, in bulk: documents, what is counted, receipts, answers, bodies, and whom they wake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Table, and_, select

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.rows import (
    DOCUMENT_MOVES,
    counted_rows,
    document_row,
    keyed_line_rows,
    keyed_row,
    pack,
    receipt_row,
    relation_rows,
)
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.notifications import LANE as NOTIFY
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.journal.writing.preconditions import Overtaken
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.document import Document, KeyedDocument
from tongguan.gateway.model.message import FINAL
from tongguan.gateway.model.outcome import Answer, Outcome
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import times


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
            group.change(document.account).documents[document.id] = None
    new = [document_row(d) for d in last.values() if first_version[d.id] == 1]
    old = [d for d in last.values() if first_version[d.id] > 1]
    _insert(group, tables.document, new)
    if old:
        _update_documents(group, old, {d.id: first_version[d.id] - 1 for d in old})
    _insert(group, tables.round_, rounds, again=True)
    changed = [id_ for id_ in facts if first_version[id_] > 1]
    for part in slices(changed):
        statements.FORGET_FACTS.write(group.connection, {"values": part})
    found = {i: [{"document_id": i, "name": n, "value": v} for n, v in f.items()] for i, f in facts.items()}
    insert_together(group, tables.fact, found)


def _update_documents(group: Group, documents: Iterable[Document], was: Mapping[str, int]) -> None:
    """The documents as they shall be, and by id the versions that they must still have; raises Overtaken."""
    rows = [document_row(d) | {"was": was[d.id]} for d in documents]
    update_rows(group, tables.document, DOCUMENT_MOVES, rows, fence="version")


def update_rows(group: Group, table: Table, names: list[str], rows: list[dict[str, Any]], *, fence: str) -> None:
    """Update in bulk what moves; raises Overtaken, some being written, when a row's `fence` is not what its `was` says."""
    if group.sql.update(group.connection, table, names, rows, fence=fence) != len(rows):
        raise Overtaken(table.name)
    group.left += digests.records(digests.MOVED[table.name], rows)


def write_counted(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Put each document's last lines of the statistics in the place of those it had."""
    _count(group, {d.id: d for outcome in outcomes for d in outcome.documents if d.counted is not None})


def _count(group: Group, documents: Mapping[str, Document]) -> None:
    for part in slices(documents):
        statements.UNCOUNT.write(group.connection, {"values": part})
    insert_together(group, tables.counted, {d.id: counted_rows(d) for d in documents.values()})


def write_keyed(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Put what is kept of each document for merging in the place of what was."""
    last: dict[str, Document] = {}
    made: set[str] = set()  #: nothing is kept of these yet
    for outcome in outcomes:
        for document in outcome.documents:
            if document.version == 1:
                made.add(document.id)
            if document.keyed is not None:
                before = last.get(document.id)
                last[document.id] = document if before is None else _with_lines(document, before.keyed)
    _key(group, last, made)


def _with_lines(document: Document, before: KeyedDocument | None) -> Document:
    """With the lines that an earlier version of the same commit has, where it leaves them as they were."""
    keyed = document.keyed
    if keyed is None or before is None or keyed.lines is not None or not keyed.key:
        return document
    return replace(document, keyed=replace(keyed, lines=before.lines, totals=before.totals))


def _key(group: Group, documents: Mapping[str, Document], made: Collection[str] = ()) -> None:
    """Where lines stay as they were and nothing was kept yet, nothing is: whoever makes all anew comes to it (`flow/query/recount.py`)."""
    anew = {d.id: d.keyed for d in documents.values() if d.keyed is not None}
    without = {id_ for id_, keyed in anew.items() if not keyed.key}
    had = dict[str, Sequence[int | None]]()  #: and the totals of their lines
    for part in slices(id_ for id_ in anew if id_ not in made):
        had.update((id_, totals) for id_, *totals in statements.UNKEY.rows(group.connection, values=part))
    for part in slices(id_ for id_ in had if id_ in without or anew[id_].lines is not None):
        statements.UNKEY_LINES.write(group.connection, {"values": part})
    gone = [id_ for id_ in had if id_ in without]
    group.left += [digests.gone("keyed", id_) for id_ in gone]
    kept = {id_: keyed for id_, keyed in anew.items() if keyed.key and (keyed.lines is not None or id_ in had)}
    _insert(group, tables.keyed, [keyed_row(documents[id_], keyed, had.get(id_, ())) for id_, keyed in kept.items()])
    lines = {id_: keyed_line_rows(id_, keyed) for id_, keyed in kept.items() if keyed.lines is not None}
    insert_together(group, tables.keyed_line, {**lines, **{id_: [] for id_ in gone}})


def write_relations(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Which documents became part of which; of a whole that has come to nothing that stays, marked."""
    relations = [relation for outcome in outcomes for relation in outcome.relations]
    insert_together(group, tables.relation, {r.whole_id: relation_rows(r) for r in relations if r.alive})
    for part in slices(r.whole_id for r in relations if not r.alive):
        statements.END_RELATION.write(group.connection, {"values": part})
        query = select(tables.relation).where(tables.relation.c.whole_id.in_(part)).order_by(tables.relation.c.whole_id)
        group.left += digests.records_of(tables.relation.name, group.connection.execute(query).mappings())


def recount(group: Group, documents: Sequence[Document]) -> bool:
    """Write these documents' next versions, what statistics count of them and what is kept of them for merging; False, and nothing, when one of them has changed since it was read."""
    mark = group.mark()
    try:
        with group.connection.begin_nested():
            if documents:
                _update_documents(group, documents, {d.id: d.version - 1 for d in documents})
                _count(group, {d.id: d for d in documents if d.counted is not None})
                _key(group, {d.id: d for d in documents})
    except Overtaken:
        group.back_to(mark)
        return False
    return True


def write_lists(group: Group, outcomes: Sequence[Outcome], names: dict[int, str]) -> None:
    """Reservations, numbers, receipts (with the `names` of their files), bodies, short messages and deliveries."""
    for gone in (gone for outcome in outcomes for gone in outcome.release):
        mine = {"kind": gone.kind, "value": gone.value, "document_id": gone.document_id}
        if statements.RELEASE.write(group.connection, mine):
            group.left.append(digests.gone("reservation", gone.kind, gone.value))
    reserved = [{"kind": r.kind, "value": r.value, "document_id": r.document_id} for o in outcomes for r in o.reserve]
    _insert(group, tables.reservation, reserved)
    numbers = [
        {"series": n.series, "kind": n.kind, "value": n.value, "document_id": n.document_id, "account": n.account}
        for o in outcomes
        for n in o.numbers
    ]
    _insert(group, tables.number, numbers)
    receipts = [replace(r, file=names.get(id(o.answers[0])) if o.answers else None) for o in outcomes for r in o.receipts]
    for o in outcomes:
        for r in o.receipts:  # its message need not have moved
            if r.message_id:
                group.change((o.documents or o.answers or (o.message,))[0].account).messages[r.message_id] = None
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
    _insert(group, tables.queue_delivery, [asdict(o.delivery) for o in outcomes if o.delivery is not None])


def _insert(group: Group, table: Table, rows: list[dict[str, Any]], *, again: bool = False) -> None:
    """Insert rows in bulk, and say so in the history; `again`: a row that is there already stays as it is."""
    if rows:
        written = group.sql.insert(group.connection, table, rows, again=again)
        if table.name not in digests.CHAINED:
            whole = not again or written == len(rows)
            group.left += digests.records_of(table.name, rows if whole else stored(group, table, rows))


def insert_together(group: Group, table: Table, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    """Insert the rows of documents in the place of those that they had."""
    every = [row for own in rows.values() for row in own]
    if every:
        group.sql.insert(group.connection, table, every)
    group.left += [digests.record_together(table.name, owner, own) for owner, own in rows.items()]


def stored(group: Group, table: Table, rows: Iterable[digests.RowValues]) -> list[digests.RowValues]:
    """The rows that stand in the table under the keys of these."""
    key = digests.FORMS[table.name][0].key
    found = (select(table).where(and_(*(table.c[name] == row[name] for name in key))) for row in rows)
    return [row for query in found for row in group.connection.execute(query).mappings()]


def write_answers(group: Group, outcomes: Sequence[Outcome]) -> dict[int, str]:
    """Give each answer the name it keeps: stem, time, and `-2` when that is taken; the names by the answers' identity."""
    answers = [a for o in outcomes for a in o.answers]
    if not answers:
        return {}
    stamp = times.stamp(group.at)
    taken: dict[str, set[str]] = defaultdict(set)
    wanted: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        wanted[answer.account].add(f"{answer.name}_{stamp}{answer.suffix}")
    for account, names in wanted.items():
        group.change(account)
        for part in slices(names):
            taken[account].update(statements.FILES.column(group.connection, account=account, values=part))
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
        "kept_until": answer.kept_until,
    }


def wake(group: Group, freed: set[str]) -> None:
    """The next message of each document may go."""
    if freed and statements.WAKE.write(group.connection, *({"now": group.at, "document": d} for d in freed)):
        group.lanes.add("read")


def wake_batches(group: Group, batches: set[str]) -> None:
    """A batch is looked at again when its items have moved."""
    for batch in batches:
        if statements.WAKE_BATCH.write(group.connection, {"now": group.at, "batch": batch, "final": list(FINAL)}):
            group.lanes.add("batch")


def wake_learned(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Receipts that nobody knew are tried again when their number becomes known."""
    values = [{"now": group.at, "number": n.value} for o in outcomes for n in o.numbers]
    if values and statements.LEARNED.write(group.connection, *values):
        group.lanes.add("settle")


def wake_waiting(group: Group, outcomes: Sequence[Outcome], before: Mapping[str, str]) -> None:
    """What waits for a document is looked at again once that stands elsewhere than `before`, is gone, or has let something go."""
    last = {d.id: d for outcome in outcomes for d in outcome.documents if d.id in before}
    moved = {id_ for id_, document in last.items() if document.deleted or document.status != before[id_]}
    moved.update(gone.document_id for outcome in outcomes for gone in outcome.release)
    for part in slices(sorted(moved)):
        if statements.WAKE_WAITING.write(group.connection, {"now": group.at, "values": part}):
            group.lanes.add("read")
