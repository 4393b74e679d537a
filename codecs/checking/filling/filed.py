"""Fields that are filled from another document: where its values come from, and what is said when they cannot.

Whoever checks a message gives `Filed`: it looks the document up, once a message. Without it nothing is known of other documents: what
the sender said stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Contexts, Node, Row, Rows, at, first, split
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import FiledSource, Text

STOPPED = "1"
RowKey = tuple[str, ...]


@record
class FiledContent:
    """The other document, as fields are filled from it: its rows by their keys; of its head there is one, without a key."""

    title: Text  #: of its type
    rows: Mapping[RowKey, Row]


RowsFound = dict[tuple[str, int], tuple[Rows, Row]]
"""By source and the identity of rows: these, so that it stays theirs, and what they are filled from."""

Filed = Callable[[FiledSource, str, str], FiledContent | None]
"""The document of a source that has this number or key, and is for whom the type's `[party]` names with this code; None when there is none."""


def by_key(source: FiledSource, title: Text, content: Content) -> FiledContent:
    """A document's content made ready to be filled from."""
    if not source.table:
        return FiledContent(title, {(): content})
    tables, _ = split(source.table)
    rows: list[Row] = [content]
    for table in tables:
        rows = [row for outer in rows for row in at(outer, table.split("/")) or ()]
    columns = [column.split("/") for column in source.key.values()]
    keyed: dict[RowKey, Row] = {}
    for row in rows:
        keyed.setdefault(tuple(str(at(row, names) or "") for names in columns), row)
    return FiledContent(title, keyed)


@dataclass(frozen=True, slots=True)
class FiledLook:
    """A source as it is seen from where fields are filled from it."""

    source: FiledSource
    names: Node  #: whose value names the document
    tables: tuple[str, ...]  #: in whose rows the fields stand
    key: tuple[Node, ...]  #: whose values name the row
    read_number: Callable[[Rows], Any]
    read_key: tuple[Callable[[Rows], Any], ...]
    read_party: Callable[[Rows], Any]

    @classmethod
    def of(cls, source: FiledSource, names: Node, tables: tuple[str, ...], key: tuple[Node, ...], party: str) -> FiledLook:
        """With its ways through the content made once: every cell is looked at through it. `party`: path of the code of whom it is for."""
        of_party = first(party, tables) if party else lambda rows: None
        read_key = tuple(first(n.field.path, tables) for n in key)
        return cls(source, names, tables, key, first(names.field.path, tables), read_key, of_party)

    def number(self, rows: Rows) -> str | None:
        """What names the document."""
        found = self.read_number(rows)
        return found if isinstance(found, str) else None

    def party(self, rows: Rows) -> str:
        """The code of whom the document is for; empty where none is said."""
        found = self.read_party(rows)
        return found if isinstance(found, str) else ""

    def row_key(self, rows: Rows) -> RowKey | None:
        """What names the row; None while a part of it is absent."""
        found = tuple([read(rows) for read in self.read_key])
        return found if None not in found else None

    def row(self, rows: Rows, filed: Filed | None, known: RowsFound) -> Row | None:
        """The row that these rows are filled from; None where there is none, or nobody knows. `known` has it for their other fields."""
        before = known.get((self.source.name, id(rows)))
        if before is not None:
            return before[1]
        number, key = self.number(rows), self.row_key(rows)
        if filed is None or number is None or key is None:
            return None
        document = filed(self.source, number, self.party(rows))
        found = document.rows.get(key) if document is not None else None
        if found is not None:
            known[self.source.name, id(rows)] = rows, found
        return found


def look_at_filed(looks: tuple[FiledLook, ...], contexts: Contexts, filed: Filed | None, findings: FaultList) -> None:
    """Faults where a document is named that there is not, or a row that it has not, or that is stopped."""
    if filed is None:
        return
    unknown: set[str] = set()
    for look in looks:
        for rows, trail in contexts[look.tables]:
            number = look.number(rows)
            if number is None or look.names.field.path in unknown:
                continue
            document = filed(look.source, number, look.party(rows))
            if document is None:
                unknown.add(look.names.field.path)
                findings.add("GW-C32", tuple(split(look.names.field.path)[1]), look.names, value=number)
                continue
            for code in _wrong(look, rows, document):
                last = look.key[-1]
                facts = {"title": document.title.zh, "title_en": document.title.en, "number": number}
                value = "-".join(look.row_key(rows) or ())
                findings.add(code, (*trail, *split(last.field.path)[1]), last, value=value, **facts)


def _wrong(look: FiledLook, rows: Rows, document: FiledContent) -> Iterator[str]:
    key = look.row_key(rows)
    row = document.rows.get(key) if key is not None else None
    if key and row is None:
        yield "GW-C30"
    elif key and row is not None and at(row, look.source.unless.split("/")) == STOPPED:
        yield "GW-C31"
