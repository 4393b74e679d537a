"""The journal's tables. Times are milliseconds since the epoch; JSON columns hold UTF-8 text; bodies are zstd frames."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, Table, Text, text

metadata = MetaData()

_big = BigInteger().with_variant(Integer, "sqlite")


def _columns(kind: Any, *names: str, nullable: bool = False) -> list[Column[Any]]:
    """Columns of one kind that stand side by side."""
    return [Column(name, kind, nullable=nullable) for name in names]


def _partial(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    """An index over the rows that satisfy `where` only: its size follows what is open, not what is stored."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


# What a partial index and its statement must say in the same words. Another set of states is another index: a migration.
#: had a reference, and came to nothing
FREED = "state IN ('given_up', 'refused', 'rejected', 'stopped')"
#: an enterprise waits for it
OPEN = "kind = 'submission' AND state IN ('received', 'checked', 'sealed', 'sent', 'held')"
#: bears a note for a person: a receipt whose code nobody knows, or what a receipt contradicts
NOTED = "hold_since IS NOT NULL AND (state = 'unmatched' OR contradicted IS NOT NULL)"
#: a receipt whose code its type does not know
CODED = "state = 'unmatched' AND waiting_for = 'code'"
#: held until something is in the settings again
NEEDING = "state = 'held' AND needs IS NOT NULL"
#: a delivery whose sender has given it an id
KNOWN_AGAIN = "key <> ''"
#: a move of no message: ids of messages begin with a figure or a letter up to f
EVENT = "message_id >= 'g'"


message = Table(
    "message",
    metadata,
    Column("id", Text, primary_key=True),
    *_columns(Text, "kind", "account", "type", "operation", "state"),
    *_columns(_big, "received_at", "updated_at"),
    Column("sequence", _big, nullable=False, unique=True),
    Column("lane", Text),
    *_columns(_big, "due_at", "deadline_at", nullable=True),
    Column("attempts", Integer, nullable=False),
    *_columns(
        Text, "waiting_for", "reference", "document", "document_id", "number", "query_kind", "source", "sha256", nullable=True
    ),
    *_columns(Text, "form", "profile"),
    *_columns(Text, "batch", "replaces", "same_as", nullable=True),
    Column("seal_number", Integer, nullable=False),
    Column("hold_reason", Text),
    Column("hold_since", _big),
    *_columns(Text, "hold_do", "held_from", nullable=True),
    *_columns(Integer, "holds_reference", "makes_others_wait", nullable=False),
    *_columns(Text, "route", "content_sha256", nullable=True),
    Column("item", Integer),
    # 1 is yes, NULL is no.
    *_columns(Integer, "holds_nothing", "never_waits", "together", "doubtful", "answered", "handed_on", nullable=True),
    Column("tries_since", _big),
    *_columns(Text, "asks", "code", "held_lane", "needs", "faults", "contradicted", "extra", nullable=True),
    Column("waits_on", Text),  # the document of another type whose next step it waits for
)
# The account stands in this one so that messages of paused accounts are passed over without reading their rows.
_partial("message_due", message.c.lane, message.c.due_at, message.c.sequence, message.c.account, where="due_at IS NOT NULL")
_partial("message_reference", message.c.account, message.c.reference, unique=True, where="holds_reference = 1")
_partial("message_reference_any", message.c.reference, message.c.sequence, where="reference IS NOT NULL")
_partial("message_freed", message.c.account, message.c.reference, message.c.sequence, where=FREED)
_partial("message_name", message.c.account, message.c.source, message.c.sequence, where="source IS NOT NULL AND batch IS NULL")
_partial("message_document", message.c.document_id, message.c.sequence, where="document_id IS NOT NULL")
_partial("message_order", message.c.document_id, message.c.sequence, where="makes_others_wait = 1")
Index("message_state", message.c.state, message.c.sequence)
_partial("message_open", message.c.account, message.c.sequence, where=OPEN)
_partial("message_deadline", message.c.deadline_at, where="deadline_at IS NOT NULL")
_partial("message_batch", message.c.batch, where="batch IS NOT NULL")
_partial("message_same", message.c.same_as, where="same_as IS NOT NULL")
_partial("message_noted", message.c.state, message.c.hold_since, where=NOTED)
_partial("message_coded", message.c.type, message.c.code, message.c.sequence, where=CODED)
_partial("message_needing", message.c.needs, message.c.sequence, where=NEEDING)
_partial("message_number", message.c.number, where="state = 'unmatched'")
_partial("message_waits_on", message.c.waits_on, where="waits_on IS NOT NULL")

