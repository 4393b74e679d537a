"""Bring the journal to the newest schema: a new one gets all tables at once, that of an older release Alembic's migrations."""

from __future__ import annotations

from sqlalchemy import Column, Engine, MetaData, PrimaryKeyConstraint, String, Table, insert

from tongguan.gateway.journal.database import schema, tables

_VERSION = Table(  # as Alembic makes it
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def to_newest(engine: Engine, *, upgrades: bool = True) -> None:
    """Make the tables, or run the migrations that the database lacks.

    Raises JournalUnfit when none lead to here, or when there are some and nobody asked for an upgrade.
    """
    newest = schema.revisions()[-1]
    with engine.begin() as connection:
        found = schema.present(connection)
        schema.known_or_refused(found)
        if found is None:
            tables.metadata.create_all(connection, checkfirst=False)
            _VERSION.create(connection)
            connection.execute(insert(_VERSION).values(version_num=newest))
        elif found != newest:
            if not upgrades:
                schema.fits(connection)
            # Imported here: Alembic takes a tenth of a second, and few starts need it.
            from tongguan.gateway.journal.database.upgrading import migrate

            migrate(connection)
