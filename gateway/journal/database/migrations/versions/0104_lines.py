"""What documents are merged by, and which became part of which."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text, text

revision = "0104"
down_revision = "0103"

_big = BigInteger().with_variant(Integer, "sqlite")


def _columns(kind: object, *names: str, nullable: bool = False) -> list[Column[object]]:
    return [Column(name, kind, nullable=nullable) for name in names]  # type: ignore[arg-type]


def _sums(count: int, name: str = "sum") -> list[Column[object]]:
    return _columns(_big, *(f"{name}_{n}_{part}" for n in range(1, count + 1) for part in ("high", "low")), nullable=True)


def upgrade() -> None:
    op.create_table(
        "keyed",
        Column("document_id", Text, primary_key=True),
        *_columns(Text, "account", "type", "pool"),
        Column("month", Integer, nullable=False),
        Column("head_key", LargeBinary, nullable=False),
        *_columns(Text, "day", "number", "rates"),
        Column("merge", Text),
        Column("count", Integer, nullable=False),
        *_sums(6),
        *_sums(4, "total"),
        sqlite_with_rowid=False,
    )
    place = ("head_key", "day", "number", "document_id")
    op.create_index("keyed_order", "keyed", ["account", "type", "pool", "month", *place], unique=True)
    op.create_index("keyed_merge", "keyed", ["merge", *place], unique=True, sqlite_where=text("merge IS NOT NULL"))
    op.create_table(
        "keyed_line",
        Column("document_id", Text, nullable=False),
        Column("line", Integer, nullable=False),
        Column("line_key", LargeBinary, nullable=False),
        *_sums(4),
        PrimaryKeyConstraint("document_id", "line"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "relation",
        *_columns(Text, "whole_id", "part_id"),
        Column("number", Integer, nullable=False),
        Column("places", LargeBinary, nullable=False),
        Column("alive", Integer, nullable=False),
        PrimaryKeyConstraint("whole_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("relation_part", "relation", ["part_id", "whole_id"])
