"""A value that no gateway wrote, which SQLite lets in anywhere, ends no command that looks with a traceback."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journals import comes, moves, open_journal, receipt_message, written
from sqlalchemy import Column, Integer, LargeBinary, Table

from tongguan.gateway.cli import main
from tongguan.gateway.cli.commands import COMMANDS, CommandGroup
from tongguan.gateway.model.message import State

from .test_altered import TABLES, lived, rows
from .test_damaged import SETTINGS, says

pytestmark = pytest.mark.requirement("GW-11")

#: every command that looks into the rows of messages, documents, receipts and moves, as it is typed
LOOKS = [
    "list", "list --json", "show m1", "show m1 --json", "timeline m1", "timeline gateway", "answers m1", "documents",
    "documents --json", "deadlines", "quarantine list", "quarantine show q", "status", "status --json", "audit verify", "audit list",
]  # fmt: skip
#: those that make something, act, or look elsewhere
OTHERS = {
    "init", "demo", "run", "simulate", "check", "bench", "hold", "release", "retry", "stop", "give-up", "pause", "resume",
    "quarantine apply", "quarantine drop", "card list", "card bind", "card test", "card pin", "mailbox list", "mailbox adopt",
    "queues show", "queues dead", "events replay", "alerts test", "service install", "config show", "reload", "tables show",
    "tables import", "profiles", "doctor", "config check", "audit accept", "merge",
    "backup", "restore", "upgrade",
}  # fmt: skip
STORED = [t for t in TABLES if t.name in ("message", "document", "receipt", "move", "answer", "lane", "orders")]


def every(commands: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in commands.items():
        if isinstance(entry, CommandGroup):
            yield from (f"{name} {below}" for below in entry.commands)
        else:
            yield name


def test_every_command_is_tried_or_is_known_not_to_look() -> None:
    assert {name for name in every(COMMANDS) if not any(f"{look} ".startswith(f"{name} ") for look in LOOKS)} == OTHERS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("past")
    journal = open_journal(home)
    lived(journal)
    written(journal, comes(unbelieved := receipt_message("q")))
    written(journal, moves(unbelieved, State.QUARANTINED))
    journal.close()
    (home / "tongguan.toml").write_text(SETTINGS)
    return home


def strange(column: Column[Any]) -> Any:
    return "text" if isinstance(column.type, (Integer, LargeBinary)) else b"\xff\0"


def put(home: Path, table: Table, values: Mapping[str, Any], column: Column[Any], value: Any) -> bool:
    """Set a column of the row with these values; False where the database does not let it in."""
    where = " AND ".join(f'"{c.name}" IS ?' for c in table.primary_key.columns)
    key = [values[c.name] for c in table.primary_key.columns]
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        try:
            return base.execute(f'UPDATE "{table.name}" SET "{column.name}" = ? WHERE {where}', (value, *key)).rowcount == 1
        except sqlite3.Error:
            return False


def ends(home: Path, look: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """A command's exit code and all that it says, when it ends in words."""
    with pytest.raises(SystemExit) as ended:
        main([*look.split(), "--home", str(home)])
    said = capfd.readouterr()
    assert ended.value.code in (0, 1, 2, 78)
    assert says(said.err + said.out)
    return ended.value.code, said.err + said.out


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("table", STORED, ids=lambda table: table.name)
def test_a_value_of_another_kind_in_any_column_ends_no_look_with_a_traceback(
    home: Path, table: Table, look: str, capfd: pytest.CaptureFixture[str]
) -> None:
    row = rows(home, table)[0]
    for column in table.columns:
        if put(home, table, row, column, value := strange(column)):
            try:
                ends(home, look, capfd)
            finally:
                assert put(home, table, {**row, column.name: value}, column, row[column.name])


@pytest.mark.parametrize("value", ["text", b"\xff\0", 10**18, -(10**18)], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    ("where", "look"),
    [
        ("message received_at", "list"),
        ("document updated_at", "documents"),
        ("receipt issued_at", "show m1"),
        ("move at", "audit list"),
    ],
)
def test_the_row_and_its_column_are_named(
    home: Path, where: str, look: str, value: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    table = next(t for t in TABLES if t.name == where.split()[0])
    column = table.c[where.split()[1]]
    row = rows(home, table)[1 if table.name != "move" else -1]
    named = f"{table.name} {' '.join(str(row[c.name]) for c in table.primary_key.columns)}: {column.name}"
    assert put(home, table, row, column, value)
    try:
        code, said = ends(home, look, capfd)
        assert code == 78 and named in said
        assert named in ends(home, "doctor", capfd)[1]
        assert ends(home, "audit verify", capfd)[0] == 1
    finally:
        assert put(home, table, row, column, row[column.name])
    assert ends(home, "audit verify", capfd)[0] == 0
