"""fields.csv: what is in a document type."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields as attributes
from functools import lru_cache
from pathlib import Path

from tongguan.gateway.model.errors import nearest
from tongguan.gateway.profile.profile import CodeTable, Field
from tongguan.gateway.profile.source import Complaints, read_csv

TYPES = ("text", "code", "number", "date", "datetime", "flag", "secret", "group", "table")
COLUMNS = tuple(a.name for a in attributes(Field) if a.name != "place")
_OCCURS = re.compile(r"(?:1|[0-9]+\.\.(?:[0-9]+|n))?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def read_fields(
    files: Iterable[Path], tables: Mapping[str, CodeTable], operations: Collection[str], complaints: Complaints
) -> tuple[Field, ...]:
    """The rows of all files in order; a later row replaces an earlier one of the same path (a type's own after its form's)."""
    fields: dict[str, Field] = {}
    for file in files:
        own: set[str] = set()
        for field in _rows(file, complaints):
            if field.path in own:
                complaints.add(field.place, f"字段 {field.path} 重复", f"field {field.path} stands twice")
            own.add(field.path)
            _named(field, fields, complaints)
            _known(field, tables, operations, complaints)
            fields[field.path] = field
    return tuple(fields.values())


@lru_cache(maxsize=8)
def _rows(file: Path, complaints: Complaints) -> tuple[Field, ...]:
    """What a file says: a form's is read once, for all of its types, as long as the complaints are the same."""
    rows = read_csv(file, complaints, COLUMNS) if file.is_file() else ()
    fields = (_field(row, f"{file}:{line}", complaints) for line, row in rows)
    return tuple(field for field in fields if field is not None)


def _field(row: Mapping[str, str], place: str, complaints: Complaints) -> Field | None:
    try:
        return Field(
            **{
                **{name: row[name] for name in COLUMNS},
                "name": row["name"] or row["path"].rpartition("/")[2].removesuffix("[]"),
                "length": int(row["length"] or 0),
                "precision": int(row["precision"] or 0),
                "required_at": frozenset(row["required_at"].split()),
                "changeable_by": frozenset(row["changeable_by"].split()),
                "place": place,
            }  # type: ignore[arg-type]
        )
    except ValueError as wrong:
        complaints.add(place, f"length 和 precision 应为整数：{wrong}", f"length and precision are whole numbers: {wrong}")
        return None


def _named(field: Field, before: Mapping[str, Field], complaints: Complaints) -> None:
    """A field's name is the end of its path, and its group or table stands before it."""
    parent, _, last = field.path.rpartition("/")
    if last.removesuffix("[]") != field.name or not _NAME.fullmatch(field.name):
        name, path = repr(field.name), repr(field.path)
        complaints.add(
            field.place, f"名称 {name} 不是路径 {path} 的最后一段", f"name {name} is not the last element of path {path}"
        )
    if last.endswith("[]") != (field.type == "table"):
        complaints.add(
            field.place,
            f"{field.path}：表的路径以 [] 结尾，也只有表的如此",
            f"{field.path}: a table's path ends in [], and only a table's",
        )
    if parent and (parent not in before or before[parent].type not in ("group", "table")):
        zh, en = nearest(parent, before)
        complaints.add(
            field.place,
            f"{field.path}：此前没有组或表 {parent!r}{zh}",
            f"{field.path}: no group or table {parent!r} stands before it{en}",
        )


def _known(field: Field, tables: Mapping[str, CodeTable], operations: Collection[str], complaints: Complaints) -> None:
    if field.type not in TYPES:
        complaints.unknown(field.place, "type", field.type, TYPES)
    if field.code_table and field.code_table not in tables:
        complaints.unknown(field.place, "code table", field.code_table, tables)
    for operation in sorted(field.required_at | field.changeable_by):
        if operation not in operations:
            complaints.unknown(field.place, "operation", operation, operations)
    if not _OCCURS.fullmatch(field.occurs):
        said = repr(field.occurs)
        complaints.add(
            field.place, f"occurs {said} 不像 1、0..1、1..4 或 0..n", f"occurs {said} is not like 1, 0..1, 1..4 or 0..n"
        )
    for bound in (field.least, field.most):
        if bound and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", bound):
            complaints.add(field.place, f"界限 {bound!r} 不是数", f"bound {bound!r} is no number")
    try:
        re.compile(field.pattern)
    except re.error as wrong:
        complaints.add(field.place, f"样式 {field.pattern!r} 不对：{wrong}", f"pattern {field.pattern!r}: {wrong}")
