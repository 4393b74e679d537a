"""Up to which day an answer is kept, where that is not as long as all others."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0107"
down_revision = "0106"


def upgrade() -> None:
    op.add_column("answer", Column("kept_until", Text))
    op.create_index("answer_kept", "answer", ("kept_until", "id"), sqlite_where=text("kept_until IS NOT NULL"))
