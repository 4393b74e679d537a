"""The questions that every message asks of the journal, each made once: only the values change.

Making a statement and the key of its compiled form costs several times what running it does. Where more than one index would do, the
statement says which (`by`): what a planner guesses, with statistics or without, may be right for today's journal and read all of
next year's. The values that a partial index is about stand in the text: as a parameter they would hide it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import (
    Delete,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.prepared import PreparedStatement
from tongguan.gateway.journal.database.rows import DIMENSIONS, DOCUMENT_HEAD, TAKEN_PART
from tongguan.gateway.model.message import OTHER

_m, _d, _b, _r, _a = tables.message.c, tables.document.c, tables.body.c, tables.receipt.c, tables.answer.c
_o, _f = tables.order.c, tables.fact.c


def _among(column: ColumnElement[Any], name: str = "values") -> ColumnElement[bool]:
    """The column is one of a parameter's values."""
    return column.in_(bindparam(name, expanding=True))


def _is(column: ColumnElement[Any], literal: str) -> ColumnElement[bool]:
    """The column has this value, which stands in the text."""
    return column == literal_column(literal)


_Indexed = TypeVar("_Indexed", Select[Any], Update, Delete)
_INDEXED = {str(index.name): table for table in tables.metadata.sorted_tables for index in table.indexes}


def by(index: str, statement: _Indexed) -> _Indexed:
    """The statement, which SQLite reads by this index and no other, or refuses."""
    return statement.with_hint(selectable=_INDEXED[index], text=f"INDEXED BY {index}", dialect_name="sqlite")


def _given(name: str) -> BindParameter[Any]:
    return bindparam(name)


_message, _document = select(tables.message), select(tables.document)
_most: BindParameter[Any] = bindparam("most")

MESSAGES = PreparedStatement(_message.where(_among(_m.id)))
#: what an answer's line tells of the message that it answers
REFERENCES = PreparedStatement(select(_m.id, _m.reference, _m.document).where(and_(_among(_m.id), _m.kind == "submission")))
MOMENTS = PreparedStatement(select(_m.id, _m.state, _m.seal_number, _m.updated_at, _m.deadline_at).where(_among(_m.id)))
STATES = PreparedStatement(select(_m.id, _m.state).where(_among(_m.id)))
_columns = ", ".join(f"message.{column.name}" for column in tables.message.columns)
_WANTED = "WITH wanted (value) AS (VALUES :values)"


def _newest(columns: str, index: str, where: str) -> str:
    """Of each wanted value the newest message that an index finds under it, however many others there are."""
    found = f"SELECT sequence FROM message AS other INDEXED BY {index} WHERE account = :account AND {where}"
    return f"SELECT {columns} FROM wanted CROSS JOIN message WHERE sequence = ({found} ORDER BY sequence DESC LIMIT 1)"


def _of_each(*queries: str) -> PreparedStatement:
    return PreparedStatement(text(f"{_WANTED} {' UNION ALL '.join(queries)}").bindparams(bindparam("values", expanding=True)))


#: who holds a reference, and who was the last to have it and come to nothing
OF_REFERENCES = _of_each(
    f"SELECT {_columns} FROM wanted CROSS JOIN message INDEXED BY message_reference "
    "WHERE account = :account AND reference = value AND holds_reference = 1",
    _newest(_columns, "message_freed", f"reference = value AND {tables.FREED}"),
)
ORDERED = PreparedStatement(
    by(
        "message_order",
        select(_m.document_id, _m.sequence, _m.id).where(and_(_among(_m.document_id), _is(_m.makes_others_wait, "1"))),
    )
)

_NAMED = "source = value AND batch IS NULL"
NEWEST = _of_each(_newest(_columns, "message_name", _NAMED))
NAMES = _of_each(_newest("source, id", "message_name", _NAMED))

