"""What stays noted on a message for a person: found by an index of what is noted only."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("CREATE INDEX IF NOT EXISTS message_noted ON message (state, hold_since) WHERE hold_since IS NOT NULL")
