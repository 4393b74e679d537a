"""For which client of its account a document is."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0106"
down_revision = "0105"


def upgrade() -> None:
    op.add_column("document", Column("party", Text))
    columns = ("account", "type", "party", "status")
    op.create_index("document_party", "document", columns, sqlite_where=text("party IS NOT NULL AND deleted = 0"))
