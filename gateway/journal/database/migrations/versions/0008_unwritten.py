"""Answers that wait are found by account: each mailbox has a thread of its own that asks."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("DROP INDEX IF EXISTS answer_unwritten")
    op.execute("CREATE INDEX answer_unwritten ON answer (account, id) WHERE written = 0")
