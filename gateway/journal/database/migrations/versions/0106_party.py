"""For which client of its account a document is."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0106"
down_revision = "0105"


def upgrade() -> None:
    op.add_column("document", Column("party", Text))
    op.drop_index("document_status", "document")
    columns = ("account", "type", "status", "party")
    op.create_index("document_status", "document", columns, sqlite_where=text("deleted = 0"))