#: by the column that has one of the values
MESSAGES_BY = {
    name: PreparedStatement(by(index, _message).where(_among(_m[name])).order_by(_m.sequence))
    for name, index in (("batch", "message_batch"), ("document_id", "message_document"))
}
#: these messages, what repeats them, and those of documents; one may come more than once
AROUND = PreparedStatement(
    union_all(
        _message.where(_among(_m.id)),
        by("message_same", _message).where(_among(_m.same_as)),
        by("message_document", _message).where(_among(_m.document_id, "documents")),
    )
)
_receipts_of = {name: by(f"receipt_{name.removesuffix('_id')}", select(tables.receipt)) for name in ("message_id", "document_id")}
RECEIPTS_AROUND = PreparedStatement(
    union_all(
        _receipts_of["message_id"].where(_among(_r.message_id)),
        _receipts_of["document_id"].where(_among(_r.document_id, "documents")),
    )
)
RECEIPTS_BY = {
    name: PreparedStatement(query.where(_among(_r[name])).order_by(_r.issued_at, _r.rank)) for name, query in _receipts_of.items()
}


def _found(*more: ColumnElement[bool]) -> PreparedStatement:
    """Messages with this id, the newest with this reference, and the newest of documents with this number; one may come twice."""
    said = _given("text")
    of_number = by("number_value", select(tables.number.c.document_id)).where(tables.number.c.value == said)
    ways = (
        _message.where(_m.id == said, *more),
        by("message_reference_any", _message).where(_m.reference == said, *more),
        by("message_document", _message).where(_m.document_id.in_(of_number), *more),
    )
    newest = (way.order_by(_m.sequence.desc()).limit(_most).subquery() for way in ways)
    return PreparedStatement(union_all(*(select(each) for each in newest)))


FOUND, FOUND_OF = _found(), _found(_m.account == _given("account"))

_in_lane = and_(_m.lane == _given("lane"), _m.due_at <= _given("now"))
_waiting = by("message_due", select(_m.id, _m.account))
IN_LANE = PreparedStatement(_waiting.where(and_(_m.lane == _given("lane"), _m.due_at.is_not(None))))
#: the first lane behind another in which a message waits
NEXT_LANE = PreparedStatement(
    by("message_due", select(_m.lane))
    .where(and_(_m.lane > _given("after"), _m.lane < _given("end"), _m.due_at.is_not(None)))
    .order_by(_m.lane)
    .limit(1)
)
#: in the order in which they came, whatever the clock said
ORDERS = PreparedStatement(
    select(_o.id, _o.who, _o.why, _o.command).where(_o.done_at.is_(None)).order_by(literal_column("orders.rowid"))
)
#: of each wanted lane, when its next message is due; NULL where none waits
NEXT_DUE = _of_each(
    "SELECT value, (SELECT min(due_at) FROM message INDEXED BY message_due WHERE lane = value AND due_at IS NOT NULL) FROM wanted"
)
_due = by("message_due", _message).where(_in_lane).order_by(_m.due_at, _m.sequence).limit(_most)
DUE = PreparedStatement(_due)
#: while accounts are paused: receipts wait for nobody, least of all for another account of the same enterprise
DUE_OF_OTHERS = PreparedStatement(_due.where(or_(_m.account.not_in(bindparam("paused", expanding=True)), _m.kind == "receipt")))
OVERDUE = PreparedStatement(
    by("message_deadline", _message).where(_m.deadline_at <= _given("now")).order_by(_m.deadline_at).limit(_most)
)
_in_state = by("message_state", _message).where(_m.state == _given("state")).limit(_most)
IN_STATE = PreparedStatement(_in_state.order_by(_m.sequence))
NEWEST_IN_STATE = PreparedStatement(_in_state.order_by(_m.sequence.desc()))
OF_CLOCK = PreparedStatement(
    _in_state.where(_m.sequence > _given("sequence"), _is(_m.waiting_for, "'clock'")).order_by(_m.sequence)
)
OLDEST = PreparedStatement(
    by("message_state", select(_m.received_at)).where(_m.state == _given("state")).order_by(_m.sequence).limit(1)
)
_behind = _m.sequence > _given("sequence")
#: receipts wait for their code to be known: their first type behind others, the first code of a type behind others, and those receipts
_coded = by("message_coded", select(_m.type, _m.code)).where(text(tables.CODED)).order_by(_m.type, _m.code).limit(1)
NEXT_CODED = PreparedStatement(_coded.where(_m.type > _given("type")))
NEXT_CODE = PreparedStatement(_coded.where(and_(_m.type == _given("type"), _m.code > _given("code"))))
OF_CODE = PreparedStatement(
    by("message_coded", _message)
    .where(and_(text(tables.CODED), _m.type == _given("type"), _m.code == _given("code"), _behind))
    .order_by(_m.sequence)
    .limit(_most)
)
#: the first thing behind others that held messages need; and those messages
NEXT_NEED = PreparedStatement(
    by("message_needing", select(_m.needs))
    .where(and_(text(tables.NEEDING), _m.needs > _given("after")))
    .order_by(_m.needs)
    .limit(1)
)
OF_NEED = PreparedStatement(
    by("message_needing", _message)
    .where(and_(text(tables.NEEDING), _m.needs == _given("needs"), _behind))
    .order_by(_m.sequence)
    .limit(_most)
)
#: receipts whose code nobody knows, and messages that a receipt contradicts
NOTED = PreparedStatement(
    by("message_noted", _message)
    .where(and_(_m.state == _given("state"), text(tables.NOTED)))
    .order_by(_m.hold_since)
    .limit(_most)
)
OPEN = PreparedStatement(
    by("message_open", _message)
    .where(and_(_m.account == _given("account"), text(tables.OPEN)))
    .order_by(_m.sequence)
    .limit(_most)
)
#: the documents of those of one type
OPEN_OF_TYPE = PreparedStatement(
    by("message_open", select(_m.sequence, _m.id, _m.operation, _m.state, _m.document_id, _m.document))
    .where(and_(_m.account == _given("account"), text(tables.OPEN), _m.type == _given("type"), _behind))
    .order_by(_m.sequence)
    .limit(_most)
)

