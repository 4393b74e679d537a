"""Alembic, which runs the migrations of an older release's journal."""

from __future__ import annotations

from importlib.resources import files

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def migrate(connection: Connection, scripts: ScriptDirectory | None = None) -> None:
    """Run what the database lacks of these migrations: those of this release, unless others are given."""
    found = scripts or _scripts()
    with EnvironmentContext(Config(), found, fn=lambda revision, _: found._upgrade_revs("head", revision)) as environment:
        environment.configure(connection=connection, render_as_batch=True)
        environment.run_migrations()


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(files("tongguan.gateway.journal.database") / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)
