"""Digests of rows: what a commit says in the history of each row of facts that it wrote.

A record is 40 bytes: 16 that name the row (its table and key), 24 of its facts; 24 zeros when it was removed. Later columns
are null in older rows and stand last, so an older row's digest stays what it was: nulls at the end are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, groupby, tee
from operator import itemgetter
from typing import Any

from orjson import dumps
from sqlalchemy import LargeBinary, RowMapping, Table

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.rows import DOCUMENT_MOVES, MESSAGE_MOVES

RowValues = Mapping[str, Any] | RowMapping

NAME, FACTS = 16, 24  #: bytes of a record's two halves
RECORD = NAME + FACTS
GONE = bytes(FACTS)

#: tables without facts: who has what in hand, what crashed, counts (which `audit verify` counts again), and what was told
WITHOUT = frozenset({"claim", "crash", "tally", "event_count"})
#: tables that the chain itself is made of, or whose rows the moves' lines speak of
CHAINED = frozenset({"history", "move", "body"})
#: columns that are marks of work, no facts: when to look again, how far work got, in which order files are written
MARKS: Mapping[str, frozenset[str]] = {
    "message": frozenset({"lane", "due_at", "waiting_for"}),
    "answer": frozenset({"id", "written"}),
    "notification": frozenset({"next_at", "attempts"}),
    "lane": frozenset({"probe_at"}),
}
#: markers that are marks of work: how far it got, and what the clocks said
PLACES, CLOCK = "checkpoint:", "clock"
#: tables whose rows are replaced together, all those of a document: one record for all
TOGETHER = {
    "fact": "document_id",
    "counted": "document_id",
    "licence_taken": "document_id",
    "keyed_line": "document_id",
    "relation": "whole_id",
}
_FIXED = ", as it came"
_KEYS = {"answer": ("account", "file")}


@dataclass(frozen=True)
class RecordForm:
    """How rows become records: which columns name a row, which are its facts, which of these hold bytes."""

    name: str
    key: tuple[str, ...]
    facts: tuple[str, ...]
    blobs: tuple[str, ...] = ()


def _form(table: Table) -> RecordForm:
    key = _KEYS.get(table.name) or tuple(c.name for c in table.primary_key.columns)
    kept = [c for c in table.columns if c.name not in MARKS.get(table.name, ())]
    blobs = tuple(c.name for c in kept if isinstance(c.type, LargeBinary))
    return RecordForm(table.name, key, tuple(c.name for c in kept if c.name not in blobs), blobs)


def _forms() -> dict[str, tuple[RecordForm, ...]]:
    forms: dict[str, tuple[RecordForm, ...]] = {
        t.name: (_form(t),) for t in tables.metadata.tables.values() if t.name not in WITHOUT | CHAINED
    }
    # A move writes a part of such a row only: what was fixed when the row was made is a record of its own.
    for name, moves in (("message", MESSAGE_MOVES), ("document", DOCUMENT_MOVES)):
        whole = forms[name][0]
        moved = RecordForm(name, whole.key, tuple(n for n in whole.facts if n in moves), whole.blobs)
        fixed = RecordForm(f"{name}{_FIXED}", whole.key, tuple(n for n in whole.facts if n not in moves))
        forms[name] = (moved, fixed)
    return forms


FORMS: Mapping[str, tuple[RecordForm, ...]] = _forms()
"""By table: the records that each of its rows makes."""
MOVED = {name: forms[0] for name, forms in FORMS.items()}  #: by table: what an update writes of a row


def row_name(form: str, *key: Any) -> bytes:
    return blake2b(_json([form, *key]), digest_size=NAME).digest()


def records(form: RecordForm, rows: Iterable[RowValues]) -> Iterator[bytes]:
    """The records of rows of one table."""
    name, key, facts = form.name, _picker(form.key), _picker(form.facts)
    for row in rows:
        values = list(facts(row))
        while values and values[-1] is None:
            values.pop()
        content = dumps(values, default=repr)
        for blob in form.blobs:
            if row[blob] is not None:
                content += b"\0" + row[blob]
        named = blake2b(dumps([name, *key(row)], default=repr), digest_size=NAME).digest()
        yield named + blake2b(content, digest_size=FACTS).digest()


def record_together(name: str, owner: str, rows: Sequence[RowValues]) -> bytes:
    """One record for all rows that a document has in a table."""
    if not rows:
        return row_name(name, owner) + GONE
    form = FORMS[name][0]
    values = _picker(form.facts)
    content = b"\n".join(sorted(b"\0".join((_json(list(values(row))), *(row[blob] for blob in form.blobs))) for row in rows))
    return row_name(name, owner) + blake2b(content, digest_size=FACTS).digest()


def gone(name: str, *key: Any) -> bytes:
    """The record of a row that was removed."""
    return row_name(name, *key) + GONE


def body_record(message_id: str, role: str, sha256: str) -> bytes:
    return row_name("body", message_id, role) + blake2b(sha256.encode(), digest_size=FACTS).digest()


def records_of(table: str, rows: Iterable[RowValues]) -> Iterator[bytes]:
    """The records of a table's stored rows; those of `TOGETHER` must come document by document."""
    if table == "body":
        for row in rows:
            yield body_record(row["message_id"], row["role"], row["sha256"])
    elif table in TOGETHER:
        for owner, own in groupby(rows, key=itemgetter(TOGETHER[table])):
            yield record_together(table, owner, list(own))
    else:
        forms, of_facts = FORMS[table], _OF_FACTS.get(table)
        each = tee(filter(of_facts, rows) if of_facts else rows, len(forms))
        yield from chain.from_iterable(zip(*map(records, forms, each), strict=True))


def _marks_fact(row: RowValues) -> bool:
    return not str(row["name"]).startswith(PLACES) and row["name"] != CLOCK


def _was_carried_out(row: RowValues) -> bool:
    """An order is given from outside, and history once it was carried out."""
    return row["done_at"] is not None


_OF_FACTS: Mapping[str, Callable[[RowValues], bool]] = {"marker": _marks_fact, "orders": _was_carried_out}
"""By table: which of its rows are facts; of all others each is."""


def split(kept: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names and facts in an entry's records."""
    for start in range(0, len(kept), RECORD):
        yield kept[start : start + NAME], kept[start + NAME : start + RECORD]


_pickers: dict[tuple[str, ...], Any] = {}


def _picker(names: tuple[str, ...]) -> Any:
    """The values of these columns, always as a sequence."""
    if names not in _pickers:
        pick = itemgetter(*names)
        _pickers[names] = pick if len(names) > 1 else lambda row: (pick(row),)
    return _pickers[names]


def _json(values: Any) -> bytes:
    """`default`: an altered row may hold anything."""
    return dumps(values, default=repr)
