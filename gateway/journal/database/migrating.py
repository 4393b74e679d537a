"""Bring the journal to the newest schema: a new one gets all tables at once, that of an older release Alembic's migrations."""

from __future__ import annotations

from importlib.resources import files

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from tongguan.gateway.journal.database import schema, tables


def to_newest(engine: Engine) -> None:
    """Make the tables, or run the migrations that the database lacks; raises JournalUnfit when none lead to here."""
    with engine.begin() as connection:
        found = schema.present(connection)
        schema.known_or_refused(found)
        if found is None:
            tables.metadata.create_all(connection, checkfirst=False)
            MigrationContext.configure(connection).stamp(_scripts(), "head")
        elif found != schema.revisions()[-1]:
            migrate(connection, _scripts())


def migrate(connection: Connection, scripts: ScriptDirectory) -> None:
    with EnvironmentContext(Config(), scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)) as environment:
        environment.configure(connection=connection, render_as_batch=True)
        environment.run_migrations()


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(files("tongguan.gateway.journal.database") / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)