DOCUMENTS = PreparedStatement(_document.where(_among(_d.id)))
DOCUMENTS_AFTER = PreparedStatement(_document.where(_d.id > _given("id")).order_by(_d.id).limit(_most))
HEADS = PreparedStatement(select(*(_d[name] for name in DOCUMENT_HEAD)).where(_among(_d.id)))
VERSIONS = PreparedStatement(select(_d.id, _d.version, _d.status).where(_among(_d.id)))
#: of all documents that moves of these messages made or changed
VERSIONS_MOVED = PreparedStatement(
    by("move_message", select(_d.id, _d.version))
    .where(and_(_d.id == tables.move.c.document_id, _among(tables.move.c.message_id)))
    .distinct()
)
_living = and_(_d.account == _given("account"), _d.type == _given("type"), _is(_d.deleted, "0"))
KEYS = PreparedStatement(by("document_key", _document).where(and_(_living, _among(_d.key))))
LIVING_KEYS = PreparedStatement(by("document_key", select(_d.key)).where(and_(_living, _among(_d.key))))
_in_status = and_(_living, _among(_d.status))
#: a few are enough: one that has just moved on in the same hand is no answer, so more than one is read. Of the account itself (types
#: that are asked so have no clients' documents among them), and for a client
IN_STATUS = PreparedStatement(by("document_status", select(_d.id)).where(and_(_in_status, _d.party.is_(None))).limit(20))
_for_party = and_(_d.party == _given("party"), _d.party.is_not(None))
IN_STATUS_FOR = PreparedStatement(by("document_party", select(_d.id)).where(and_(_in_status, _for_party)).limit(20))
NAMING = PreparedStatement(by("fact_value", select(_f.document_id)).where(and_(_f.name == _given("name"), _among(_f.value))))

