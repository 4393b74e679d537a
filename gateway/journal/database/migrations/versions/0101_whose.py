"""Claims belong to a run, and runs to a gateway; a checkpoint is a cursor over the chains of runs, no longer the number of a move."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"

_AT = sa.text(
    "SELECT run.number, move.run, move.entry FROM move JOIN run ON run.id = move.run WHERE move.n <= :n ORDER BY move.n DESC LIMIT 1"
)


def upgrade() -> None:
    for table, column in (("claim", "run"), ("run", "gateway")):
        op.add_column(table, sa.Column(column, sa.Text()))
    base = op.get_bind()
    for name, n in base.execute(sa.text("SELECT name, value FROM marker WHERE name LIKE 'checkpoint:%'")).all():
        number, run, entry = base.execute(_AT, {"n": int(n)}).first() or (0, "", 0)
        cursor = json.dumps([number, {run: entry}], separators=(",", ":"))
        base.execute(sa.text("UPDATE marker SET value = :cursor WHERE name = :name"), {"cursor": cursor, "name": name})
