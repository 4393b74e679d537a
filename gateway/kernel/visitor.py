"""Look into a journal that another process may be writing, and leave orders for it.

Promises: reads never wait for the writer nor hold it up; nothing is written but orders; no run is begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, and_, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from tongguan.gateway.kernel import clock, tables
from tongguan.gateway.kernel.anchor import Anchor
from tongguan.gateway.kernel.engine import open_engine
from tongguan.gateway.kernel.errors import NoJournal, StationBroken
from tongguan.gateway.kernel.history import Verdict, verify
from tongguan.gateway.kernel.ids import new_id
from tongguan.gateway.kernel.message import Message, State
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.kernel.rows import message_of


class Visitor:
    """Open with `Visitor.open`; close it when done."""

    def __init__(self, readers: Engine, url: str, home: Path) -> None:
        self._readers, self._url, self._home = readers, url, home

    @classmethod
    @contextmanager
    def open(cls, url: str, home: Path) -> Iterator[Visitor]:
        """Look into the journal of a home; NoJournal when there is none."""
        path = home / url.removeprefix("sqlite:///")
        # Opening would make an empty one, which the daemon would then take for its own.
        if url.startswith("sqlite") and not path.is_file():
            raise NoJournal(str(path))
        visitor = cls(open_engine(url, home, writes=False), url, home)
        try:
            yield visitor
        finally:
            visitor._readers.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._readers.begin() as connection:
                yield connection
        except SQLAlchemyError as broken:
            raise StationBroken(f"the journal cannot be read: {broken}") from broken

    @contextmanager
    def read(self) -> Iterator[Records]:
        """One moment of the journal."""
        with self._reading() as connection:
            yield Records(connection)

    def received(self, states: Sequence[State], limit: int) -> list[Message]:
        """Receipts in these states, newest first."""
        m = tables.message.c
        where = and_(m.kind == "receipt", m.state.in_([s.value for s in states]))
        query = select(tables.message).where(where).order_by(m.sequence.desc()).limit(limit)
        with self._reading() as connection:
            return [message_of(row) for row in connection.execute(query).mappings()]

    def verify(self) -> Verdict:
        """Recompute the history and compare it with the anchored heads."""
        with self._reading() as connection:
            return verify(connection, Anchor(self._home / "anchor.jsonl"))

    def give_order(self, who: str, why: str, command: Mapping[str, Any]) -> str:
        """Leave an order for the daemon; its id, for `Records.order_result`."""
        id_ = new_id()
        row = {"id": id_, "who": who, "why": why, "command": orjson.dumps(command).decode(), "at": clock.now_ms()}
        writing = open_engine(self._url, self._home, writes=True)
        try:
            with writing.begin() as connection:
                connection.execute(insert(tables.order).values(**row))
        except SQLAlchemyError as broken:
            raise StationBroken(f"the journal takes no order: {broken}") from broken
        finally:
            writing.dispose()
        return id_


def selected(
    *,
    states: Sequence[str] = (),
    account: str = "",
    type_: str = "",
    operation: str = "",
    since: int | None = None,
) -> list[ColumnElement[bool]]:
    """The conditions of `Records.list_messages` for these filters; an empty one selects everything."""
    m = tables.message.c
    where: list[ColumnElement[bool]] = []
    if states:
        where.append(m.state.in_(states))
    for column, value in ((m.account, account), (m.type, type_), (m.operation, operation)):
        if value:
            where.append(column == value)
    if since is not None:
        where.append(m.received_at >= since)
    return where


def selected_documents(
    *, account: str = "", type_: str = "", statuses: Sequence[str] = (), number: str = ""
) -> list[ColumnElement[bool]]:
    """The conditions of `Records.list_documents` for these filters; `statuses` are the profiles' names."""
    d, n = tables.document.c, tables.number.c
    where: list[ColumnElement[bool]] = []
    for column, value in ((d.account, account), (d.type, type_)):
        if value:
            where.append(column == value)
    if statuses:
        where.append(d.status.in_(statuses))
    if number:
        where.append(d.id.in_(select(n.document_id).where(n.value == number)))
    return where
