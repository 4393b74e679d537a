"""How many suspects of a crash may be in one hand."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("crash", sa.Column("together", sa.Integer(), nullable=False, server_default="1"))
