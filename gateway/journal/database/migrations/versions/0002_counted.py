"""What statistics count."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("document", sa.Column("counted_at", big, nullable=True))
    op.create_table(
        "counted",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("issuing_agency", sa.Text(), nullable=False),
        sa.Column("trade_mode", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("quantity_high", big, nullable=False),
        sa.Column("quantity_low", big, nullable=False),
        sa.Column("amount_high", big, nullable=False),
        sa.Column("amount_low", big, nullable=False),
        sa.Column("first_of_commodity", sa.Integer(), nullable=False),
        sa.Column("first_of_category", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "type", "month", "commodity", "unit", "document_id", "line"),
        sqlite_with_rowid=False,
    )
    op.create_index("counted_document", "counted", ["document_id"], unique=False)