BODY = PreparedStatement(select(_b.content).where(and_(_b.message_id == _given("message_id"), _b.role == _given("role"))))
BODIES = PreparedStatement(select(_b.message_id, _b.content).where(and_(_among(_b.message_id), _b.role == _given("role"))))
KNOWS_RECEIPT = PreparedStatement(select(_r.id).where(and_(_r.authority == _given("authority"), _r.id == _given("id"))))
RECEIPT_BYTES = PreparedStatement(
    by("message_reference_any", select(_m.sha256))
    .where(and_(_m.reference == _given("reference"), _m.kind == "receipt", _m.id != _given("but")))
    .order_by(_m.sequence)
    .limit(1)
)
_owner = by("number_value", select(tables.number.c.document_id)).where(tables.number.c.value == _given("value"))
OF_NUMBER = PreparedStatement(_owner.where(tables.number.c.account == _given("account")))
OWNERS = PreparedStatement(_owner.where(tables.number.c.series == _given("series")))
RESERVED = PreparedStatement(
    select(tables.reservation.c.document_id).where(
        and_(tables.reservation.c.kind == _given("kind"), tables.reservation.c.value == _given("value"))
    )
)
RESERVED_BY = PreparedStatement(
    by("reservation_document", select(tables.reservation.c.kind, tables.reservation.c.value)).where(
        tables.reservation.c.document_id == _given("document_id")
    )
)
#: so many of them, of one kind
SOME_RESERVED_BY = PreparedStatement(
    by("reservation_document", select(tables.reservation.c.value))
    .where(and_(tables.reservation.c.document_id == _given("document_id"), tables.reservation.c.kind == _given("kind")))
    .order_by(tables.reservation.c.value)
    .limit(_most)
)
#: what documents of one type have reserved in one kind
RESERVED_BY_TYPE = PreparedStatement(
    select(tables.reservation.c.value, tables.document.c.key, tables.document.c.status)
    .join_from(tables.reservation, tables.document, tables.document.c.id == tables.reservation.c.document_id)
    .where(and_(tables.reservation.c.kind == _given("kind"), tables.document.c.type == _given("type")))
)
MARKER = PreparedStatement(select(tables.marker.c.value).where(tables.marker.c.name == _given("name")))
_v, _h, _g = tables.move.c, tables.history.c, tables.run.c
#: each gateway's newest run, and its last entry; those of an older release are without a gateway
NEWEST_RUNS = PreparedStatement(
    text(
        "WITH RECURSIVE each (gateway) AS (SELECT min(gateway) FROM run UNION ALL "
        "SELECT (SELECT min(gateway) FROM run WHERE gateway > each.gateway) FROM each WHERE gateway IS NOT NULL) "
        "SELECT number, id, (SELECT coalesce(max(entry), 0) FROM history WHERE run = run.id) FROM each CROSS JOIN run "
        "WHERE number = (SELECT max(number) FROM run AS own INDEXED BY run_gateway WHERE own.gateway IS each.gateway)"
    )
)
RUNS_BEHIND = PreparedStatement(
    union_all(
        by("run_number", select(_g.id, _g.number)).where(_g.number > _given("newest")),
        select(_g.id, _g.number).where(_among(_g.id)),
    )
)
#: a receipt may have been fetched for one account, and have moved a document of another
MOVES_OF = PreparedStatement(
    by("move_entry", select(_v.entry, _v.n, _v.message_id, _v.document_id))
    .select_from(tables.move)
    .outerjoin(tables.message, _m.id == _v.message_id)
    .outerjoin(tables.document, _d.id == _v.document_id)
    .where(
        _v.run == _given("run"),
        tuple_(_v.entry, _v.n) > tuple_(_given("entry"), _given("n")),
        or_(_m.account == _given("account"), _d.account == _given("account")),
    )
    .order_by(_v.entry, _v.n)
    .limit(_most)
)
_moves_behind = by("move_entry", select(_v.entry, _v.at, _v.message_id, _v.document_id, _v.line)).order_by(_v.entry, _v.n)
MOVES_BEHIND = PreparedStatement(_moves_behind.where(and_(_v.run == _given("run"), _v.entry > _given("entry"))).limit(_most))
_next_entry = select(func.min(_v.entry)).where(and_(_v.run == _given("run"), _v.entry > _given("entry"))).scalar_subquery()
MOVES_OF_NEXT_ENTRY = PreparedStatement(_moves_behind.where(and_(_v.run == _given("run"), _v.entry == _next_entry)))
LAST_ENTRY = PreparedStatement(select(func.max(_h.entry)).where(_h.run == _given("run")))
MOVED_MESSAGES = PreparedStatement(
    select(_m.id, _m.kind, _m.account, _m.type, _m.operation, _m.reference, _m.document, _m.document_id, _m.batch).where(
        _among(_m.id)
    )
)
MOVED_DOCUMENTS = PreparedStatement(select(_d.id, _d.account, _d.type, _d.key, _d.numbers).where(_among(_d.id)))
ENTRY_AT = PreparedStatement(select(_h.at).where(and_(_h.run == _given("run"), _h.entry == _given("entry"))))

