"""What each entry of the history left behind, the order of runs, who shut a lane."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("history", sa.Column("leaves", sa.LargeBinary(), nullable=True))
    op.add_column("lane", sa.Column("who", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
    # Rows stand in the order in which they were committed, which no clock can set back.
    op.execute("UPDATE run SET number = rowid")
