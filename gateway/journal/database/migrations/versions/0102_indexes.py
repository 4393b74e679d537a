"""Indexes over what is open, freed, named or noted only: what a statement reads does not grow with what is finished."""

from alembic import op
from sqlalchemy import text

revision = "0102"
down_revision = "0101"

_OPEN = "kind = 'submission' AND state IN ('received', 'checked', 'sealed', 'sent', 'held')"
_MADE = (
    ("message_freed", "message", ("account", "reference", "sequence"), "state IN ('given_up', 'refused', 'rejected', 'stopped')"),
    ("message_open", "message", ("account", "sequence"), _OPEN),
    ("message_coded", "message", ("type", "code", "sequence"), "state = 'unmatched' AND waiting_for = 'code'"),
    ("message_needing", "message", ("needs", "sequence"), "state = 'held' AND needs IS NOT NULL"),
    ("move_event", "move", ("n",), "message_id >= 'g'"),
    ("run_number", "run", ("number",), None),
    ("run_gateway", "run", ("gateway", "number"), None),
)
_CHANGED = (
    ("message_reference_any", "message", ("reference", "sequence"), "reference IS NOT NULL"),
    ("message_name", "message", ("account", "source", "sequence"), "source IS NOT NULL AND batch IS NULL"),
    (
        *("message_noted", "message", ("state", "hold_since")),
        "hold_since IS NOT NULL AND (state = 'unmatched' OR contradicted IS NOT NULL)",
    ),
    ("message_state", "message", ("state", "sequence"), None),
    ("document_status", "document", ("account", "type", "status"), "deleted = 0"),
)


def upgrade() -> None:
    for name, table, *_ in _CHANGED:
        op.drop_index(name, table)
    for name, table, columns, where in (*_MADE, *_CHANGED):
        op.create_index(name, table, columns, sqlite_where=None if where is None else text(where))