_q = tables.queue_delivery.c
#: which messages came by these deliveries, in the order of their numbers
DELIVERED = PreparedStatement(
    by("queue_delivery_key", select(_m.sequence, _q.key, _q.message_id))
    .join(tables.message, _m.id == _q.message_id)
    .where(and_(_q.account == _given("account"), _among(_q.key), text(tables.KNOWN_AGAIN)))
)
_delivery = "q.message_id, q.account, q.key, q.reply_to, q.correlation_id"
_same_as = "CROSS JOIN message AS same INDEXED BY message_same ON same.same_as ="
#: who is to be answered about a submission: its own sender or its batch's, and those who sent either again
DELIVERIES_ABOUT = _of_each(
    *(
        f"SELECT value, {_delivery} FROM wanted {way} CROSS JOIN queue_delivery AS q ON q.message_id = {id_} WHERE q.reply_to <> ''"
        for way, id_ in (
            ("", "value"),
            (f"{_same_as} value", "same.id"),
            ("CROSS JOIN message ON message.id = value", "message.batch"),
            (f"CROSS JOIN message ON message.id = value {_same_as} message.batch", "same.id"),
        )
    )
)
A_DELIVERY = PreparedStatement(select(_q.message_id).where(_q.message_id > _given("after")).limit(1))
RECEIPTS_NAMED = PreparedStatement(select(tables.receipt).where(and_(_r.authority == _given("authority"), _among(_r.id))))
_e = tables.event_count.c
EVENT_COUNTS = PreparedStatement(select(_e.document_id, _e.count).where(_among(_e.document_id)))
EVENTS_TOLD = PreparedStatement(
    text(
        "INSERT INTO event_count (document_id, count) VALUES (:document_id, :count) "
        "ON CONFLICT (document_id) DO UPDATE SET count = excluded.count"
    )
)
_n = tables.notification.c
NOTIFICATIONS_DUE = PreparedStatement(
    by("notification_due", select(tables.notification)).where(_n.next_at <= _given("now")).order_by(_n.next_at).limit(_most)
)

_unwritten = and_(_is(_a.written, "0"), _a.account == _given("account"))
UNWRITTEN = PreparedStatement(by("answer_unwritten", select(tables.answer)).where(_unwritten).order_by(_a.id).limit(_most))
WAITING_ACCOUNTS = PreparedStatement(by("answer_unwritten", select(_a.account)).where(_is(_a.written, "0")).distinct())
#: marked as written, which is to be written again
MISSING = PreparedStatement(
    by("answer_file", update(tables.answer))
    .where(and_(_a.account == _given("of"), _among(_a.file), _a.written == 1))
    .values(written=0)
)
_name = select(_a.id, _a.message_id, _a.kind, _a.file)
#: names without contents: of given messages, and of what is not in its InBox yet
ANSWER_NAMES = PreparedStatement(by("answer_message", _name).where(and_(_among(_a.message_id), _a.written == 1)).order_by(_a.id))
UNWRITTEN_NAMES = PreparedStatement(by("answer_unwritten", _name).where(_unwritten))
FILES = PreparedStatement(by("answer_file", select(_a.file)).where(and_(_a.account == _given("account"), _among(_a.file))))
ANSWERS_MADE = PreparedStatement(
    by("answer_message", select(_a.message_id, _a.kind, _a.file, _a.at)).where(_among(_a.message_id)).order_by(_a.id)
)
ANSWERS_UNDER = PreparedStatement(
    by("answer_file", select(tables.answer)).where(and_(_a.account == _given("account"), _among(_a.file)))
)
_written_since = and_(_a.account == _given("account"), _a.at >= _given("since"), _a.written == 1)
ANSWERS_SINCE = PreparedStatement(by("answer_at", select(_a.file)).where(_written_since))
#: the newest of them
RECENT = PreparedStatement(by("answer_at", select(_a.id)).where(_written_since).order_by(_a.at.desc(), _a.id.desc()).limit(_most))
#: without contents
ANSWERS = PreparedStatement(
    select(_a.id, _a.message_id, _a.document_id, _a.account, _a.kind, _a.file, literal(b""), _a.number, _a.at).where(
        _among(_a.id)
    )
)
ANSWERS_OF = PreparedStatement(
    by("answer_message", select(tables.answer)).where(_a.message_id == _given("message_id")).order_by(_a.id)
)
#: what was to be kept up to a day before today, behind the last one seen
KEPT_OVER = PreparedStatement(
    by("answer_kept", select(_a.kept_until, _a.id, _a.message_id, _a.account, _a.file, _a.written))
    .where(and_(tuple_(_a.kept_until, _a.id) > tuple_(_given("day"), _given("id")), _a.kept_until < _given("today")))
    .order_by(_a.kept_until, _a.id)
    .limit(_most)
)
WRITE_AGAIN = PreparedStatement(
    by("answer_message", update(tables.answer)).where(_a.message_id == _given("of")).values(written=0)
)
MOVES = PreparedStatement(by("move_message", select(tables.move)).where(_v.message_id == _given("message_id")).order_by(_v.n))
#: what moved no message
EVENTS = PreparedStatement(by("move_event", select(tables.move)).where(text(tables.EVENT)).order_by(_v.n.desc()).limit(_most))

