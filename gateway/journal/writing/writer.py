"""The one thread that writes the journal: it takes what is waiting and commits it as one group.

The group grows with load, so an idle gateway commits at once and a busy one shares each flush among many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.engine import plain
from tongguan.gateway.journal.database.prepared import BulkStatements
from tongguan.gateway.journal.history.history import GENESIS, entry_hash, line_of_event, told_line
from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files
from tongguan.gateway.system.threads import WorkMark

_MOST = 64  #: requests in one group


@dataclass(slots=True)
class Changed:
    """What a commit changed of one account, for those who show it: ids, in order; both may be empty where it only got answers."""

    messages: dict[str, None] = field(default_factory=dict)
    documents: dict[str, None] = field(default_factory=dict)
    passing: set[str] = field(default_factory=set)  #: of both, those that move on at once, as far as is known now


@dataclass(slots=True)
class Group:
    """What one transaction gathers beside its rows."""

    connection: Connection
    sql: BulkStatements
    at: int
    careful: bool  #: each part in a savepoint of its own, as something in this group has failed before
    moves: list[tuple[str, str | None, str]] = field(default_factory=list)  #: message, document, line
    lanes: set[str] = field(default_factory=set)  #: lanes that got work
    changed: dict[str, Changed] = field(default_factory=dict)  #: by account
    after: list[Callable[[], None]] = field(default_factory=list)  #: run once the commit is safe
    left: list[bytes] = field(default_factory=list)  #: records of the rows of facts that it wrote (`digests`)

    def mark(self) -> tuple[int, int, int]:
        """How far it is: where `back_to` goes back to, when what was done since is undone."""
        return len(self.moves), len(self.after), len(self.left)

    def change(self, account: str) -> Changed:
        return self.changed.setdefault(account, Changed())

    def tell(self, subject: str, step: str, was: str | None, state: str, *, who: str, why: str, more: Any = None) -> None:
        """Put into the history what moves no message."""
        self.moves.append((subject, None, line_of_event(subject, step, was, state, who=who, why=why, more=more)))

    def back_to(self, mark: tuple[int, int, int]) -> None:
        for gathered, length in zip((self.moves, self.after, self.left), mark, strict=True):
            del gathered[length:]  # type: ignore[attr-defined]


@dataclass(slots=True)
class _Request:
    work: Callable[[Group], Any]
    done: Future[Any]
    durable: bool


class _Failed(Exception):
    """A request failed in a group that was written without savepoints; nothing of the group was written."""


_WorkResult = tuple[Any, BaseException | None]
"""What a request returned, or what it raised."""


class Writer:
    """Owns the writing connection. `submit` from any thread; `serve` is the one that gathers and commits."""

    def __init__(
        self,
        engine: Engine,
        run: str,
        *,
        told: Callable[[Group], None],
        trouble: Callable[[BaseException], None],
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._sql = BulkStatements(engine.dialect)
        self._run = run
        self._entry = 0
        self.head = GENESIS
        self._told = told
        self._committed = committed  #: called before anybody who waits for a commit goes on
        self._trouble = trouble  #: hears what those who were told of a commit raised
        self._requests: deque[_Request] = deque()
        self._bell = threading.Event()
        self._gate = threading.Lock()  #: between those who ask and the thread that begins or ends
        self._served = self._ending = False
        self._one = threading.Lock()  #: held for a commit
        self._sure = True  #: the end of the chain that we know is the one in the database
        self._flushes = True

    @property
    def entry(self) -> int:
        return self._entry

    def begin(self) -> None:
        """From now on `serve` is called, perhaps once more."""
        self._ending = False

    def end(self) -> None:
        """Let `serve` finish what is waiting, and return."""
        self._ending = True
        self._bell.set()

    def submit(self, work: Callable[[Group], Any], *, durable: bool = True) -> Any:
        """Run `work` in the next group and return what it returned, after the commit; raises what it raised.

        What is not `durable` outlives the process but perhaps not a power cut: a group of nothing else is not flushed.
        While no thread serves, the caller's does the work.
        """
        request = _Request(work, Future(), durable)
        with self._gate:
            if served := self._served:
                self._requests.append(request)
        if served:
            self._bell.set()
        else:
            with self._one:
                self._commit([request], alone=True)
        return request.done.result()

    def serve(self, pulse: WorkMark) -> None:
        """Commit what is waiting until `end`; `pulse` is held meanwhile. When it raised it may be called again."""
        group: list[_Request] = []
        with self._gate:
            self._served = not self._ending
        try:
            while not (self._ending and not self._requests):
                if not self._requests:
                    self._bell.wait()
                    self._bell.clear()
                while self._requests and len(group) < _MOST:
                    group.append(self._requests[0])  # it is in one list or the other, wherever this thread is ended
                    self._requests.popleft()
                if group:
                    with pulse, self._one:
                        self._commit(group, alone=False)
                    group = []
        finally:
            with self._gate:
                self._served = False
            rest = [request for request in (*group, *self._requests) if not request.done.done()]
            self._requests.clear()
            _fail(rest, RuntimeError("the thread that writes the journal ended"))

    def _commit(self, requests: list[_Request], *, alone: bool) -> None:
        """Write a group and settle its requests: by the commit alone, whatever those do who are told of it."""
        try:
            sure, self._sure = self._sure, False
            if not sure:
                self._entry, self.head = self._end_of_chain()
            try:
                group, results, entry, head = self._write(requests, careful=False)
            except _Failed:  # seldom: savepoints would cost every group more than once more costs this one
                group, results, entry, head = self._write(requests, careful=True)
            self._entry, self.head, self._sure = entry, head, True
            files.at("committed")
        except SQLAlchemyError as broken:
            _fail(requests, broken)
            return
        except BaseException as broken:
            _fail(requests, broken)
            if alone or not isinstance(broken, Exception):
                raise
            return
        for call in (self._committed, *group.after):
            self._tell(call)
        for request, (value, error) in zip(requests, results, strict=True):
            if error is not None:
                request.done.set_exception(error)
            else:
                request.done.set_result(value)
        self._tell(partial(self._told, group))

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as wrong:
            self._trouble(wrong)

    def _write(self, requests: list[_Request], *, careful: bool) -> tuple[Group, list[_WorkResult], int, str]:
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

    def _end_of_chain(self) -> tuple[int, str]:
        """The chain's end as it is stored: after a commit that failed nobody knows how far it came."""
        c = tables.history.c
        last = select(c.entry, c.hash).where(c.run == self._run).order_by(c.entry.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(last).first()
        return (row[0], row[1]) if row is not None else (0, GENESIS)

    def _chain(self, group: Group) -> tuple[int, str]:
        """Write the moves and their entry; the chain's new end."""
        if not group.moves and not group.left:
            return self._entry, self.head
        entry, left = self._entry + 1, b"".join(group.left)
        told = [told_line(document, line) for _, document, line in group.moves]
        head = entry_hash(self.head, self._run, entry, at=group.at, lines=told, left=left)
        rows = [
            {"run": self._run, "entry": entry, "at": group.at, "message_id": message, "document_id": document, "line": line}
            for message, document, line in group.moves
        ]
        if rows:
            self._sql.insert(group.connection, tables.move, rows)
        values = {"run": self._run, "entry": entry, "at": group.at, "previous": self.head, "hash": head, "leaves": left}
        statements.ENTRY.write(group.connection, values)
        return entry, head


def _fail(requests: list[_Request], error: BaseException) -> None:
    """Tell everyone in the group; the thread itself goes on: without it the whole gateway would stand still, silently."""
    if isinstance(error, Exception):
        zh, en = plain(error)
        broken = StationBroken(f"日志库没有提交：{zh}", f"the journal did not commit: {en}")
        broken.__cause__, error = error, broken
    for request in requests:
        request.done.set_exception(error)


def _run_one(group: Group, work: Callable[[Group], Any]) -> _WorkResult:
    """One request; in a careful group in its own savepoint: its failure takes nothing else with it."""
    if not group.careful:
        try:
            return work(group), None
        except Exception as error:
            raise _Failed from error
    mark = group.mark()
    savepoint = group.connection.begin_nested()
    try:
        value = work(group)
    except Exception as error:
        savepoint.rollback()
        group.back_to(mark)
        if isinstance(error, SQLAlchemyError):
            zh, en = plain(error)
            broken = StationBroken(f"日志库写不进：{zh}", f"the journal cannot be written: {en}")
            broken.__cause__ = error
            return None, broken
        return None, error
    savepoint.commit()
    return value, None
