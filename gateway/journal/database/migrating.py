"""Bring the journal to the newest schema with Alembic; an unknown newer one is refused."""

from __future__ import annotations

from importlib.resources import files

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from tongguan.gateway.journal.database.schema import newer


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(files("tongguan.gateway.journal.database") / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def to_newest(engine: Engine) -> None:
    """Run the migrations that the database lacks.

    Raises JournalUnfit when it was written by a newer gateway.
    """
    scripts = _scripts()
    newest = scripts.get_current_head()
    with engine.begin() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        if present == newest:
            return
        if present is not None and present not in {s.revision for s in scripts.walk_revisions()}:
            raise newer(present, newest or "")
        with EnvironmentContext(Config(), scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)) as environment:
            environment.configure(connection=connection, render_as_batch=True)
            environment.run_migrations()