_c = tables.counted.c
_lines = (_c.quantity_high, _c.quantity_low, _c.amount_high, _c.amount_low, _c.first_of_commodity, _c.first_of_category)
#: in the order of the table's key: grouping needs no sorting
COUNTED = (
    select(
        _c.month,
        _c.commodity,
        _c.unit,
        func.max(_c.name).label("name"),
        *(func.sum(column).label(column.name) for column in _lines),
    )
    .where(and_(_c.account == _given("account"), _c.type == _given("type"), _c.month.between(_given("first"), _given("last"))))
    .group_by(_c.month, _c.commodity, _c.unit)
    .order_by(_c.month, _c.commodity, _c.unit)
)

#: by column: the same of all these months together, grouped by what documents say there; a document counts once in each unit
COUNTED_BY = {
    name: select(
        _c[name],
        _c.unit,
        func.max(_c.name).label("name"),
        *(func.sum(column).label(column.name) for column in _lines[:4]),
        func.count(_c.document_id.distinct()),
        func.count(),
    )
    .where(and_(_c.account == _given("account"), _c.type == _given("type"), _c.month.between(_given("first"), _given("last"))))
    .group_by(_c[name], _c.unit)
    .order_by(_c[name], _c.unit)
    for name in ("commodity", *DIMENSIONS)
}

_k, _l, _w = tables.keyed.c, tables.keyed_line.c, tables.relation.c
_by_place = (_k.head_key, _k.day, _k.number, _k.document_id)
_place = tuple_(*_by_place)
_behind_place = _place > tuple_(*map(_given, ("key", "day", "number", "id")))
KEYED_HEAD = (*_by_place, _k.rates, _k.merge, _k.count)


def _parts(columns: Iterable[ColumnElement[Any]], beginning: str) -> tuple[list[Any], list[Any]]:
    """The columns of high and of low parts."""
    named = [column for column in columns if str(column.key).startswith(beginning)]
    return named[::2], named[1::2]


HEAD_SUMS, TOTALS = _parts(_k, "sum_"), _parts(_k, "total_")
LINE_HIGHS, LINE_LOWS = _parts(_l, "sum_")
KEYED_SUMS = (*HEAD_SUMS[0], *HEAD_SUMS[1], *TOTALS[0], *TOTALS[1])
#: what documents of one pool and month are merged by, with the documents; in the order of their keys, then of their days and numbers
KEYED = (
    by("keyed_order", select(*KEYED_HEAD, tables.document.c.version, tables.document.c.status, *KEYED_SUMS))
    .select_from(tables.keyed)
    .join(tables.document, _d.id == _k.document_id)
    .where(
        and_(
            _k.account == _given("account"),
            _k.type == _given("type"),
            _k.pool == _given("pool"),
            _k.month == _given("month"),
            _behind_place,
        )
    )
    .order_by(*_by_place)
    .limit(_most)
)
KEPT = PreparedStatement(select(_k.document_id).where(_among(_k.document_id)))
#: the first month behind another of which something is kept in a pool
NEXT_MONTH = PreparedStatement(
    by("keyed_order", select(_k.month))
    .where(
        and_(_k.account == _given("account"), _k.type == _given("type"), _k.pool == _given("pool"), _k.month > _given("after"))
    )
    .order_by(_k.month)
    .limit(1)
)
#: where documents stand, without their contents: of one status behind a place of the table, or of given ids
_rowid: ColumnElement[int] = literal_column("document.rowid")
_stands = [_rowid, _d.id, _d.account, _d.key, _d.status, _d.party, _k.pool, _k.month, _k.day, _k.number]
STANDING = PreparedStatement(
    by("document_status", select(*_stands))
    .select_from(tables.document)
    .outerjoin(tables.keyed, _k.document_id == _d.id)
    .where(and_(_living, _d.status == _given("status"), _rowid > _given("after")))
    .order_by(_rowid)
    .limit(_most)
)
STANDING_OF = PreparedStatement(
    select(*_stands).select_from(tables.document).outerjoin(tables.keyed, _k.document_id == _d.id).where(_among(_d.id))
)
_in_hand = and_(_k.merge == _given("merge"), _k.merge.is_not(None))
#: the same of those that one thing has in hand, without the documents
KEYED_IN_HAND = PreparedStatement(
    by("keyed_merge", select(*KEYED_HEAD, *KEYED_SUMS)).where(and_(_in_hand, _behind_place)).order_by(*_by_place).limit(_most)
)


