"""Statements made once, whose texts go to the driver itself: Core costs several times what running them does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, insert, update
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

_LIST = re.compile(r"(VALUES \()?__\[POSTCOMPILE_\w+\]")  #: where Core leaves the place of a list; of rows of one value each


class PreparedStatement:
    """A statement with named values. A value that is a list fills an `IN`, or the rows after `VALUES`; its last one is repeated,
    so that few lengths occur."""

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement
        self._names: list[tuple[str, Any]] = []  # of the values in their order; None, or what stands for one that is not given
        self._texts: dict[tuple[int, ...] | None, str] = {}  # by the lengths of its lists; None: as Core made it

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """All rows that it gives; DBAPIError when the database refuses."""
        text, given = self._filled(connection.dialect, values)
        try:
            cursor = connection.connection.cursor()
            cursor.execute(text, given)
            return list(cursor.fetchall())
        except connection.dialect.loaded_dbapi.Error as wrong:
            raise _refused(connection, text, wrong) from wrong

    def column(self, connection: Connection, **values: Any) -> list[Any]:
        """The first value of each row that it gives."""
        return [row[0] for row in self.rows(connection, **values)]

    def value(self, connection: Connection, **values: Any) -> Any:
        """The first value of its first row; None when it gives none."""
        return next(iter(self.column(connection, **values)), None)

    def write(self, connection: Connection, *each: Mapping[str, Any]) -> int:
        """Run it with each of these values; how many rows it wrote. All lists are as long as the first one's."""
        filled = [self._filled(connection.dialect, values) for values in each]
        return _run_many(connection, filled[0][0], [given for _, given in filled])

    def _filled(self, dialect: Dialect, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Its text for lists of these lengths, and the values in their order."""
        if not self._texts:
            compiled = self.statement.compile(dialect=dialect)
            assert isinstance(compiled, SQLCompiler)
            self._names = [(name, compiled.params[name]) for name in compiled.positiontup or ()]
            self._texts[None] = str(compiled)
        given: list[Any] = []
        lengths: list[int] = []
        for name, usual in self._names:
            value = values[name] if usual is None else values.get(name, usual)
            if isinstance(value, list):
                lengths.append(1 << (len(value) - 1).bit_length() if value else 0)
                given += value
                given += value[-1:] * (lengths[-1] - len(value))
            else:
                given.append(value)
        key = tuple(lengths)
        if key not in self._texts:
            marks = iter(lengths)
            self._texts[key] = _LIST.sub(lambda found: _marks(next(marks), found[1] or ""), self._texts[None])
        return self._texts[key], given


class BulkStatements:
    """Writing many rows of a table, by a statement for each set of columns."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[tuple[str, ...], tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]] = {}

    def insert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, again: bool = False) -> int:
        """Insert rows of the same columns; how many were. `again`: one that is there already stays as it is."""
        key = ("insert", table.name, *rows[0])
        if key not in self._known:
            self._know(key, insert(table).values(dict.fromkeys(rows[0])), rows[0])
        text, values = self._known[key]
        return _run_many(connection, text + (" ON CONFLICT DO NOTHING" if again else ""), list(map(values, rows)))

    def update(
        self, connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Mapping[str, Any]], *, fence: str
    ) -> int:
        """Update these columns by `id`, each row where the column `fence` still has what the row's `was` says; how many were."""
        key = ("update", table.name, *names)
        if key not in self._known:
            present = and_(table.c.id == bindparam("_id"), table.c[fence] == bindparam("was"))
            self._know(key, update(table).where(present).values(dict.fromkeys(names)), names)
        text, values = self._known[key]
        return _run_many(connection, text, list(map(values, rows)))

    def _know(self, key: tuple[str, ...], statement: ClauseElement, names: Iterable[str]) -> None:
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        order = compiled.positiontup or names
        self._known[key] = (str(compiled), itemgetter(*("id" if name == "_id" else name for name in order)))


def _run_many(connection: Connection, text: str, values: Sequence[Sequence[Any]]) -> int:
    """Run it with each of these values; how many rows that wrote. DBAPIError when the database refuses."""
    try:
        cursor = connection.connection.cursor()
        cursor.executemany(text, values)
        return int(cursor.rowcount)
    except connection.dialect.loaded_dbapi.Error as wrong:
        raise _refused(connection, text, wrong) from wrong


def _marks(count: int, rows: str) -> str:
    return rows + ("), (" if rows else ", ").join("?" * count)


def _refused(connection: Connection, text: str, wrong: Exception) -> Exception:
    """What Core would have raised."""
    return DBAPIError.instance(text, None, wrong, connection.dialect.loaded_dbapi.Error, dialect=connection.dialect)
