"""Engines of the journal: one that writes (`BEGIN IMMEDIATE`), one that reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event


def open_engine(url: str, home: Path, *, writes: bool) -> Engine:
    """An engine for the journal's URL; relative SQLite paths are the home's.

    SQLite: WAL, `synchronous=FULL`, and transactions that take the write lock when they begin, because pysqlite's own
    transactions lose updates silently.
    """
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    path = url.removeprefix("sqlite:///")
    where = path if path.startswith("/") else str(home / path)
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": 30}}
    options |= {"pool_size": 1, "max_overflow": 0} if writes else {"pool_size": 8, "max_overflow": 24}
    engine = create_engine(f"sqlite:///{where}", **options)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        # Readers are many and read what was written just now: a small cache each, or memory grows with the journal.
        cache = "cache_size=-16000" if writes else "cache_size=-1000"
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", cache):
            connection.execute("PRAGMA " + pragma)

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
