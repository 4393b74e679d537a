"""Claims belong to a run, and runs to a gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"


def upgrade() -> None:
    for table, column in (("claim", "run"), ("run", "gateway")):
        op.add_column(table, sa.Column(column, sa.Text()))
