"""`tongguan tables import`: a published table becomes one of this home's, after a look at what it changes and whom it would hinder."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tongguan.codecs.reading.formats.sheet import SheetCell, SheetRow, read_sheet
from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.messages.selection import known_or_wrong
from tongguan.gateway.cli.output import print_json, print_table, say
from tongguan.gateway.journal.reading.restrictions import of_documents
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import NoJournal, Refused
from tongguan.gateway.profile.loading import INSTALLED, OWN, TABLES, load_profiles
from tongguan.gateway.profile.profile import CodeTable, Field, Profile, Profiles
from tongguan.gateway.system.storage import files

MOST_BYTES = 32_000_000
_MOST_TOLD = 20  #: faults, codes and documents that are told; the others are counted
_PAGE = 500
_MANAGED = re.compile(r"新[:：]\s*(\S+?)\s*旧[:：]\s*(\S+)")  #: 管理方式 of the catalogue (manual 003, 商品列表)

TableRows = dict[str, dict[str, str]]
ReadTable = tuple[TableRows, list[str]]
"""Rows by code, and the places where a code stands again: the first one holds."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """What an import does to a table: codes that come, go, or have another row."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def import_table(
    file: Annotated[Path, typer.Argument(help=".xlsx | .csv", exists=True, dir_okay=False, readable=True)],
    table: Annotated[str, typer.Option("--table", help="its name here; without: the file's / 代码表名")] = "",
    add: Annotated[
        bool, typer.Option("--add", help="rows come to the table instead of replacing it / 只增加或替换这些行")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would change, write nothing / 只说明，不写入")] = False,
) -> int:
    """导入公布的代码表 / Import a published code table. Exit 1 when documents in hand have codes that would go."""
    profiles = load_profiles(home=context.home())
    name = table or file.stem
    known_or_wrong(name, profiles.tables, "代码表", "code table")
    present = profiles.tables[name]
    rows, twice = _read(file, present, profiles.tables)
    whole = {**present.rows, **rows} if add else rows
    change = TableChange(
        [code for code in whole if code not in present.rows],
        [code for code in present.rows if code not in whole],
        [code for code, row in whole.items() if code in present.rows and row != present.rows[code]],
    )
    hindered = list(_hindered(profiles, name, frozenset(change.removed)))
    if not dry_run:
        _write(name, present.columns, {**_added(name), **rows} if add else rows, add=add)
    _tell(name, change, hindered, twice, rows=len(whole), written=not dry_run)
    return 1 if hindered else 0


def _read(file: Path, table: CodeTable, tables: Mapping[str, CodeTable]) -> ReadTable:
    """The file's rows as ours, by code; CommandWrong with every cell that cannot be one."""
    if file.stat().st_size > MOST_BYTES:
        raise CommandWrong(f"{file} 超过 {MOST_BYTES} 字节", f"{file} is larger than {MOST_BYTES} bytes")
    try:
        return _rows(list(read_sheet(file.read_bytes(), file.name)), file, table, tables)
    except Refused as refused:
        raise CommandWrong(*("；".join(getattr(fault, lang) for fault in refused.faults) for lang in ("zh", "en"))) from None


def _rows(lines: Sequence[SheetRow], file: Path, table: CodeTable, tables: Mapping[str, CodeTable]) -> ReadTable:
    header, columns = _header(lines, table, file)
    reading = _RowReader(table, tables, columns)
    for line in lines[header + 1 :]:
        if line.sheet == lines[header].sheet:
            reading.take(line)
    if reading.wrong:
        more = len(reading.wrong) - _MOST_TOLD
        told = [*reading.wrong[:_MOST_TOLD], *([(f"另有 {more} 处", f"and {more} more")] if more > 0 else [])]
        zh, en = ("；".join(each) for each in zip(*told, strict=True))
        raise CommandWrong(f"{file.name}：{zh}", f"{file.name}: {en}")
    if not reading.rows:
        raise CommandWrong(f"{file.name} 没有数据行", f"{file.name} has no rows")
    return reading.rows, reading.twice


