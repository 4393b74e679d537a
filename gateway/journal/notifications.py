"""The short messages that the journal holds: which are due, which are sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, select, update

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.writing.writer import Group, Writer
from tongguan.gateway.model.notification import Notification

LANE = "notify"  #: the bell that rings when there are new ones


class Notifications:
    """Made by the journal; threads may share it."""

    def __init__(self, writer: Writer, reading: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._writer, self._reading = writer, reading

    def due(self, now: int, limit: int) -> list[Notification]:
        """Those whose time has come, the longest due first."""
        with self._reading() as connection:
            return [Notification(*row) for row in statements.NOTIFICATIONS_DUE.rows(connection, now=now, most=limit)]

    def tried(self, sent: Sequence[str], failed: Mapping[str, int | None]) -> None:
        """The provider has these; those failed and are tried again at their time (None: never)."""
        n = tables.notification.c

        def write(group: Group) -> None:
            more = {"attempts": n.attempts + 1}
            for id_ in sent:
                done = update(tables.notification).where(n.id == id_).values(**more, sent_at=group.at, next_at=None)
                group.connection.execute(done)
                row = group.connection.execute(select(tables.notification).where(n.id == id_)).mappings().all()
                group.left += digests.records_of("notification", row)
            for id_, again in failed.items():
                group.connection.execute(update(tables.notification).where(n.id == id_).values(**more, next_at=again))

        self._writer.submit(write)
