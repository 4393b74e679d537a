"""What a message waits for in another document, content that awaits agreement, what documents hold of licences, and dimensions
that each type names for itself."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text, text

revision = "0103"
down_revision = "0102"


def upgrade() -> None:
    op.add_column("message", Column("waits_on", Text))
    op.create_index("message_waits_on", "message", ("waits_on",), sqlite_where=text("waits_on IS NOT NULL"))
    op.add_column("document", Column("pending", LargeBinary))
    op.create_index("reservation_document", "reservation", ("document_id",))
    for n, was in enumerate(("issuing_agency", "trade_mode", "country"), 1):
        op.execute(f"ALTER TABLE counted RENAME COLUMN {was} TO dimension_{n}")
    for table, key in (("licence_used", ("licence_id", "line")), ("licence_taken", ("document_id", "licence_id", "line"))):
        names = [Column(name, Text, nullable=False) for name in key]
        parts = [Column(name, BigInteger().with_variant(Integer, "sqlite"), nullable=False) for name in ("high", "low")]
        op.create_table(table, *names, *parts, PrimaryKeyConstraint(*key), sqlite_with_rowid=False)
