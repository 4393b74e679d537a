"""`tongguan tables`: the code tables that messages are checked with, as they hold in this home."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tongguan.gateway.cli import context
from tongguan.gateway.cli.context import t
from tongguan.gateway.cli.messages.selection import known_or_wrong
from tongguan.gateway.cli.output import print_json, print_table, say
from tongguan.gateway.profile.loading import OWN, TABLES, load_profiles
from tongguan.gateway.profile.profile import CodeTable, Profiles


def show(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="a table / 代码表名")] = "",
    text: Annotated[str, typer.Option("--text", help="rows with these letters / 含有这些字的行")] = "",
) -> None:
    """列出代码表，或一个表的各行 / List the code tables, or the rows of one."""
    profiles = load_profiles(home=context.home() if (context.home() / "tongguan.toml").is_file() else None)
    if not name:
        _list(profiles)
        return
    known_or_wrong(name, profiles.tables, "代码表", "code table")
    table = profiles.tables[name]
    rows = [row for row in table.rows.values() if any(text.casefold() in value.casefold() for value in row.values())]
    if context.as_json():
        print_json({**_facts(table, profiles), "columns": table.columns, "rows": rows})
        return
    print_table(" ".join(table.columns), " ".join(table.columns), [[row[column] for column in table.columns] for row in rows])
    if table.sample:
        say(
            f"这只是公布的表的一部分：表外的代码只提示；导入完整的表：tongguan tables import FILE --table {name}",
            f"this is a part of the published table: other codes are only warned of; to bring in the whole one: tongguan tables import FILE --table {name}",
        )


def _list(profiles: Profiles) -> None:
    every = [_facts(table, profiles) for table in profiles.tables.values()]
    if context.as_json():
        print_json(every)
        return
    shown = [
        (f["table"], f["rows"], t("样例", "sample") if f["sample"] else "", t(*_SOURCES[f["source"]]), _few(f["types"]))
        for f in every
    ]
    print_table("代码表 行数 完整性 来源 用于", "table rows whole source used-by", shown)


_MOST_SHOWN = 4  #: types that the list names of a table; JSON has them all
_SOURCES = {
    "installed": ("随附", "installed"),
    "home": ("本主目录", "this home"),
    "added": ("随附，本主目录有增改", "installed, with rows of this home"),
}


def _few(types: Sequence[str]) -> str:
    return " ".join(types[:_MOST_SHOWN]) + (f" +{len(types) - _MOST_SHOWN}" if len(types) > _MOST_SHOWN else "")


def _facts(table: CodeTable, profiles: Profiles) -> dict[str, Any]:
    """Of a table: its rows counted, whether it is a part of the published one, whose it is, and which types have it in a field."""
    types = [p.type for p in profiles.values() if any(field.code_table == table.name for field in p.fields)]
    return {
        "table": table.name,
        "rows": len(table.rows),
        "sample": bool(table.sample),
        "source": _source(table.name),
        "types": types,
    }


def _source(name: str) -> str:
    if (context.home() / TABLES / f"{name}.csv").is_file():
        return "home"
    return "added" if (context.home() / OWN / TABLES / f"{name}.csv").is_file() else "installed"
