"""Keep licences and the declarations that use them: what was approved, reserved, written off and given back.

Quantities are decimal texts and are added as decimals, so nothing is ever rounded. What is left of a licence is never written
down: it is what was approved less the uses that stand. The tables are part of an authority's books (``store.py``), whose
transactions hold for them too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS permit (id INTEGER PRIMARY KEY, bare TEXT NOT NULL UNIQUE, facts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS holder (code TEXT, permit INTEGER, PRIMARY KEY (code, permit)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (number TEXT PRIMARY KEY, sha256 BLOB NOT NULL, state TEXT NOT NULL, events TEXT NOT NULL,
    body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS use (entry TEXT, place INTEGER, permit INTEGER, line INTEGER, quantity TEXT NOT NULL, over TEXT NOT NULL,
    PRIMARY KEY (entry, place, permit, line)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS use_permit ON use (permit, entry);
CREATE TABLE IF NOT EXISTS telling (id INTEGER PRIMARY KEY, receiver TEXT NOT NULL, body BLOB NOT NULL, due REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS told (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
RESERVED, RELEASED, CLEARED, REFUSED, DELETED = "reserved", "released", "cleared", "refused", "deleted"
STANDING = (RESERVED, RELEASED, CLEARED)  #: states in which a declaration holds what it uses


@dataclass(frozen=True)
class Line:
    """Goods of a licence. ``approved`` is nothing where no quantity is kept; ``over`` is a percentage.

    A line without a commodity ``code`` (a technology, say) covers any goods, and its quantity is not kept.
    """

    line: int
    code: str
    name: str
    unit: str
    approved: Decimal | None
    over: Decimal
    price: str
    currency: str


@dataclass(frozen=True)
class Permit:
    """A licence as customs keeps it. ``uses`` 0: any number; ``regions`` none: any port."""

    number: str
    sender: str
    type: str
    account: str
    application: str
    applied: str
    issued: str
    valid_from: str
    valid_until: str
    codes: tuple[str, ...]
    direction: str
    batch: str
    uses: int
    regions: tuple[str, ...]
    traders: tuple[str, ...]
    holders: tuple[str, ...]
    trader_name: str
    owner_name: str
    lines: tuple[Line, ...]
    id: int = 0


@dataclass(frozen=True)
class Use:
    """What one goods line of a declaration takes from one line of a licence; ``over`` is the part beyond what was left."""

    entry: str
    place: int
    permit: int
    line: int
    quantity: Decimal
    over: Decimal = Decimal(0)


@dataclass(frozen=True)
class Entry:
    """A declaration as customs keeps it. ``events``: what happened to it, with the day."""

    number: str
    sha256: bytes
    state: str
    events: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        """Say whether it holds what it uses."""
        return self.state in STANDING


@dataclass(frozen=True)
class Telling:
    """Something that another authority is still to be told."""

    id: int
    receiver: str
    body: bytes
    tries: int


def bare(number: str) -> str:
    """Give a licence number as it is compared: without hyphens."""
    return number.replace("-", "").strip()


def written(amount: Decimal) -> str:
    """Write a quantity without an exponent and without zeros that say nothing."""
    return f"{amount.normalize():f}"


def left(line: Line, uses: Iterable[Use]) -> Decimal | None:
    """Give what is left of a line after the uses that stand, nothing where no quantity is kept."""
    if line.approved is None:
        return None
    return line.approved - sum((use.quantity - use.over for use in uses if use.line == line.line), Decimal(0))


class Ledger:
    """The tables in an authority's SQLite file."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def keep_permit(self, permit: Permit) -> None:
        """Keep a licence; one that is there already stays as it was."""
        facts = json.dumps(asdict(permit), default=str, ensure_ascii=False)
        sql = "INSERT INTO permit (bare, facts) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id"
        if (row := self._base.execute(sql, (bare(permit.number), facts)).fetchone()) is not None:
            rows = [(code, row[0]) for code in permit.holders if code]
            self._base.executemany("INSERT INTO holder VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

    def permit(self, number: str) -> Permit | None:
        """Find a licence by its number, hyphens or not."""
        row = self._base.execute("SELECT id, facts FROM permit WHERE bare = ?", (bare(number),)).fetchone()
        return None if row is None else _permit(*row)

    def permits_of(self, codes: Sequence[str]) -> list[Permit]:
        """List the licences that an enterprise with these codes may ask for, the newest first."""
        marks = ", ".join("?" * len(codes))
        sql = f"SELECT id, facts FROM permit WHERE id IN (SELECT permit FROM holder WHERE code IN ({marks})) ORDER BY id DESC"
        return [_permit(*row) for row in self._base.execute(sql, tuple(codes))]

    def uses_of(self, permit: int) -> list[tuple[Use, Entry]]:
        """List who uses a licence, with the declarations, given back ones included."""
        sql = "SELECT entry, place, permit, line, quantity, over FROM use WHERE permit = ? ORDER BY entry, place, line"
        rows = self._base.execute(sql, (permit,)).fetchall()
        uses = [Use(row[0], row[1], row[2], row[3], Decimal(row[4]), Decimal(row[5])) for row in rows]
        entries = {number: self.entry(number) for number in {use.entry for use in uses}}
        return [(use, entry) for use in uses if (entry := entries[use.entry]) is not None]

    def permits_in(self, entry: str) -> list[Permit]:
        """List the licences that a declaration uses."""
        sql = "SELECT id, facts FROM permit WHERE id IN (SELECT permit FROM use WHERE entry = ?) ORDER BY id"
        return [_permit(*row) for row in self._base.execute(sql, (entry,))]

    def entry(self, number: str) -> Entry | None:
        """Find a declaration."""
        sql = "SELECT number, sha256, state, events, body FROM entry WHERE number = ?"
        row = self._base.execute(sql, (number,)).fetchone()
        return None if row is None else Entry(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4]))

    def entries(self, state: str) -> list[Entry]:
        """List the declarations in a state, by number."""
        sql = "SELECT number, sha256, state, events, body FROM entry WHERE state = ? ORDER BY number"
        rows = self._base.execute(sql, (state,)).fetchall()
        return [Entry(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4])) for row in rows]

    def keep_entry(self, entry: Entry, uses: Sequence[Use]) -> None:
        """Keep a declaration with all that it uses, in place of what it was before."""
        row = (entry.number, entry.sha256, entry.state, json.dumps(entry.events), json.dumps(entry.body, ensure_ascii=False))
        self._base.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", row)
        self._base.execute("DELETE FROM use WHERE entry = ?", (entry.number,))
        rows = [(use.entry, use.place, use.permit, use.line, str(use.quantity), str(use.over)) for use in uses]
        self._base.executemany("INSERT INTO use VALUES (?, ?, ?, ?, ?, ?)", rows)

    def move_entry(self, entry: Entry) -> None:
        """Write a declaration's state and events back."""
        sql = "UPDATE entry SET state = ?, events = ? WHERE number = ?"
        self._base.execute(sql, (entry.state, json.dumps(entry.events), entry.number))

    def plan_telling(self, receiver: str, body: bytes, due: float) -> None:
        """Remember that an authority is to be told something."""
        self._base.execute("INSERT INTO telling (receiver, body, due) VALUES (?, ?, ?)", (receiver, body, due))

    def due_tellings(self, now: float, limit: int) -> list[Telling]:
        """List what is to be told now."""
        sql = "SELECT id, receiver, body, tries FROM telling WHERE due <= ? ORDER BY due, id LIMIT ?"
        return [Telling(*row) for row in self._base.execute(sql, (now, limit)).fetchall()]

    def next_telling(self) -> float | None:
        """Give the instant of the next one."""
        row = self._base.execute("SELECT min(due) FROM telling").fetchone()
        return None if row[0] is None else float(row[0])

    def told(self, telling: int) -> None:
        """Strike out what was told."""
        self._base.execute("DELETE FROM telling WHERE id = ?", (telling,))

    def tell_later(self, telling: int, due: float) -> None:
        """Put off what could not be told."""
        self._base.execute("UPDATE telling SET due = ?, tries = tries + 1 WHERE id = ?", (due, telling))

    def hear(self, id_: str) -> bool:
        """Remember something that another authority told; say whether it is new."""
        sql = "INSERT INTO told VALUES (?) ON CONFLICT DO NOTHING RETURNING id"
        return self._base.execute(sql, (id_,)).fetchone() is not None


def _permit(id_: int, facts: str) -> Permit:
    raw = json.loads(facts)
    lines = tuple(
        Line(
            **{
                **line,
                "approved": Decimal(line["approved"]) if line["approved"] is not None else None,
                "over": Decimal(line["over"]),
            }
        )
        for line in raw.pop("lines")
    )
    listed = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    return replace(Permit(**{**raw, **listed}, lines=lines), id=id_)
