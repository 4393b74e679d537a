"""From nothing to the newest schema, and never from a newer one."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from journals import comes, open_journal, stored, submission, written

from tongguan.gateway.journal.database import migrating, tables
from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.model.errors import SettingsWrong


def test_the_migrations_lead_to_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    engine = open_engine("sqlite:///tongguan.db", tmp_path, writes=True)
    migrating.to_newest(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        made = {
            name: sql for name, sql in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        }
    engine.dispose()
    plain = open_engine("sqlite:///plain.db", tmp_path, writes=True)
    tables.metadata.create_all(plain)
    with plain.connect() as connection:
        known = {
            name: sql for name, sql in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        }
    plain.dispose()

    assert made.keys() - known.keys() == {"alembic_version"}
    for name, sql in known.items():  # where-clauses of partial indexes too, which Alembic does not compare
        assert _words(made[name]) == _words(sql), name


def _words(sql: str) -> list[str]:
    return sorted(sql.replace("(", " ").replace(")", " ").replace(",", " ").replace('"', "").split())


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    written(first, comes(submission("m")))
    first.close()
    second = open_journal(tmp_path)

    assert stored(second, "m").id == "m"
    second.close()


def test_a_newer_journal_is_refused_with_what_to_do(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    engine = open_engine("sqlite:///tongguan.db", tmp_path, writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()

    with pytest.raises(SettingsWrong, match=r"9999 is newer .* install the newer gateway"):
        open_journal(tmp_path)