def _lines_in_hand(columns: Iterable[ColumnElement[Any]]) -> PreparedStatement:
    place = ", ".join(f"keyed.{column.name}" for column in _by_place)
    shown = ", ".join(f"keyed_line.{column.name}" for column in columns)
    return PreparedStatement(
        text(
            f"SELECT {shown} FROM keyed INDEXED BY keyed_merge CROSS JOIN keyed_line ON keyed_line.document_id = keyed.document_id "
            f"WHERE keyed.merge = :merge AND keyed.merge IS NOT NULL AND ({place}) > (:key, :day, :number, :id) "
            f"AND ({place}) <= (:last_key, :last_day, :last_number, :last_id) ORDER BY {place}, keyed_line.line"
        )
    )


#: the keys of their lines with the low parts of their first sums, by how many; and with the high ones before these, where they have any
LINES_IN_HAND = {n: _lines_in_hand([_l.line_key, *LINE_LOWS[:n]]) for n in range(len(LINE_LOWS) + 1)}
WIDE_LINES_IN_HAND = {n: _lines_in_hand([_l.line_key, *LINE_HIGHS[:n], *LINE_LOWS[:n]]) for n in range(len(LINE_LOWS) + 1)}
#: what became of documents, and of what others became
_related = select(_w.whole_id, _w.part_id, _w.places, _w.alive)
RELATIONS = {
    "whole_id": PreparedStatement(_related.where(_among(_w.whole_id)).order_by(_w.whole_id, _w.number)),
    "part_id": PreparedStatement(by("relation_part", _related).where(_among(_w.part_id)).order_by(_w.part_id, _w.whole_id)),
}

# What is written beside the rows of a commit

IN_HAND = PreparedStatement(select(tables.claim.c.in_hand))
CLAIMS = select(tables.claim.c.token, tables.claim.c.in_hand)


def left_behind(gateway: str) -> Select[Any]:
    """Claims of runs that are over: they ended, or their gateway begins another (one without a gateway is an older release's)."""
    r = tables.run.c
    over = or_(r.gateway.is_(None), r.gateway == gateway, r.ended_at.is_not(None))
    return CLAIMS.outerjoin(tables.run, r.id == tables.claim.c.run).where(over)


