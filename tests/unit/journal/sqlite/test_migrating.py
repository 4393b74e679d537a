"""From nothing, or an earlier release, to the newest schema, and never from another."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tarfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from journals import comes, open_journal, stored, submission, written
from sqlalchemy import Engine

from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.database import migrating, tables, upgrading
from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.journal.database.schema import present, revisions
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.errors import SettingsWrong

HOMES = sorted(Path(__file__).parents[3].glob("flow/homes/*.tar.xz"))


def tables_of(engine: Engine) -> dict[str, list[str]]:
    """Words of each table's and index's statement: where-clauses of partial indexes too, which Alembic does not compare."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    return {name: sorted(re.sub(r'[(),"]', " ", sql).split()) for name, sql in found}


@pytest.mark.parametrize("kept", HOMES, ids=lambda path: path.name)
def test_the_migrations_lead_from_each_release_to_the_tables_that_the_code_knows(kept: Path, tmp_path: Path) -> None:
    with tarfile.open(kept) as archive:
        archive.extractall(tmp_path, filter="data")
    engine = open_engine("sqlite:///tongguan.db", tmp_path / "home", writes=True)
    migrating.to_newest(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    made = tables_of(engine)
    engine.dispose()
    fresh = open_engine("sqlite:///fresh.db", tmp_path, writes=True)
    migrating.to_newest(fresh)
    known = tables_of(fresh)
    fresh.dispose()

    assert made == known


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    written(first, comes(submission("m")))
    first.close()
    second = open_journal(tmp_path)

    assert stored(second, "m").id == "m"
    second.close()


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("9999", r"9999 is newer .* install the newer gateway"),
        ("0008", r"0008 is of no version that was released.* tongguan init"),
    ],
)
def test_a_journal_that_no_migration_leads_from_is_refused_with_what_to_do(tmp_path: Path, revision: str, said: str) -> None:
    open_journal(tmp_path).close()
    engine = open_engine("sqlite:///tongguan.db", tmp_path, writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    engine.dispose()

    with pytest.raises(SettingsWrong, match=said):
        open_journal(tmp_path)
    with pytest.raises(SettingsWrong, match=said), JournalClient.open("sqlite:///tongguan.db", tmp_path):
        pass


def test_migrations_run_from_an_older_release_in_their_order(tmp_path: Path) -> None:
    """As Alembic runs them: two that are made up here follow the newest."""
    folder = tmp_path / "migrations"
    shutil.copytree(Path(migrating.__file__).with_name("migrations"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    for before, revision in pairwise([revisions()[-1], "8888", "9999"]):
        adds = f"op.add_column('message', sa.Column('of_{revision}', sa.Text()))"
        script = f"import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = {revision!r}, {before!r}\n"
        (folder / "versions" / f"{revision}_more.py").write_text(f"{script}def upgrade():\n    {adds}\n")
    engine = open_engine("sqlite:///tongguan.db", tmp_path, writes=True)
    migrating.to_newest(engine)
    with engine.begin() as connection:
        upgrading.migrate(connection, ScriptDirectory(folder))
        assert present(connection) == "9999"
        columns = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(message)")]
    engine.dispose()

    assert columns[-2:] == ["of_8888", "of_9999"]


def test_the_checkpoints_of_the_first_release_become_places(tmp_path: Path) -> None:
    with tarfile.open(HOMES[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "home" / "tongguan.db")) as base:
        ((name, n),) = base.execute("SELECT name, value FROM marker WHERE name LIKE 'checkpoint:teller:%'").fetchall()
        run, entry = base.execute("SELECT run, entry FROM move WHERE n = ?", (n,)).fetchone()
    journal = Journal.open("sqlite:///tongguan.db", tmp_path / "home", upgrades=True)
    cursor = journal.checkpoint(name.removeprefix("checkpoint:"))
    journal.close()

    assert cursor == Cursor(1, {run: entry})
