"""Reading the journal, beside whoever writes it: each look is one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.journal.database.engine import plain
from tongguan.gateway.journal.database.rows import RowDamaged
from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.errors import StationBroken, TongguanError


class Reader:
    """Threads may share it. Reads never wait for the writer nor hold it up."""

    def __init__(self, readers: Engine) -> None:
        self._readers = readers

    @contextmanager
    def search(self) -> Iterator[Search]:
        """One moment of the journal, for whoever shows it or looks after it; what is decided rests on a `Snapshot`."""
        with self._reading() as connection:
            yield Search(connection)

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """One moment of the journal, to decide on."""
        with self._reading() as connection:
            yield Snapshot(connection)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._readers.begin() as connection:
                yield connection
        except (SQLAlchemyError, RowDamaged) as broken:
            raise self._unreadable(*plain(broken)) from broken

    def _unreadable(self, zh: str, en: str) -> TongguanError:
        return StationBroken(f"日志库读不出：{zh}", f"the journal cannot be read: {en}")
