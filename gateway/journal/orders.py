"""Orders of operators: rows, so that the command line never writes beside the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, insert, literal_column, select, update
from sqlalchemy.sql.elements import ColumnElement

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.ids import new_id

OpenOrder = tuple[str, str, str, str]
"""Id, who, why, and the command as it is stored."""


def give(connection: Connection, who: str, why: str, command: Mapping[str, Any], at: int) -> str:
    """Leave an order; its id, for `Search.order_result`."""
    id_ = new_id()
    row = {"id": id_, "at": at, "who": who, "why": why, "command": orjson.dumps(command).decode()}
    connection.execute(insert(tables.order).values(row))
    return id_


def open_orders(connection: Connection) -> list[OpenOrder]:
    """Those that wait, in the order in which they came, whatever the clock said."""
    o = tables.order.c
    came: ColumnElement[int] = literal_column("orders.rowid")
    rows = connection.execute(select(o.id, o.who, o.why, o.command).where(o.done_at.is_(None)).order_by(came))
    return [tuple(row) for row in rows]


def done(group: Group, id_: str, result: Any) -> None:
    """It was carried out, with this result; from now on it is history."""
    mine = tables.order.c.id == id_
    group.connection.execute(update(tables.order).where(mine).values(done_at=group.at, result=orjson.dumps(result).decode()))
    group.left += digests.records_of("orders", group.connection.execute(select(tables.order).where(mine)).mappings().all())