document = Table(
    "document",
    metadata,
    Column("id", Text, primary_key=True),
    *_columns(Text, "account", "type", "key", "profile"),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    *_columns(_big, "created_at", "updated_at"),
    Column("content", LargeBinary, nullable=False),
    *_columns(Text, "numbers", "marks", "attachments"),
    *_columns(Integer, "round", "rank"),
    Column("round_opened_at", _big),
    *_columns(Text, "changing", "status_before", nullable=True),
    Column("deleted", Integer, nullable=False),
    Column("counted_at", _big),
    Column("quantities", Text),
    Column("pending", LargeBinary),  # the content that it will have once its authority agrees
    Column("party", Text),  # credit code of the client that it is for; null: of its account itself
)
_partial("document_key", document.c.account, document.c.type, document.c.key, unique=True, where="deleted = 0")
Index("document_updated", document.c.account, document.c.type, document.c.updated_at)
_partial("document_status", document.c.account, document.c.type, document.c.status, where="deleted = 0")
_of_party = (document.c.account, document.c.type, document.c.party, document.c.status)
_partial("document_party", *_of_party, where="party IS NOT NULL AND deleted = 0")

fact = Table(
    "fact",
    metadata,
    *_columns(Text, "document_id", "name", "value"),
    PrimaryKeyConstraint("document_id", "name"),
    sqlite_with_rowid=False,
)
Index("fact_value", fact.c.name, fact.c.value)

# The key is the order in which statistics read: one account's type, month by month, each commodity's lines together.
# Numbers are millionths in two parts, value = high * 10^11 + low, so that no sum of a part can grow out of 64 bits.
counted = Table(
    "counted",
    metadata,
    *_columns(Text, "account", "type"),
    Column("month", Integer, nullable=False),
    *_columns(Text, "commodity", "unit", "document_id"),
    Column("line", Integer, nullable=False),
    *_columns(Text, "name", "dimension_1", "dimension_2", "dimension_3"),
    *_columns(_big, "quantity_high", "quantity_low", "amount_high", "amount_low"),
    *_columns(Integer, "first_of_commodity", "first_of_category"),
    PrimaryKeyConstraint("account", "type", "month", "commodity", "unit", "document_id", "line"),
    sqlite_with_rowid=False,
)
Index("counted_document", counted.c.document_id)

number = Table(
    "number",
    metadata,
    Column("series", Text, nullable=False),  # which authority's, or type's, numbers it is one of
    *_columns(Text, "kind", "value", "document_id", "account"),
    PrimaryKeyConstraint("series", "kind", "value"),
    sqlite_with_rowid=False,
)
Index("number_value", number.c.value)

reservation = Table(
    "reservation",
    metadata,
    *_columns(Text, "kind", "value", "document_id"),
    PrimaryKeyConstraint("kind", "value"),
    sqlite_with_rowid=False,
)
Index("reservation_document", reservation.c.document_id)

# What documents hold of licences, and what that comes to for each line of a licence: in hundred-thousandths of its unit,
# value = high * 10^12 + low, as 19 digits with their decimals do not fit into 63 bits.
licence_used = Table(
    "licence_used",
    metadata,
    *_columns(Text, "licence_id", "line"),
    *_columns(_big, "high", "low"),
    PrimaryKeyConstraint("licence_id", "line"),
    sqlite_with_rowid=False,
)
licence_taken = Table(
    "licence_taken",
    metadata,
    *_columns(Text, "document_id", "licence_id", "line"),
    *_columns(_big, "high", "low"),
    PrimaryKeyConstraint("document_id", "licence_id", "line"),
    sqlite_with_rowid=False,
)

