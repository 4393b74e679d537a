"""The questions that every message asks of the journal, each made once: only the values change.

Making a statement and the key of its compiled form costs several times what running it does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.prepared import PreparedStatement
from tongguan.gateway.journal.database.rows import DOCUMENT_HEAD
from tongguan.gateway.model.message import FREES_REFERENCE

_m, _d, _b, _r, _a = tables.message.c, tables.document.c, tables.body.c, tables.receipt.c, tables.answer.c


def _among(column: ColumnElement[Any], name: str = "values") -> ColumnElement[bool]:
    """The column is one of a parameter's values."""
    return column.in_(bindparam(name, expanding=True))


def _given(name: str) -> BindParameter[Any]:
    return bindparam(name)


_message, _document = select(tables.message), select(tables.document)
_most: BindParameter[Any] = bindparam("most")

MESSAGES = PreparedStatement(_message.where(_among(_m.id)))
MOMENTS = PreparedStatement(select(_m.id, _m.state, _m.seal_number, _m.updated_at, _m.deadline_at).where(_among(_m.id)))
STATES = PreparedStatement(select(_m.id, _m.state).where(_among(_m.id)))
#: who holds a reference, and who had it and came to nothing
OF_REFERENCES = PreparedStatement(
    _message.where(
        and_(
            _m.account == _given("account"),
            _among(_m.reference),
            or_(_m.holds_reference == 1, _m.state.in_([state.value for state in FREES_REFERENCE])),
        )
    ).order_by(_m.sequence)
)
ORDERED = PreparedStatement(
    select(_m.document_id, _m.sequence, _m.id).where(and_(_among(_m.document_id), _m.makes_others_wait == 1))
)

_under = and_(_m.account == _given("account"), _among(_m.source), _m.batch.is_(None))
NEWEST = PreparedStatement(_message.where(_m.sequence.in_(select(func.max(_m.sequence)).where(_under).group_by(_m.source))))
NAMES = PreparedStatement(select(_m.source, _m.id).where(_under).order_by(_m.source, _m.sequence))

#: by the column that has one of the values
MESSAGES_BY = {
    name: PreparedStatement(_message.where(_among(_m[name])).order_by(_m.sequence)) for name in ("batch", "document_id")
}
AROUND = PreparedStatement(_message.where(or_(_among(_m.id), _among(_m.same_as), _among(_m.document_id, "documents"))))
RECEIPTS_AROUND = PreparedStatement(select(tables.receipt).where(or_(_among(_r.message_id), _among(_r.document_id, "documents"))))
RECEIPTS_BY = {
    name: PreparedStatement(select(tables.receipt).where(_among(_r[name])).order_by(_r.issued_at, _r.rank))
    for name in ("message_id", "document_id")
}

_in_lane = and_(_m.lane == _given("lane"), _m.due_at <= _given("now"))
IN_LANE = PreparedStatement(select(_m.id, _m.account).where(and_(_m.lane == _given("lane"), _m.due_at.is_not(None))))
_due = _message.where(_in_lane).order_by(_m.due_at, _m.sequence).limit(_most)
DUE = PreparedStatement(_due)
#: while accounts are paused: receipts wait for nobody, least of all for another account of the same enterprise
DUE_OF_OTHERS = PreparedStatement(_due.where(or_(_m.account.not_in(bindparam("paused", expanding=True)), _m.kind == "receipt")))
OVERDUE = PreparedStatement(
    _message.where(and_(_m.deadline_at.is_not(None), _m.deadline_at <= _given("now"))).order_by(_m.deadline_at).limit(_most)
)
IN_STATE_AFTER = PreparedStatement(
    _message.where(and_(_m.state == _given("state"), _m.sequence > _given("sequence"))).order_by(_m.sequence).limit(_most)
)
IN_STATE = PreparedStatement(_message.where(_m.state == _given("state")).order_by(_m.sequence).limit(_most))
#: receipts whose code nobody knows, and messages that a receipt contradicts
_noted = or_(_m.state == "unmatched", _m.contradicted.is_not(None))
NOTED = PreparedStatement(
    _message.where(and_(_m.hold_since.is_not(None), _among(_m.state), _noted)).order_by(_m.hold_since).limit(_most)
)
OPEN = PreparedStatement(
    _message.where(and_(_m.state == _given("state"), _m.account == _given("account"), _m.kind == "submission"))
    .order_by(_m.sequence)
    .limit(_most)
)

DOCUMENTS = PreparedStatement(_document.where(_among(_d.id)))
DOCUMENTS_AFTER = PreparedStatement(_document.where(_d.id > _given("id")).order_by(_d.id).limit(_most))
HEADS = PreparedStatement(select(*(_d[name] for name in DOCUMENT_HEAD)).where(_among(_d.id)))
VERSIONS = PreparedStatement(select(_d.id, _d.version).where(_among(_d.id)))
#: of all documents that moves of these messages made or changed
VERSIONS_MOVED = PreparedStatement(
    select(_d.id, _d.version).where(and_(_d.id == tables.move.c.document_id, _among(tables.move.c.message_id))).distinct()
)
_living = and_(_d.account == _given("account"), _d.type == _given("type"), _among(_d.key), _d.deleted == 0)
KEYS = PreparedStatement(_document.where(_living))
LIVING_KEYS = PreparedStatement(select(_d.key).where(_living))
#: a few are enough: one that has just moved on in the same hand is no answer, so more than one is read
IN_STATUS = PreparedStatement(
    select(_d.id)
    .where(and_(_d.account == _given("account"), _d.type == _given("type"), _among(_d.status), _d.deleted == 0))
    .limit(20)
)

