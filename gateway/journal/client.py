"""Look into a journal that another process may be writing, and leave orders for it.

Promises: reads never wait for the writer nor hold it up; nothing is written but orders; no run is begun.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.journal import orders
from tongguan.gateway.journal.database import statements
from tongguan.gateway.journal.database.engine import examine, is_frozen, journal_file, open_engine, plain, unfit
from tongguan.gateway.journal.database.rows import message_of
from tongguan.gateway.journal.database.schema import fits
from tongguan.gateway.journal.history.anchor import Anchor
from tongguan.gateway.journal.history.audit import OnProgress, Verdict, verify
from tongguan.gateway.journal.reading.reader import Reader
from tongguan.gateway.model.errors import StationBroken, TongguanError
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.system import clock


class JournalClient(Reader):
    """Open with `JournalClient.open`; close it when done."""

    def __init__(self, readers: Engine, url: str, home: Path) -> None:
        super().__init__(readers)
        self._url, self._home = url, home

    @classmethod
    @contextmanager
    def open(cls, url: str, home: Path) -> Iterator[JournalClient]:
        """Look into the journal of a home; NoJournal when there is none."""
        examine(url, home)  # opening would make an empty one, which the daemon would then take for its own
        frozen = is_frozen(journal_file(url, home))
        client = cls(open_engine(url, home, writes=False, frozen=frozen, looks=True), url, home)
        try:
            with client._reading() as connection:
                fits(connection)
            yield client
        finally:
            client.dispose_readers()

    def _unreadable(self, error: Exception) -> TongguanError:
        return unfit(error)

    def why_not_writable(self, seconds: float) -> str:
        """Why the gateway could not write the journal now, waiting so long for others; empty when it could. Writes nothing."""
        if not self._url.startswith("sqlite"):
            return ""
        writing = open_engine(self._url, self._home, writes=True)
        try:
            with closing(writing.raw_connection()) as connection:
                raw = connection.driver_connection
                assert raw is not None
                raw.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
                raw.execute("BEGIN IMMEDIATE")
                raw.execute("ROLLBACK")
        except (SQLAlchemyError, sqlite3.Error) as wrong:
            return str(wrong.__cause__ or wrong)
        finally:
            writing.dispose()
        return ""

    def received(self, states: Sequence[State], limit: int) -> list[Message]:
        """What came to these states, newest first."""
        with self._reading() as connection:
            rows = (row for s in states for row in statements.NEWEST_IN_STATE.rows(connection, state=s.value, most=limit))
            found = [message_of(row) for row in rows]
        return sorted(found, key=lambda message: -message.sequence)[:limit]

    def verify(self, progress: OnProgress = lambda *_: None, *, copy: bytes | None = None) -> Verdict:
        """Recompute the history and compare rows and the anchored heads with it, and those of a `copy` of the anchor."""
        with self._reading() as connection:
            return verify(connection, Anchor(self._home / "anchor.jsonl"), progress, copy=copy)

    def give_order(self, who: str, why: str, command: Mapping[str, Any]) -> str:
        """Leave an order for the daemon; its id, for `Search.order_result`."""
        writing = open_engine(self._url, self._home, writes=True)
        try:
            with writing.begin() as connection:
                return orders.give(connection, who, why, command, clock.now_ms())
        except SQLAlchemyError as broken:
            zh, en = plain(broken)
            raise StationBroken(f"日志库收不下指令：{zh}", f"the journal takes no order: {en}") from broken
        finally:
            writing.dispose()