# What documents are merged by. Sums are whole numbers of their last decimal in two parts, value = high * 10^18 + low, as 19 digits with
# their decimals do not fit into 63 bits; a type says in its order which is which, and the rest are null.
keyed = Table(
    "keyed",
    metadata,
    Column("document_id", Text, primary_key=True),
    *_columns(Text, "account", "type", "pool"),
    Column("month", Integer, nullable=False),
    Column("head_key", LargeBinary, nullable=False),
    *_columns(Text, "day", "number", "rates"),
    Column("merge", Text),  # what has it in hand
    Column("count", Integer, nullable=False),  # of its lines
    *_columns(_big, *(f"sum_{n}_{part}" for n in range(1, 7) for part in ("high", "low")), nullable=True),
    # of all its lines: where a high part is zero here, it is in each of them
    *_columns(_big, *(f"total_{n}_{part}" for n in range(1, 5) for part in ("high", "low")), nullable=True),
    sqlite_with_rowid=False,
)
_by_place = (keyed.c.head_key, keyed.c.day, keyed.c.number, keyed.c.document_id)
# They are unique, by the id, so that lines need no sorting behind them.
Index("keyed_order", keyed.c.account, keyed.c.type, keyed.c.pool, keyed.c.month, *_by_place, unique=True)
_partial("keyed_merge", keyed.c.merge, *_by_place, unique=True, where="merge IS NOT NULL")
keyed_line = Table(
    "keyed_line",
    metadata,
    Column("document_id", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("line_key", LargeBinary, nullable=False),
    *_columns(_big, *(f"sum_{n}_{part}" for n in range(1, 5) for part in ("high", "low")), nullable=True),
    PrimaryKeyConstraint("document_id", "line"),
    sqlite_with_rowid=False,
)
# Which document became part of which, and where each of its lines went: byte n of `places` is the line there of its line n.
relation = Table(
    "relation",
    metadata,
    *_columns(Text, "whole_id", "part_id"),
    Column("number", Integer, nullable=False),  # the parts of a whole in their order
    Column("places", LargeBinary, nullable=False),
    Column("alive", Integer, nullable=False),
    PrimaryKeyConstraint("whole_id", "number"),
    sqlite_with_rowid=False,
)
Index("relation_part", relation.c.part_id, relation.c.whole_id)

round_ = Table(
    "round",
    metadata,
    Column("document_id", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("opened_at", _big, nullable=False),
    PrimaryKeyConstraint("document_id", "round"),
    sqlite_with_rowid=False,
)

receipt = Table(
    "receipt",
    metadata,
    *_columns(Text, "authority", "id", "code", "zh", "en"),
    Column("issued_at", _big, nullable=False),
    *_columns(Text, "message_id", "document_id", nullable=True),
    *_columns(Integer, "round", "rank", "applied"),
    Column("file", Text),
    PrimaryKeyConstraint("authority", "id"),
)
Index("receipt_message", receipt.c.message_id, receipt.c.issued_at)
Index("receipt_document", receipt.c.document_id, receipt.c.issued_at)

body = Table(
    "body",
    metadata,
    *_columns(Text, "message_id", "role", "sha256"),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("message_id", "role"),
)

answer = Table(
    "answer",
    metadata,
    Column("id", _big, primary_key=True, autoincrement=True),
    Column("message_id", Text, nullable=False),
    Column("document_id", Text),
    *_columns(Text, "account", "kind", "file"),
    Column("content", LargeBinary, nullable=False),
    Column("number", Text),
    Column("at", _big, nullable=False),
    Column("written", Integer, nullable=False),
    Column("kept_until", Text),  # a day: of what is kept up to that only
)
Index("answer_file", answer.c.account, answer.c.file, unique=True)
_partial("answer_unwritten", answer.c.account, answer.c.id, where="written = 0")
Index("answer_message", answer.c.message_id)
Index("answer_at", answer.c.account, answer.c.at)
_partial("answer_kept", answer.c.kept_until, answer.c.id, where="kept_until IS NOT NULL")

# What came through a queue: where its answers go, and by what the same delivery is known again.
queue_delivery = Table(
    "queue_delivery",
    metadata,
    Column("message_id", Text, primary_key=True),
    *_columns(Text, "account", "key", "reply_to", "correlation_id"),
    sqlite_with_rowid=False,
)
_partial("queue_delivery_key", queue_delivery.c.account, queue_delivery.c.key, where=KNOWN_AGAIN)

# How many events were told of each document: a mark of work, kept with the cursor of events.
event_count = Table(
    "event_count",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("count", _big, nullable=False),
    sqlite_with_rowid=False,
)

notification = Table(
    "notification",
    metadata,
    Column("id", Text, primary_key=True),
    *_columns(Text, "account", "receipt", "message_id", "document_id", "reference", "phone", "text"),
    Column("at", _big, nullable=False),
    Column("next_at", _big),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", _big),
)
Index("notification_once", notification.c.receipt, notification.c.phone, unique=True)
_partial("notification_due", notification.c.next_at, where="next_at IS NOT NULL")

lane = Table(
    "lane",
    metadata,
    Column("name", Text, primary_key=True),
    *_columns(Text, "reason", "text"),
    Column("since", _big, nullable=False),
    Column("probe_at", _big),  # null: a person must open it
    Column("do", Text, nullable=False),
    Column("who", Text),  # who shut it; null: the gateway itself
)

marker = Table("marker", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
serial = Table("serial", metadata, Column("name", Text, primary_key=True), Column("next", _big, nullable=False))
tally = Table(
    "tally",
    metadata,
    *_columns(Text, "account", "kind", "state"),
    Column("count", _big, nullable=False),
    PrimaryKeyConstraint("account", "kind", "state"),
)

claim = Table(
    "claim",
    metadata,
    Column("token", _big, primary_key=True, autoincrement=True),
    Column("station", Text, nullable=False),
    Column("until", _big, nullable=False),
    Column("in_hand", Text, nullable=False),
    Column("run", Text),  # whose it is
    sqlite_autoincrement=True,
)
crash = Table(
    "crash",
    metadata,
    Column("key", Text, primary_key=True),
    Column("count", Integer, nullable=False),  # of lone claims
    Column("together", Integer, nullable=False),  # how many such may be in one hand
)

run = Table(
    "run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started_at", _big, nullable=False),
    Column("ended_at", _big),
    Column("number", _big, nullable=False),  # the order in which runs began: never read from a clock
    Column("gateway", Text),  # whose run it is: the public key of its anchor
)
Index("run_number", run.c.number)
Index("run_gateway", run.c.gateway, run.c.number)
history = Table(
    "history",
    metadata,
    Column("run", Text, nullable=False),
    *_columns(_big, "entry", "at"),
    *_columns(Text, "previous", "hash"),
    Column("leaves", LargeBinary, nullable=False),  # records of the rows that it left behind (`digests`)
    PrimaryKeyConstraint("run", "entry"),
)
move = Table(
    "move",
    metadata,
    Column("n", _big, primary_key=True, autoincrement=True),
    Column("run", Text, nullable=False),
    *_columns(_big, "entry", "at"),
    Column("message_id", Text, nullable=False),
    Column("document_id", Text),
    Column("line", Text, nullable=False),
)
Index("move_message", move.c.message_id)
Index("move_entry", move.c.run, move.c.entry)
_partial("move_event", move.c.n, where=EVENT)

order = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", _big, nullable=False),
    *_columns(Text, "who", "why", "command"),
    Column("done_at", _big),
    Column("result", Text),
)
_partial("order_open", order.c.at, where="done_at IS NULL")
