"""Where answers to what came through a queue go, and how many events were told of each document."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text, text

revision = "0105"
down_revision = "0104"


def upgrade() -> None:
    op.create_table(
        "queue_delivery",
        Column("message_id", Text, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("account", "key", "reply_to", "correlation_id")),
        sqlite_with_rowid=False,
    )
    op.create_index("queue_delivery_key", "queue_delivery", ["account", "key"], sqlite_where=text("key <> ''"))
    op.create_table(
        "event_count",
        Column("document_id", Text, primary_key=True),
        Column("count", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
        sqlite_with_rowid=False,
    )
