"""Short messages to people."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "notification",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("next_at", big, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", big, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notification_once", "notification", ["receipt", "phone"], unique=True)
    waits = sa.text("next_at IS NOT NULL")
    op.create_index("notification_due", "notification", ["next_at"], sqlite_where=waits, postgresql_where=waits)
