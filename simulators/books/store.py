"""Keep an authority's books in SQLite: messages, documents, numbers, what is still to come, and the receipts issued.

One process and one thread use a store; ``with store.transaction()`` makes what happens inside it one change. A restart finds
everything as it was, the flows still to be played included.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tongguan.simulators.customs.ledger import TABLES as LEDGER_TABLES
from tongguan.simulators.customs.ledger import Ledger

_TABLES = """
CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, http INTEGER NOT NULL, receipt BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS try (id TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS document (id INTEGER PRIMARY KEY, account TEXT NOT NULL, type TEXT NOT NULL, number TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT '', round INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL, facts TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS name (account TEXT, type TEXT, value TEXT, document INTEGER NOT NULL, PRIMARY KEY (account, type, value))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS number (document INTEGER, name TEXT, value TEXT NOT NULL, PRIMARY KEY (document, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS serial (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS claim (kind TEXT, value TEXT, document INTEGER NOT NULL, PRIMARY KEY (kind, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS course (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, message TEXT NOT NULL, due REAL NOT NULL,
    steps TEXT NOT NULL, wrong TEXT NOT NULL, withheld BLOB);
CREATE INDEX IF NOT EXISTS course_due ON course (due);
CREATE TABLE IF NOT EXISTS receipt (cursor INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, document INTEGER NOT NULL,
    code TEXT NOT NULL, round INTEGER NOT NULL, issued TEXT NOT NULL, shown INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS receipt_feed ON receipt (account, cursor);
CREATE INDEX IF NOT EXISTS receipt_document ON receipt (document, cursor);
CREATE TABLE IF NOT EXISTS pending (document INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS document_of ON document (account, type);
CREATE INDEX IF NOT EXISTS name_value ON name (value, type);
CREATE TABLE IF NOT EXISTS made (document INTEGER, row INTEGER, entry TEXT NOT NULL, state TEXT NOT NULL, day TEXT NOT NULL,
    until TEXT NOT NULL, reason TEXT NOT NULL, name TEXT NOT NULL, media TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (document, row));
CREATE INDEX IF NOT EXISTS made_until ON made (until);
CREATE TABLE IF NOT EXISTS licence (number TEXT PRIMARY KEY, sha256 BLOB, refusals INTEGER NOT NULL DEFAULT 0, body BLOB);
"""


@dataclass(frozen=True)
class Answered:
    """A message seen before, with the answer it got."""

    sha256: bytes
    http: int
    receipt: bytes


@dataclass(frozen=True)
class Document:
    """A business document as the authority keeps it."""

    id: int
    account: str
    type: str
    number: str
    status: str
    round: int
    body: bytes
    facts: dict[str, str]


@dataclass(frozen=True)
class Course:
    """A flow under way: what is still to come for a document, and the marker orders it goes by."""

    id: int
    document: int
    message: str
    due: float
    steps: list[dict[str, Any]]
    wrong: dict[str, str]
    withheld: bytes | None


@dataclass(frozen=True)
class Issued:
    """A receipt as it stands in the books."""

    document: int
    account: str
    code: str
    round: int
    issued: str
    body: bytes


@dataclass(frozen=True)
class MadeDocument:
    """What was made of a declaration for a row of a request, or why it was not: then it has no name and no bytes."""

    document: int
    row: int
    entry: str
    state: str
    day: str
    until: str
    reason: str
    name: str
    media: str
    body: bytes


class Store:
    """An authority's books in one SQLite file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # SQLite gives its companions the same mode
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives the death of the process, which is what simulators promise; a power cut may cost the last second.
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.executescript(_TABLES + LEDGER_TABLES)
        self.ledger = Ledger(self._base)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside one change, or none of it."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:  # a full disk may have ended it
                self._base.execute("ROLLBACK")
            raise

    def _one(self, sql: str, *values: object) -> Any:
        return self._base.execute(sql, values).fetchone()

    def message(self, id_: str) -> Answered | None:
        """Find a message that was answered."""
        row = self._one("SELECT sha256, http, receipt FROM message WHERE id = ?", id_)
        return None if row is None else Answered(*row)

    def keep_message(self, id_: str, answered: Answered) -> None:
        """Keep the answer to a message; the id must be new."""
        self._base.execute("INSERT INTO message VALUES (?, ?, ?, ?)", (id_, answered.sha256, answered.http, answered.receipt))

    def count_try(self, id_: str) -> int:
        """Count one more try of something, and give how many there were with it."""
        sql = "INSERT INTO try VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1 RETURNING count"
        return int(self._base.execute(sql, (id_,)).fetchone()[0])

    def document(self, id_: int) -> Document:
        """Read a document by its row."""
        row = self._one("SELECT id, account, type, number, status, round, body, facts FROM document WHERE id = ?", id_)
        return Document(row[0], row[1], row[2], row[3], row[4], row[5], row[6], json.loads(row[7]))

    def find_document(self, account: str, type_: str, names: list[str]) -> Document | None:
        """Find an account's document by any of its names."""
        for value in names:
            sql = "SELECT document FROM name WHERE account = ? AND type = ? AND value = ?"
            if row := self._one(sql, account, type_, value):
                return self.document(row[0])
        return None

    def documents(self, account: str, type_: str, status: tuple[str, ...] = ()) -> list[Document]:
        """List an account's documents of a type, the newest first; with ``status`` only those in one of these."""
        marks = f"AND status IN ({', '.join('?' * len(status))}) " if status else ""
        sql = f"SELECT id FROM document WHERE account = ? AND type = ? {marks}ORDER BY id DESC"
        return [self.document(row[0]) for row in self._base.execute(sql, (account, type_, *status)).fetchall()]

    def named(self, type_: str, value: str) -> list[Document]:
        """List documents of a type that have this name, of whatever account."""
        rows = self._base.execute("SELECT document FROM name WHERE value = ? AND type = ?", (value, type_)).fetchall()
        return [self.document(row[0]) for row in rows]

    def documents_of_type(self, type_: str, status: tuple[str, ...]) -> list[Document]:
        """List documents of a type in one of these statuses, of whatever account."""
        marks = ", ".join("?" * len(status))
        sql = f"SELECT id FROM document WHERE type = ? AND status IN ({marks}) ORDER BY id"
        return [self.document(row[0]) for row in self._base.execute(sql, (type_, *status)).fetchall()]

    def keep_made(self, made: MadeDocument) -> None:
        """Keep what was made for a row, in place of what was made before."""
        sql = "INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._base.execute(sql, tuple(vars(made).values()))

    def made(self, document: int, row: int) -> MadeDocument | None:
        """Give what was made for a row."""
        found = self._one("SELECT * FROM made WHERE document = ? AND row = ?", document, row)
        return None if found is None else MadeDocument(*found)

    def every_made(self, document: int) -> list[MadeDocument]:
        """List what was made for a request, in the order of its rows."""
        rows = self._base.execute("SELECT * FROM made WHERE document = ? ORDER BY row", (document,)).fetchall()
        return [MadeDocument(*row) for row in rows]

    def forget_made(self, document: int) -> None:
        """Strike out what was made for an earlier round of a request."""
        self._base.execute("DELETE FROM made WHERE document = ?", (document,))

    def drop_made(self, today: str) -> None:
        """Strike out what was kept for its time, which is over."""
        self._base.execute("DELETE FROM made WHERE until > '' AND until < ?", (today,))

    def made_until(self) -> str:
        """Give the earliest day up to which anything is kept; nothing where nothing is."""
        row = self._one("SELECT until FROM made WHERE until > '' ORDER BY until LIMIT 1")
        return row[0] if row else ""

    def has_document(self, account: str, type_: str, statuses: Sequence[str]) -> bool:
        """Say whether an account has a document of a type in one of these statuses."""
        marks = ", ".join("?" * len(statuses))
        sql = f"SELECT 1 FROM document WHERE account = ? AND type = ? AND status IN ({marks}) LIMIT 1"
        return self._one(sql, account, type_, *statuses) is not None

    def new_document(self, account: str, type_: str, number: str) -> Document:
        """Open a document; it has no status yet."""
        sql = "INSERT INTO document (account, type, number, body) VALUES (?, ?, ?, '')"
        return self.document(int(self._base.execute(sql, (account, type_, number)).lastrowid or 0))

    def write_document(self, document: Document) -> None:
        """Write a changed document back."""
        facts = json.dumps(document.facts, ensure_ascii=False)
        sql = "UPDATE document SET number = ?, status = ?, round = ?, body = ?, facts = ? WHERE id = ?"
        self._base.execute(sql, (document.number, document.status, document.round, document.body, facts, document.id))

    def pending(self, document: int) -> bytes | None:
        """Give the content of a document that awaits a verdict beside the one that holds."""
        row = self._one("SELECT body FROM pending WHERE document = ?", document)
        return None if row is None else row[0]

    def keep_pending(self, document: int, body: bytes) -> None:
        """Keep content that awaits a verdict."""
        self._base.execute("INSERT INTO pending VALUES (?, ?)", (document, body))

    def drop_pending(self, document: int) -> None:
        """Strike out content that awaited a verdict."""
        self._base.execute("DELETE FROM pending WHERE document = ?", (document,))

    def name_document(self, document: Document, names: list[str], trader: str = "") -> None:
        """Remember more names of a document, for its account and for the enterprise that it is filed for; a name that another one has
        stays with that one."""
        whose = dict.fromkeys((document.account, trader or document.account))
        rows = [(account, document.type, value, document.id) for account in whose for value in names if value]
        self._base.executemany("INSERT INTO name VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def numbers(self, document: int) -> dict[str, str]:
        """List the numbers that the authority gave to a document."""
        return dict(self._base.execute("SELECT name, value FROM number WHERE document = ?", (document,)).fetchall())

    def keep_number(self, document: int, name: str, value: str) -> None:
        """Keep a number given to a document."""
        self._base.execute("INSERT INTO number VALUES (?, ?, ?)", (document, name, value))

    def next_serial(self, name: str) -> int:
        """Give the next number of a series, from 1."""
        sql = "INSERT INTO serial VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        return int(self._base.execute(sql, (name,)).fetchone()[0])

    def claimant(self, kind: str, value: str) -> Document | None:
        """Find which document has claimed a value, of whatever account."""
        row = self._one("SELECT document FROM claim WHERE kind = ? AND value = ?", kind, value)
        return None if row is None else self.document(row[0])

    def claim(self, kind: str, value: str, document: int) -> None:
        """Claim a value for a document, from whoever had it."""
        sql = "INSERT INTO claim VALUES (?, ?, ?) ON CONFLICT (kind, value) DO UPDATE SET document = excluded.document"
        self._base.execute(sql, (kind, value, document))

    def start_course(self, course: Course) -> None:
        """Begin a flow; the course's own id is not looked at."""
        sql = "INSERT INTO course (document, message, due, steps, wrong) VALUES (?, ?, ?, ?, ?)"
        row = (course.document, course.message, course.due, json.dumps(course.steps), json.dumps(course.wrong))
        self._base.execute(sql, row)

    def move_course(self, course: Course) -> None:
        """Write a course back; without steps it is over."""
        if not course.steps:
            self._base.execute("DELETE FROM course WHERE id = ?", (course.id,))
            return
        sql = "UPDATE course SET due = ?, steps = ?, wrong = ?, withheld = ? WHERE id = ?"
        row = (course.due, json.dumps(course.steps), json.dumps(course.wrong), course.withheld, course.id)
        self._base.execute(sql, row)

    def lend_course(self, id_: int, until: float) -> None:
        """Put a course aside while its step is being carried out; after that time it is due again."""
        self._base.execute("UPDATE course SET due = ? WHERE id = ?", (until, id_))

    def stop_courses(self, document: int) -> None:
        """Drop what is still to come for a document."""
        self._base.execute("DELETE FROM course WHERE document = ?", (document,))

    def course_goes_on(self, id_: int) -> bool:
        """Say whether a course is still there."""
        return self._one("SELECT 1 FROM course WHERE id = ?", id_) is not None

    def due_courses(self, now: float, limit: int) -> list[Course]:
        """List the courses whose next step is due, the longest due first."""
        sql = "SELECT id, document, message, due, steps, wrong, withheld FROM course WHERE due <= ? ORDER BY due, id LIMIT ?"
        rows = self._base.execute(sql, (now, limit)).fetchall()
        return [Course(row[0], row[1], row[2], row[3], json.loads(row[4]), json.loads(row[5]), row[6]) for row in rows]

    def next_due(self) -> float | None:
        """Give the instant of the next step of any course."""
        row = self._one("SELECT min(due) FROM course")
        return None if row[0] is None else float(row[0])

    def issue(self, receipt: Issued, *, shown: bool = True) -> None:
        """Put a receipt into its account's feed; one not ``shown`` is not part of the document's history."""
        sql = "INSERT INTO receipt (account, document, code, round, issued, shown, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        row = (receipt.account, receipt.document, receipt.code, receipt.round, receipt.issued, shown, receipt.body)
        self._base.execute(sql, row)

    def history(self, document: int) -> list[tuple[str, int, str]]:
        """List code, round and time of a document's receipts, in the order issued."""
        sql = "SELECT code, round, issued FROM receipt WHERE document = ? AND shown = 1 ORDER BY issued, cursor"
        return [(row[0], row[1], row[2]) for row in self._base.execute(sql, (document,))]

    def feed(self, account: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """List an account's receipts after a cursor, with their cursors."""
        sql = "SELECT cursor, body FROM receipt WHERE account = ? AND cursor > ? ORDER BY cursor LIMIT ?"
        return [(row[0], row[1]) for row in self._base.execute(sql, (account, after, limit))]

    def licence(self, number: str) -> tuple[bytes | None, int]:
        """Give the hash of a licence handed over and stored (nothing: not stored), and how often it was refused."""
        row = self._one("SELECT sha256, refusals FROM licence WHERE number = ?", number)
        return (None, 0) if row is None else (row[0], row[1])

    def store_licence(self, number: str, sha256: bytes, body: bytes) -> None:
        """Store a licence that another authority handed over."""
        sql = "INSERT INTO licence (number, sha256, body) VALUES (?, ?, ?) ON CONFLICT (number) DO UPDATE SET sha256 = ?2, body = ?3"
        self._base.execute(sql, (number, sha256, body))

    def refuse_licence(self, number: str) -> None:
        """Remember that a licence was refused once more."""
        sql = "INSERT INTO licence (number, refusals) VALUES (?, 1) ON CONFLICT (number) DO UPDATE SET refusals = refusals + 1"
        self._base.execute(sql, (number,))
