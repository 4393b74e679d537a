"""What is left of a licence, as its authority told."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("document", sa.Column("quantities", sa.Text(), nullable=True))
