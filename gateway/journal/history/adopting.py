"""Take down in the history the rows that an older gateway made: they are held as they are found, once, when it is first started.

Promises: may be repeated; ends with a marker; bodies of files that could not be read get the hash of what is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.rows import unpacked
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.audit import held_tables, stored_rows
from tongguan.gateway.journal.writing.writer import Group

_A_COMMIT = 2000
_SHORT = 32  #: bytes: no frame of something is shorter than that of nothing
_NOTHING = hashlib.sha256(b"").hexdigest()


def adopt(connection: Connection, submit: Callable[[Callable[[Group], Any]], Any]) -> None:
    """Record all rows that `connection` sees."""
    for part in _parts(_records(connection)):
        submit(partial(_leave, part))
    b = tables.body.c
    for row in connection.execute(select(b.message_id, b.role, b.sha256, b.content).where(func.length(b.content) < _SHORT)):
        if row.sha256 != _NOTHING and unpacked(row.content, f"body {row.role} of message {row.message_id}") == b"":
            submit(partial(_mend, row.message_id, row.role))


def _records(connection: Connection) -> Iterator[bytes]:
    for table in held_tables():
        if table is not tables.body:  # the moves' lines have spoken of them from the first day
            yield from digests.records_of(table.name, stored_rows(connection, table))


def _parts(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(records)
    while part := list(islice(left, _A_COMMIT)):
        yield part


def _leave(records: list[bytes], group: Group) -> None:
    group.left += records


def _mend(message_id: str, role: str, group: Group) -> None:
    b = tables.body.c
    group.connection.execute(update(tables.body).where(and_(b.message_id == message_id, b.role == role)).values(sha256=_NOTHING))
    group.left.append(digests.body_record(message_id, role, _NOTHING))