BODY = PreparedStatement(select(_b.content).where(and_(_b.message_id == _given("message_id"), _b.role == _given("role"))))
BODIES = PreparedStatement(select(_b.message_id, _b.content).where(and_(_among(_b.message_id), _b.role == _given("role"))))
KNOWS_RECEIPT = PreparedStatement(select(_r.id).where(and_(_r.authority == _given("authority"), _r.id == _given("id"))))
RECEIPT_BYTES = PreparedStatement(
    select(_m.sha256)
    .where(and_(_m.reference == _given("reference"), _m.kind == "receipt", _m.id != _given("but")))
    .order_by(_m.sequence)
    .limit(1)
)
OF_NUMBER = PreparedStatement(
    select(tables.number.c.document_id).where(
        and_(tables.number.c.value == _given("value"), tables.number.c.account == _given("account"))
    )
)
OWNERS = PreparedStatement(
    select(tables.number.c.document_id).where(
        and_(tables.number.c.value == _given("value"), tables.number.c.series == _given("series"))
    )
)
RESERVED = PreparedStatement(
    select(tables.reservation.c.document_id).where(
        and_(tables.reservation.c.kind == _given("kind"), tables.reservation.c.value == _given("value"))
    )
)
MARKER = PreparedStatement(select(tables.marker.c.value).where(tables.marker.c.name == _given("name")))
_v, _h, _g = tables.move.c, tables.history.c, tables.run.c
_last_entry = select(func.coalesce(func.max(_h.entry), 0)).where(_h.run == _g.id).scalar_subquery()
#: each gateway's newest run, and its last entry
NEWEST_RUNS = PreparedStatement(
    select(_g.number, _g.id, _last_entry).where(_g.number.in_(select(func.max(_g.number)).group_by(_g.gateway)))
)
RUNS_BEHIND = PreparedStatement(select(_g.id).where(or_(_g.number > _given("newest"), _among(_g.id))).order_by(_g.number))
#: a receipt may have been fetched for one account, and have moved a document of another
MOVES_OF = PreparedStatement(
    select(_v.entry, _v.n, _v.message_id, _v.document_id)
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
ENTRY_AT = PreparedStatement(select(_h.at).where(and_(_h.run == _given("run"), _h.entry == _given("entry"))))

_n = tables.notification.c
NOTIFICATIONS_DUE = PreparedStatement(
    select(tables.notification).where(_n.next_at <= _given("now")).order_by(_n.next_at).limit(_most)
)

_unwritten = and_(_a.written == 0, _a.account == _given("account"))
UNWRITTEN = PreparedStatement(select(tables.answer).where(_unwritten).order_by(_a.id).limit(_most))
WAITING_ACCOUNTS = PreparedStatement(select(_a.account).where(_a.written == 0).distinct())
#: marked as written, which is to be written again
MISSING = PreparedStatement(
    update(tables.answer).where(and_(_a.account == _given("of"), _among(_a.file), _a.written == 1)).values(written=0)
)
#: names without contents: of given messages, and of what is not in its InBox yet
ANSWER_NAMES = PreparedStatement(
    select(_a.id, _a.message_id, _a.kind, _a.file).where(and_(_among(_a.message_id), _a.written == 1)).order_by(_a.id)
)
UNWRITTEN_NAMES = PreparedStatement(select(_a.id, _a.message_id, _a.kind, _a.file).where(_unwritten))
FILES = PreparedStatement(select(_a.file).where(and_(_a.account == _given("account"), _among(_a.file))))

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
UNCOUNT = PreparedStatement(delete(tables.counted).where(_among(tables.counted.c.document_id)))
RELEASE = PreparedStatement(
    delete(tables.reservation).where(
        and_(
            tables.reservation.c.kind == _given("kind"),
            tables.reservation.c.value == _given("value"),
            tables.reservation.c.document_id == _given("document_id"),
        )
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
        "(SELECT id FROM message WHERE document_id = :document AND makes_others_wait = 1 ORDER BY sequence LIMIT 1)"
    )
)
#: A batch is looked at when its first item has left, and when none is open any more.
WAKE_BATCH = PreparedStatement(
    text(
        "UPDATE message SET due_at = :now WHERE id = :batch AND lane = 'batch' AND due_at > :now AND (state = 'received' OR NOT EXISTS "
        "(SELECT 1 FROM message item WHERE item.batch = :batch AND item.state NOT IN :final))"
    ).bindparams(bindparam("final", expanding=True))
)
ITEM_STATES = PreparedStatement(select(_m.state, func.count()).where(_m.batch == _given("batch")).group_by(_m.state))
LEARNED = PreparedStatement(
    text("UPDATE message SET due_at = :now, lane = 'settle' WHERE state = 'unmatched' AND number = :number")
)
