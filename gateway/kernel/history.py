"""The append-only history: one hash chain per gateway run, an entry a transaction.

An entry's hash is SHA-256 over a fixed byte form: the hash before, run, entry number, time, and every move's line, joined
by line feeds. A line names the message, its move and the SHA-256 of each body stored with it, so altered bodies show too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Connection, and_, select
from zstandard import ZstdError

from tongguan.gateway.kernel import clock, tables
from tongguan.gateway.kernel.anchor import Anchor, AnchorWrong, Heads, signed_heads
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.rows import unpack

GENESIS = "0" * 64
KEYS = "anchor_keys"  #: marker with the public keys of the anchor, newest last


def line_of(outcome: Outcome) -> str:
    """The fixed byte form of one move."""
    m = outcome.message
    documents = [[d.id, d.status, d.version] for d in outcome.documents]
    bodies = [[b.role, b.sha256] for b in outcome.bodies]
    receipts = [[r.authority, r.id, r.code] for r in outcome.receipts]
    facts = [m.id, outcome.step, outcome.was, m.state, outcome.who, outcome.why, documents, bodies, receipts]
    return orjson.dumps(facts).decode()


def line_of_other(message_id: str, was: str, state: str, *, outcome: Outcome) -> str:
    """The line of a message that moved because another one did."""
    return orjson.dumps([message_id, outcome.step, was, state, outcome.who, outcome.why, [], [], []]).decode()


def entry_hash(previous: str, run: str, entry: int, *, at: int, lines: Iterable[str]) -> str:
    text = "\n".join((previous, run, str(entry), str(at), *lines))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `tongguan audit verify` found; `broken` names the first altered or missing entry."""

    entries: int
    moves: int
    runs: int
    broken: str | None = None


def verify(connection: Connection, anchor: Anchor) -> Verdict:
    """Recompute every chain and compare bodies, messages, documents and anchored heads with it."""
    content = anchor.content()  # before the first row is read: the anchor of a running gateway must not be newer than the rows
    count = _Count()
    heads: Heads = {}
    r = tables.run.c
    runs = list(connection.execute(select(r.id).order_by(r.started_at, r.id)).scalars())
    broken = None
    for run in runs:
        broken = _broken_chain(connection, run, count, heads)
        if broken:
            break
    broken = broken or _altered_head(connection, heads, anchor, content) or _altered_state(connection, count.documents)
    return Verdict(count.entries, count.moves, len(runs), broken)


@dataclass(slots=True)
class _Count:
    entries: int = 0
    moves: int = 0
    documents: dict[str, tuple[int, str]] = field(default_factory=dict)  #: version and status as the history leaves them


def _broken_chain(connection: Connection, run: str, count: _Count, heads: Heads) -> str | None:
    """Walk one run's chain to its head; what is wrong with it."""
    previous, expected = GENESIS, 1
    h = tables.history.c
    rows = connection.execution_options(yield_per=1000).execute(select(tables.history).where(h.run == run).order_by(h.entry))
    lines = _lines(connection, run)
    for row in rows.mappings():
        place = f"run {run} entry {row['entry']} at {clock.show(row['at'])}"
        if row["entry"] != expected:
            return f"run {run} entry {expected} is missing"
        entry, own = next(lines, (0, []))
        if entry != expected:
            return f"{place}: its moves are missing"
        if row["previous"] != previous or entry_hash(previous, run, expected, at=row["at"], lines=own) != row["hash"]:
            return f"{place} was altered"
        wrong = _altered_body(connection, [orjson.loads(line) for line in own], count)
        if wrong:
            return f"{place}: {wrong}"
        previous, expected = row["hash"], expected + 1
        count.entries, count.moves = count.entries + 1, count.moves + len(own)
    if next(lines, None) is not None:
        return f"run {run}: moves after entry {expected - 1} have no entry"
    heads[run] = (expected - 1, previous)
    return None


def _lines(connection: Connection, run: str) -> Iterator[tuple[int, list[str]]]:
    m = tables.move.c
    rows = connection.execution_options(yield_per=1000).execute(
        select(m.entry, m.line).where(m.run == run).order_by(m.entry, m.n)
    )
    return ((entry, [row[1] for row in group]) for entry, group in groupby(rows, key=lambda row: row[0]))


def _altered_body(connection: Connection, moves: Sequence[list[Any]], count: _Count) -> str | None:
    """A body with other bytes than were stored with its move; the versions of documents are noted on the way."""
    b = tables.body.c
    for facts in moves:
        count.documents.update({id_: (version, status) for id_, status, version in facts[6]})
        for role, sha256 in facts[7]:
            frame = connection.execute(select(b.content).where(and_(b.message_id == facts[0], b.role == role))).scalar()
            if frame is not None and not _is(frame, sha256):
                return f"body {role} of message {facts[0]} was altered"
    return None


def _is(frame: bytes, sha256: str) -> bool:
    try:
        return hashlib.sha256(unpack(frame)).hexdigest() == sha256
    except ZstdError:
        return False


def _altered_head(connection: Connection, heads: Heads, anchor: Anchor, content: bytes | None) -> str | None:
    """Is what the anchor says of each run's end still there, and does it speak of each run?"""
    h, m = tables.history.c, tables.marker.c
    keys = (connection.execute(select(m.value).where(m.name == KEYS)).scalar() or "").split()
    try:
        anchored = signed_heads(content, keys)
    except AnchorWrong as wrong:
        return str(wrong)
    aside = anchor.altered()
    if aside:
        return f"the anchor file was altered: what was found is kept as {aside[0]}"
    for run, (entry, hash_) in anchored.items():
        if run not in heads or heads[run][0] < entry:
            return f"run {run}: entries up to {entry} were anchored but are missing"
        found = connection.execute(select(h.hash).where(and_(h.run == run, h.entry == entry))).scalar()
        if entry and found != hash_:
            return f"run {run} entry {entry} differs from its anchor"
    silent = [run for run, (entry, _) in heads.items() if entry and run not in anchored]
    return f"the anchor file does not speak of run {silent[0]}: it was put in place of another" if silent else None


def _altered_state(connection: Connection, documents: dict[str, tuple[int, str]]) -> str | None:
    """A message or document whose row says another state than its last move."""
    m, d, v = tables.message.c, tables.document.c, tables.move.c
    streaming = connection.execution_options(yield_per=1000)
    last = select(v.line).where(v.message_id == m.id).order_by(v.n.desc()).limit(1).scalar_subquery()
    for id_, state, line in streaming.execute(select(m.id, m.state, last)):
        told = orjson.loads(line)[3] if line else None
        if told != state:
            return f"message {id_} is {state} but its history says {told}"
    for id_, version, status in streaming.execute(select(d.id, d.version, d.status)):
        if documents.get(id_) != (version, status):
            return f"document {id_} is {status!r} in version {version} but its history says otherwise"
    return None
