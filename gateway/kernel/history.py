"""The append-only history: one hash chain per gateway run, an entry a transaction.

An entry's hash is SHA-256 over a fixed byte form: the hash before, run, entry number, time, and every move's line, joined
by line feeds. A line names the message, its move and the SHA-256 of each body stored with it, so altered bodies show too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import orjson
from sqlalchemy import Connection, and_, select

from tongguan.gateway.kernel import clock, files, tables
from tongguan.gateway.kernel.outcome import Outcome
from tongguan.gateway.kernel.rows import unpack

GENESIS = "0" * 64


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


class Anchor:
    """A file beside the database with the head of each run: rows that vanish from the end are noticed by it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, tuple[int, str]]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        heads = {}
        for line in lines:
            run, entry, hash_ = orjson.loads(line)
            heads[run] = (entry, hash_)
        return heads

    def write(self, run: str, entry: int, hash_: str) -> None:
        """Set the head of one run; the other runs' heads stay."""
        heads = {**self.read(), run: (entry, hash_)}
        lines = b"".join(orjson.dumps([r, e, h]) + b"\n" for r, (e, h) in heads.items())
        files.write(self.path, lines, durable=True)


def verify(connection: Connection, anchor: Anchor) -> Verdict:
    """Recompute every chain and compare bodies, messages and anchored heads with it."""
    entries = moves = 0
    heads: dict[str, tuple[int, str]] = {}
    runs = list(connection.execute(select(tables.run.c.id).order_by(tables.run.c.started_at, tables.run.c.id)).scalars())
    for run in runs:
        previous, expected = GENESIS, 1
        rows = connection.execute(
            select(tables.history).where(tables.history.c.run == run).order_by(tables.history.c.entry)
        ).mappings()
        lines = _lines(connection, run)
        for row in rows:
            place = f"run {run} entry {row['entry']} at {clock.show(row['at'])}"
            if row["entry"] != expected:
                return Verdict(entries, moves, len(runs), f"run {run} entry {expected} is missing")
            own = next(lines, (0, []))
            if own[0] != row["entry"]:
                return Verdict(entries, moves, len(runs), f"{place}: its moves are missing")
            if row["previous"] != previous or entry_hash(previous, run, expected, at=row["at"], lines=own[1]) != row["hash"]:
                return Verdict(entries, moves, len(runs), f"{place} was altered")
            wrong = _altered_body(connection, own[1])
            if wrong:
                return Verdict(entries, moves, len(runs), f"{place}: {wrong}")
            previous, expected = row["hash"], expected + 1
            entries, moves = entries + 1, moves + len(own[1])
        if next(lines, None) is not None:
            return Verdict(entries, moves, len(runs), f"run {run}: moves after entry {expected - 1} have no entry")
        heads[run] = (expected - 1, previous)
    return Verdict(entries, moves, len(runs), _altered_head(connection, heads, anchor) or _altered_state(connection))


def _lines(connection: Connection, run: str) -> Iterator[tuple[int, list[str]]]:
    m = tables.move.c
    rows = connection.execution_options(yield_per=1000).execute(
        select(m.entry, m.line).where(m.run == run).order_by(m.entry, m.n)
    )
    return ((entry, [row[1] for row in group]) for entry, group in groupby(rows, key=lambda row: row[0]))


def _altered_body(connection: Connection, lines: Sequence[str]) -> str | None:
    b = tables.body.c
    for line in lines:
        facts = orjson.loads(line)
        for role, sha256 in facts[7]:
            frame = connection.execute(select(b.content).where(and_(b.message_id == facts[0], b.role == role))).scalar()
            if frame is not None and hashlib.sha256(unpack(frame)).hexdigest() != sha256:
                return f"body {role} of message {facts[0]} was altered"
    return None


def _altered_head(connection: Connection, heads: dict[str, tuple[int, str]], anchor: Anchor) -> str | None:
    h = tables.history.c
    for run, (entry, hash_) in anchor.read().items():
        if run not in heads or heads[run][0] < entry:
            return f"run {run}: entries up to {entry} were anchored but are missing"
        found = connection.execute(select(h.hash).where(and_(h.run == run, h.entry == entry))).scalar()
        if entry and found != hash_:
            return f"run {run} entry {entry} differs from its anchor"
    return None


def _altered_state(connection: Connection) -> str | None:
    """A message whose row says another state than its last move."""
    last: dict[str, str] = {}
    for line in (
        connection.execution_options(yield_per=1000).execute(select(tables.move.c.line).order_by(tables.move.c.n)).scalars()
    ):
        facts = orjson.loads(line)
        last[facts[0]] = facts[3]
    for id_, state in connection.execution_options(yield_per=1000).execute(select(tables.message.c.id, tables.message.c.state)):
        if last.get(id_) != state:
            return f"message {id_} is {state} but its history says {last.get(id_)}"
    return None
