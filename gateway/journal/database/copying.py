"""A copy of the journal as it is at one moment, made while others write it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.journal.database.engine import (
    LOOK_MS,
    MEND,
    broken_pages,
    examine,
    is_frozen,
    journal_file,
    matched,
    open_engine,
    unfit,
)
from tongguan.gateway.journal.database.schema import known_or_refused, present
from tongguan.gateway.journal.history.history import KEYS
from tongguan.gateway.model.errors import JournalUnfit, NoJournal

_PAGES = 2048  #: copied between two words of progress

OnPages = Callable[[int, int], None]
"""Hears how many pages are copied, and of how many."""


@dataclass(frozen=True, slots=True)
class JournalCopy:
    """What a copy holds."""

    revision: str  #: of its schema
    messages: int
    last: int | None  #: when its last step was written
    numbers: Mapping[str, int]  #: the first of each series that nobody held
    keys: Sequence[str]  #: public ones, of its anchors


def copy_journal(url: str, home: Path, target: Path, progress: OnPages = lambda done, of: None) -> JournalCopy:
    """Put the journal as it is now into a new file, whole and read again; nobody who writes it meanwhile waits.

    Raises NoJournal when there is none, JournalUnfit when it cannot be read or its copy is damaged, OSError when the place takes no file.
    """
    examine(url, home)
    matched(url, home)
    path = journal_file(url, home)
    assert path is not None  # settings take no server yet
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    place = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if is_frozen(path) else ''}"
    try:
        with (
            closing(sqlite3.connect(place, uri=True, timeout=LOOK_MS / 1000, isolation_level=None)) as base,
            closing(sqlite3.connect(target)) as made,
        ):
            base.execute("BEGIN")
            if base.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
                raise NoJournal(str(path))  # what is read from here on is of this moment
            base.backup(made, pages=_PAGES, progress=lambda _, left, of: progress(of - left, of))
            made.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as wrong:
        raise unfit(wrong, f"日志无法复制到 {target}", f"the journal cannot be copied to {target}") from wrong
    return look_into(target)


def look_into(copy: Path) -> JournalCopy:
    """Read all of a copy; JournalUnfit when it is damaged. A row with a value that no gateway wrote is as it was: doctor names it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(copy.absolute()))}?mode=ro", uri=True)) as base:
            if said := broken_pages(base):
                raise JournalUnfit(f"日志文件已损坏（{said}）", f"the journal's file is damaged ({said})", do=MEND)
            (revision,) = base.execute("SELECT version_num FROM alembic_version").fetchone()
            (messages,) = base.execute("SELECT count(*) FROM message").fetchone()
            (last,) = base.execute("SELECT at FROM move ORDER BY n DESC LIMIT 1").fetchone() or (None,)
            numbers = dict(base.execute("SELECT name, next FROM serial"))
            keys = _keys(base)
    except (sqlite3.Error, TypeError) as wrong:
        raise unfit(wrong) from wrong
    return JournalCopy(revision, messages, last, numbers, keys)


def keys_of(file: Path) -> list[str]:
    """The public keys of a journal's anchors; none where it cannot be read."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=LOOK_MS / 1000)) as base:
            return _keys(base)
    except sqlite3.Error:
        return []


def _keys(base: sqlite3.Connection) -> list[str]:
    (keys,) = base.execute("SELECT value FROM marker WHERE name = ?", (KEYS,)).fetchone() or ("",)
    return str(keys).split()


def revision_of(url: str, home: Path) -> str:
    """The schema that a home's journal has. Raises NoJournal, or JournalUnfit when no migration leads from there to here."""
    examine(url, home)
    engine = open_engine(url, home, writes=False, looks=True)
    try:
        with engine.begin() as connection:
            found = present(connection)
    except SQLAlchemyError as wrong:
        raise unfit(wrong) from wrong
    finally:
        engine.dispose()
    if found is None:
        raise NoJournal(str(journal_file(url, home)))
    known_or_refused(found)
    return found
