"""The tables of the first release: a journal that has none gets today's at once (`migrating`)."""

revision = "0100"
down_revision = None


def upgrade() -> None:
    pass
