"""The one thread that writes the journal: it takes what is waiting and commits it as one group.

The group grows with load, so an idle gateway commits at once and a busy one shares each flush among many.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.kernel import clock, files, statements, tables
from tongguan.gateway.kernel.errors import StationBroken
from tongguan.gateway.kernel.history import GENESIS, entry_hash
from tongguan.gateway.kernel.rows import Sql

_MOST = 64  #: requests in one group


@dataclass(slots=True)
class Group:
    """What one transaction gathers beside its rows."""

    connection: Connection
    sql: Sql
    at: int
    careful: bool  #: each part in a savepoint of its own, as something in this group has failed before
    moves: list[tuple[str, str | None, str]] = field(default_factory=list)  #: message, document, line
    lanes: set[str] = field(default_factory=set)  #: lanes that got work
    touched: set[str] = field(default_factory=set)  #: messages that did not move, but have a new receipt
    after: list[Callable[[], None]] = field(default_factory=list)  #: run once the commit is safe


@dataclass(slots=True)
class _Request:
    work: Callable[[Group], Any]
    done: Future[Any]
    durable: bool


class _Failed(Exception):
    """A request failed in a group that was written without savepoints; nothing of the group was written."""


_Result = tuple[Any, BaseException | None]
"""What a request returned, or what it raised."""


class Writer:
    """Owns the writing connection. `submit` from any thread; without `start` the caller's thread does the work at once."""

    def __init__(self, engine: Engine, run: str, *, told: Callable[[Group], None]) -> None:
        self._engine = engine
        self._sql = Sql(engine.dialect)
        self._run = run
        self._entry = 0
        self.head = GENESIS
        self._told = told
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._alone = threading.Lock()
        self._flushes = True

    @property
    def entry(self) -> int:
        return self._entry

    def start(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._requests.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, work: Callable[[Group], Any], *, durable: bool = True) -> Any:
        """Run `work` in the next group and return what it returned, after the commit; raises what it raised.

        What is not `durable` outlives the process but perhaps not a power cut: a group of nothing else is not flushed.
        """
        request = _Request(work, Future(), durable)
        if self._thread is None:
            with self._alone:
                self._commit([request])
        else:
            self._requests.put(request)
        return request.done.result()

    def _serve(self) -> None:
        going = True
        while going:
            first = self._requests.get()
            if first is None:
                return
            group = [first]
            while len(group) < _MOST:
                try:
                    following = self._requests.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    going = False
                    break
                group.append(following)
            self._commit(group)

    def _commit(self, requests: list[_Request]) -> None:
        try:
            try:
                group, results, entry, head = self._write(requests, careful=False)
            except _Failed:  # seldom: savepoints would cost every group more than once more costs this one
                group, results, entry, head = self._write(requests, careful=True)
        except SQLAlchemyError as broken:
            _fail(requests, broken)
            return
        except BaseException as crash:
            _fail(requests, crash)
            if self._thread is None:
                raise
            return
        self._entry, self.head = entry, head
        try:
            files.at("committed")
            for call in group.after:
                call()
            self._told(group)
        except BaseException as crash:
            _fail(requests, crash)
            if self._thread is None:
                raise
            return
        for request, (value, error) in zip(requests, results, strict=True):
            if error is not None:
                request.done.set_exception(error)
            else:
                request.done.set_result(value)

    def _write(self, requests: list[_Request], *, careful: bool) -> tuple[Group, list[_Result], int, str]:
        """One transaction: the group, what became of each request, and the chain's new end."""
        durable = any(request.durable for request in requests)
        with self._engine.connect() as connection, self._flushed(connection, durable).begin():
            group = Group(connection, self._sql, clock.now_ms(), careful)
            results = [_run_one(group, request.work) for request in requests]
            entry, head = self._chain(group)
            files.at("commit")
        return group, results, entry, head

    def _flushed(self, connection: Connection, flush: bool) -> Connection:
        """Choose whether the next commit is forced to disk; only SQLite lets us choose."""
        if flush is not self._flushes and self._engine.dialect.name == "sqlite":
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
            self._flushes = flush
        return connection

    def _chain(self, group: Group) -> tuple[int, str]:
        """Write the moves and their entry; the chain's new end."""
        if not group.moves:
            return self._entry, self.head
        entry = self._entry + 1
        head = entry_hash(self.head, self._run, entry, at=group.at, lines=(line for _, _, line in group.moves))
        rows = [
            {"run": self._run, "entry": entry, "at": group.at, "message_id": message, "document_id": document, "line": line}
            for message, document, line in group.moves
        ]
        group.connection.exec_driver_sql(*self._sql.insert(tables.move, rows))
        values = {"run": self._run, "entry": entry, "at": group.at, "previous": self.head, "hash": head}
        group.connection.execute(statements.ENTRY, values)
        return entry, head


def _fail(requests: list[_Request], error: BaseException) -> None:
    """Tell everyone in the group; the thread itself goes on: without it the whole gateway would stand still, silently."""
    if isinstance(error, Exception):
        broken = StationBroken(f"the journal did not commit: {error}")
        broken.__cause__, error = error, broken
    for request in requests:
        request.done.set_exception(error)


def _run_one(group: Group, work: Callable[[Group], Any]) -> _Result:
    """One request; in a careful group in its own savepoint: its failure takes nothing else with it."""
    if not group.careful:
        try:
            return work(group), None
        except Exception as error:
            raise _Failed from error
    moves, after = len(group.moves), len(group.after)
    savepoint = group.connection.begin_nested()
    try:
        value = work(group)
    except Exception as error:
        savepoint.rollback()
        del group.moves[moves:], group.after[after:]
        if isinstance(error, SQLAlchemyError):
            broken = StationBroken(f"the journal cannot be written: {error}")
            broken.__cause__ = error
            return None, broken
        return None, error
    savepoint.commit()
    return value, None