def _header(lines: Sequence[SheetRow], table: CodeTable, file: Path) -> tuple[int, dict[str, int]]:
    """Which line the headings are, and at which place each column of ours stands there."""
    meanings = tomllib.loads((INSTALLED / TABLES / "headings.toml").read_text("utf-8"))
    wanted = (*table.columns, *(("management",) if "new_mode" in table.columns else ()))
    for n, line in enumerate(lines):
        said = {cell.text.strip("*＊ ").casefold(): at for at, cell in reversed(list(enumerate(line.cells)))}
        found = {
            column: said[word]
            for column in wanted
            for word in (w.casefold() for w in (*reversed(meanings.get(column, [])), column))
            if word in said
        }
        if {"code", "zh"} <= found.keys():
            return n, found
    words = " ".join(meanings["code"]), " ".join(meanings["zh"])
    raise CommandWrong(
        f"{file.name} 没有表头：须有代码列（{words[0]}）和名称列（{words[1]}）",
        f"{file.name} has no line of headings: one column is the code ({words[0]}), one the name ({words[1]})",
    )


class _RowReader:
    """Lines of a sheet to rows of a table, with what is wrong in them."""

    def __init__(self, table: CodeTable, tables: Mapping[str, CodeTable], columns: Mapping[str, int]) -> None:
        self._table, self._columns = table, columns
        self._units = tables.get("unit") if _holds_units(table, tables) else None
        self.rows: TableRows = {}
        self.twice: list[str] = []
        self.wrong: list[tuple[str, str]] = []

    def take(self, line: SheetRow) -> None:
        cells = {column: line.cells[at] for column, at in self._columns.items() if at < len(line.cells)}
        code = self._code(line, cells)
        if code is None:
            return
        if code in self.rows:  # published ones have such: the first holds
            self.twice.append(f"{cells['code'].place} {code}")
            return
        before = self._table.rows.get(code, {})
        row = {column: before.get(column, "") for column in self._table.columns}
        row.update({column: cells[column].text for column in self._table.columns if column in cells})
        row["code"] = code
        row["en"] = row["en"] or row["zh"]
        if not row["zh"]:
            self._complain(cells["code"], f"代码 {code} 没有名称", f"code {code} has no name")
        self._unit(cells, row)
        managed = _MANAGED.search(cells["management"].text) if "management" in cells else None
        if managed is not None:
            row["new_mode"], row["used_mode"] = managed[1], managed[2]
        self.rows[code] = row

    def _code(self, line: SheetRow, cells: Mapping[str, SheetCell]) -> str | None:
        """The row's code; None where the line is none of the table's, or cannot be one."""
        cell = cells.get("code")
        if cell is None or cell.kind == "empty":
            self._complain(line.cells[0], f"第 {line.line} 行没有代码", f"line {line.line} has no code")
            return None
        code = cell.text
        if "year" in cells and "commodity" in self._table.columns and self._columns["code"] == self._columns.get("commodity"):
            code = f"{cells['year'].text}-{code}"
        form = self._table.sample
        fits = re.fullmatch(form, code, re.ASCII) is not None if form else code == code.strip() and len(code) <= 32
        if fits and (cell.kind == "text" or (cell.kind == "number" and form)):
            return code
        if cell.kind != "text":
            zh, en = "代码应为文本，否则前面的 0 会丢失", "a code must be text, or zeros at its beginning are lost"
        else:
            zh, en = f"{code} 不是这个表的代码", f"{code} is no code of this table"
        self._complain(cell, zh, en)
        return None

    def _unit(self, cells: Mapping[str, SheetCell], row: dict[str, str]) -> None:
        """A unit by its name becomes its code, in tables that hold codes there."""
        if self._units is None or "unit" not in cells or not row["unit"] or row["unit"] in self._units.rows:
            return
        code = self._units.codes.get(row["unit"])
        if code is None:
            self._complain(cells["unit"], f"没有单位 {row['unit']}", f"there is no unit {row['unit']}")
        else:
            row["unit"] = code

    def _complain(self, cell: SheetCell, zh: str, en: str) -> None:
        self.wrong.append((f"{cell.place} {zh}", f"{cell.place} {en}"))