CLAIM = PreparedStatement(insert(tables.claim).returning(tables.claim.c.token))
END_CLAIM = PreparedStatement(delete(tables.claim).where(tables.claim.c.token == _given("token")))
ENTRY = PreparedStatement(insert(tables.history))
FORGET_FACTS = PreparedStatement(delete(tables.fact).where(_among(tables.fact.c.document_id)))
UNCOUNT = PreparedStatement(by("counted_document", delete(tables.counted)).where(_among(tables.counted.c.document_id)))
UNKEY = PreparedStatement(
    delete(tables.keyed)
    .where(_among(_k.document_id))
    .returning(_k.document_id, *(column for column in _k if column.name.startswith("total_")))
)
UNKEY_LINES = PreparedStatement(delete(tables.keyed_line).where(_among(_l.document_id)))
END_RELATION = PreparedStatement(update(tables.relation).where(_among(_w.whole_id)).values(alive=0))
RELEASE = PreparedStatement(
    delete(tables.reservation).where(
        and_(
            tables.reservation.c.kind == _given("kind"),
            tables.reservation.c.value == _given("value"),
            tables.reservation.c.document_id == _given("document_id"),
        )
    )
)
_t, _u = tables.licence_taken.c, tables.licence_used.c
TAKEN = PreparedStatement(select(_t.document_id, _t.licence_id, _t.line, _t.high, _t.low).where(_among(_t.document_id)))
TAKE_BACK = PreparedStatement(
    delete(tables.licence_taken).where(_among(_t.document_id)).returning(_t.document_id, _t.licence_id, _t.line, _t.high, _t.low)
)
USED = PreparedStatement(select(_u.licence_id, _u.line, _u.high, _u.low).where(_among(_u.licence_id)))
_high, _low = f"used.high + :high + (used.low + :low) / {TAKEN_PART}", f"(used.low + :low) % {TAKEN_PART}"
_move = f"SET high = {_high}, low = {_low} WHERE ({_high}, {_low}) <= (:most_high, :most_low)"
#: so much more of a line; no row where that would be more than the most
TAKE = PreparedStatement(
    text(
        "INSERT INTO licence_used AS used (licence_id, line, high, low) VALUES (:licence_id, :line, :high, :low) "
        f"ON CONFLICT (licence_id, line) DO UPDATE {_move} RETURNING high, low"
    )
)
#: so much less of it (`high` is below zero); no row where that would be less than nothing either
TAKE_LESS = PreparedStatement(
    text(
        f"UPDATE licence_used AS used {_move} AND {_high} >= 0 AND licence_id = :licence_id AND line = :line RETURNING high, low"
    )
)
WRITTEN = PreparedStatement(update(tables.answer).where(_among(_a.id)).values(written=1))
#: one statement, so that two who lease at once never get the same block
LEASE = PreparedStatement(
    text(
        "INSERT INTO serial (name, next) VALUES (:name, 1 + :size) "
        "ON CONFLICT (name) DO UPDATE SET next = serial.next + :size RETURNING next"
    )
)
GIVE_BACK = PreparedStatement(text("UPDATE serial SET next = :next WHERE name = :name AND next = :mine"))
SKIP_TO = PreparedStatement(
    text("INSERT INTO serial (name, next) VALUES (:name, :next) ON CONFLICT (name) DO UPDATE SET next = excluded.next")
)
COUNT = PreparedStatement(
    text(
        "INSERT INTO tally (account, kind, state, count) VALUES (:account, :kind, :state, :change) "
        "ON CONFLICT (account, kind, state) DO UPDATE SET count = tally.count + excluded.count"
    )
)
WAKE = PreparedStatement(
    text(
        "UPDATE message SET due_at = :now, waiting_for = NULL WHERE due_at IS NULL AND waiting_for = 'earlier message' AND id = "
        "(SELECT id FROM message INDEXED BY message_order WHERE document_id = :document AND makes_others_wait = 1 ORDER BY sequence LIMIT 1)"
    )
)
#: The document that these wait for has moved on.
WAKE_WAITING = PreparedStatement(
    by("message_waits_on", update(tables.message))
    .where(and_(_among(_m.waits_on), _m.due_at.is_(None), _is(_m.waiting_for, f"'{OTHER}'")))
    .values(due_at=_given("now"), waiting_for=null())
)
#: A batch is looked at when its first item has left, and when none is open any more.
WAKE_BATCH = PreparedStatement(
    text(
        "UPDATE message SET due_at = :now WHERE id = :batch AND lane = 'batch' AND due_at > :now AND (state = 'received' OR NOT EXISTS "
        "(SELECT 1 FROM message AS item INDEXED BY message_batch WHERE item.batch = :batch AND item.state NOT IN :final))"
    ).bindparams(bindparam("final", expanding=True))
)
ITEM_STATES = PreparedStatement(
    by("message_batch", select(_m.state, func.count())).where(_m.batch == _given("batch")).group_by(_m.state)
)
LEARNED = PreparedStatement(
    text(
        "UPDATE message INDEXED BY message_number SET due_at = :now, lane = 'settle' WHERE state = 'unmatched' AND number = :number"
    )
)
