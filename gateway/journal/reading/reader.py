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

#: connections that are kept while nobody reads: each holds pages and statements of its own, some 2 MB
_MOST_IDLE = 4


class Reader:
    """Threads may share it. Reads never wait for the writer nor hold it up."""

    def __init__(self, readers: Engine) -> None:
        self._readers = readers
        # What is idle is kept, as to take one from the engine costs as much as a small look; but not where a server may end it meanwhile.
        self._idle: list[Connection] = []
        self._most_idle = _MOST_IDLE if readers.dialect.name == "sqlite" else 0

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
            connection = self._connection()
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                connection.close()
                raise
            self._keep(connection)
        except (SQLAlchemyError, RowDamaged) as broken:
            raise self._unreadable(broken) from broken

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._readers.connect()

    def _keep(self, connection: Connection) -> None:
        if len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.close()

    def dispose_readers(self) -> None:
        """Let go of what is open for reading."""
        self._most_idle = 0
        while self._idle:
            self._idle.pop().close()
        self._readers.dispose()

    def _unreadable(self, error: Exception) -> TongguanError:
        zh, en = plain(error)
        return StationBroken(f"日志库读不出：{zh}", f"the journal cannot be read: {en}")
