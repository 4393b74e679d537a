"""Orders of operators: rows, so that the command line never writes beside the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select, update

from tongguan.gateway.journal.database import statements, tables
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
    """Those that wait, in the order in which they came."""
    return [(id_, who, why, command) for id_, who, why, command in statements.ORDERS.rows(connection)]


def done(group: Group, id_: str, result: Any) -> None:
    """It was carried out, with this result; from now on it is history."""
    mine = tables.order.c.id == id_
    group.connection.execute(update(tables.order).where(mine).values(done_at=group.at, result=orjson.dumps(result).decode()))
    group.left += digests.records_of("orders", group.connection.execute(select(tables.order).where(mine)).mappings().all())