def _holds_units(table: CodeTable, tables: Mapping[str, CodeTable]) -> bool:
    """Does its column `unit` hold codes of the table of units?"""
    units = tables.get("unit")
    return units is not None and "unit" in table.columns and all(row["unit"] in units.rows for row in table.rows.values())


def _hindered(profiles: Profiles, table: str, removed: frozenset[str]) -> Iterator[dict[str, str]]:
    """Documents that are still to be sent and have one of these codes, each with its place."""
    if not removed:
        return
    try:
        with context.journal() as journal, journal.search() as records:
            for profile in profiles.values():
                fields = [field for field in profile.fields if field.code_table == table]
                statuses = {status for o in profile.operations.values() if o.body != "none" for status in o.allowed} - {""}
                page = _PAGE if fields and statuses else 0
                offset = 0
                while page:
                    where = of_documents(type_=profile.type, account="", statuses=sorted(statuses), number="")
                    _, found = records.list_documents(where, offset=offset, limit=page)
                    yield from (each for document in found for each in _codes_of(document, profile, fields, removed))
                    offset, page = offset + page, page if len(found) == page else 0
    except NoJournal:
        return


def _codes_of(document: Document, profile: Profile, fields: Sequence[Field], removed: frozenset[str]) -> Iterator[dict[str, str]]:
    for field in fields:
        for value in _values(document.content, field.path.split("/")):
            if value in removed:
                facts = {"document": document.key, "account": document.account, "type": profile.type}
                yield {**facts, "field": field.path, "code": value}


def _values(content: Any, names: Sequence[str]) -> Iterator[str]:
    """Every value at a path of a document's content."""
    if isinstance(content, list):
        for row in content:
            yield from _values(row, names)
    elif not names:
        if isinstance(content, str):
            yield content
    elif isinstance(content, dict):
        yield from _values(content.get(names[0].removesuffix("[]")), names[1:])


def _added(name: str) -> TableRows:
    """The rows that this home adds already."""
    file = context.home() / OWN / TABLES / f"{name}.csv"
    if not file.is_file():
        return {}
    return {row["code"]: row for row in csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline=""))}


def _write(name: str, columns: Sequence[str], rows: TableRows, *, add: bool) -> None:
    folder = context.home() / OWN / TABLES if add else context.home() / TABLES
    files.make_folder(folder)
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(columns)
    lines.writerows([row.get(column, "") for column in columns] for row in rows.values())
    files.write(folder / f"{name}.csv", out.getvalue().encode(), durable=True)


def _tell(
    name: str,
    change: TableChange,
    hindered: Sequence[Mapping[str, str]],
    twice: Sequence[str],
    *,
    rows: int,
    written: bool,
) -> None:
    if context.as_json():
        changes = {"added": change.added, "removed": change.removed, "changed": change.changed}
        print_json(
            {"table": name, "rows": rows, **changes, "twice": list(twice), "documents": list(hindered), "written": written}
        )
        return
    counts = len(change.added), len(change.removed), len(change.changed)
    say(
        "代码表 {}：{} 行；新增 {}，删除 {}，改动 {}".format(name, rows, *counts),
        "code table {}: {} rows; {} come, {} go, {} change".format(name, rows, *counts),
    )
    if twice:
        places = "、".join(twice[:_MOST_TOLD])
        say(f"代码重复，取首行：{places}", f"codes that stand twice, the first row holds: {places}")
    if hindered:
        print_table(
            "单证 账户 类型 字段 代码", "document account type field code", [list(one.values()) for one in hindered[:_MOST_TOLD]]
        )
        say(
            f"以上单证（共 {len(hindered)} 处）中的代码将不在表中，再次申报时会被退回",
            f"codes of these documents ({len(hindered)} in all) will not be in the table: they are refused when they are declared again",
        )
    if written:
        say("已写入；运行中的网关会自行启用", "written; a running gateway takes it up by itself")
    else:
        say("未写入（--dry-run）", "nothing written (--dry-run)")
