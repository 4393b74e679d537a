"""What need not be kept any more: bodies of what ended long ago, and printed forms.

Promises: names, references, hashes and moves stay, so that the same again is still known, and the history verifies: what was removed is
told in it like everything else. What waits for a person, or may go on, loses nothing; nor do living documents lose their files.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, select, tuple_

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.history import GATEWAY
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.message import FINAL, PRINT
from tongguan.gateway.model.record import record

WHO = "retention"
PORTION = 200  #: messages, or answers, looked at in one transaction
_ATTACHMENT = "attachment:"
RESULT = "result"  #: role of a body
_m, _d, _b, _a = tables.message.c, tables.document.c, tables.body.c, tables.answer.c


def forget_bodies(group: Group, *, after: int, before_ms: int) -> int | None:
    """Remove the bodies of the next messages in order of sequence that ended before; the last sequence looked at, None at the end."""
    columns = _m.id, _m.sequence, _m.received_at, _m.updated_at, _m.state, _m.document_id
    portion = select(*columns).where(_m.sequence > after).order_by(_m.sequence).limit(PORTION)
    looked_at = group.connection.execute(portion).all()
    rows = [row for row in looked_at if row.received_at < before_ms]  # one of a wrong clock may stand among them
    ended = [row for row in rows if row.state in FINAL and row.updated_at < before_ms]
    busy = _busy(group.connection, {row.document_id for row in ended if row.document_id}, before_ms)
    alive = _alive(group.connection, {row.document_id for row in ended if row.document_id})
    leaving = {row.id: row.document_id in alive for row in ended if row.document_id not in busy}
    found = select(_b.message_id, _b.role).where(_b.message_id.in_(leaving))
    bodies = [(id_, role) for id_, role in group.connection.execute(found) if not (leaving[id_] and role.startswith(_ATTACHMENT))]
    if bodies:
        group.connection.execute(delete(tables.body).where(tuple_(_b.message_id, _b.role).in_(bodies)))
        group.left += [digests.gone("body", *key) for key in bodies]
        _tell(group, f"{len(bodies)} bodies of {len({id_ for id_, _ in bodies})} messages")
    return looked_at[-1].sequence if rows and len(looked_at) == PORTION else None


def _busy(connection: Connection, documents: set[str], before_ms: int) -> set[str]:
    """Documents of which a message has not ended, or did so since."""
    found = select(_m.document_id, _m.state, _m.updated_at).where(_m.document_id.in_(documents))
    return {id_ for id_, state, updated_at in connection.execute(found) if state not in FINAL or updated_at >= before_ms}


def _alive(connection: Connection, documents: set[str]) -> set[str]:
    return {row[0] for row in connection.execute(select(_d.id).where(and_(_d.id.in_(documents), _d.deleted == 0)))}


def forget_prints(group: Group, account: str, *, after: tuple[int, int], before_ms: int) -> tuple[int, int] | None:
    """Remove the next printed forms of an account that were made before; moment and id of the last answer looked at, None at the end."""
    portion = select(_a.at, _a.id, _a.message_id, _a.file, _a.kind, _a.written).where(
        and_(_a.account == account, tuple_(_a.at, _a.id) > after, _a.at < before_ms, _a.kept_until.is_(None))
    )
    rows = group.connection.execute(portion.order_by(_a.at, _a.id).limit(PORTION)).all()
    results = {row.message_id for row in rows if row.kind == "result" and row.written}
    printed = {row[0] for row in group.connection.execute(select(_m.id).where(and_(_m.id.in_(results), _m.operation == PRINT)))}
    leaving = [row for row in rows if row.message_id in printed and row.kind == "result" and row.written]
    if leaving:
        group.connection.execute(delete(tables.answer).where(_a.id.in_([row.id for row in leaving])))
        group.left += [digests.gone("answer", account, row.file) for row in leaving]
        _tell(group, f"{len(leaving)} printed forms of {account}")
    return (rows[-1].at, rows[-1].id) if len(rows) == PORTION else None


@record
class KeptResult:
    """A result that was to be kept up to a day which is over."""

    id: int  #: of its answer
    message_id: str
    account: str
    file: str  #: in InBox
    written: int  #: 0: it is still to be written there


def results_over(
    connection: Connection, *, after: tuple[str, int], today: str
) -> tuple[list[KeptResult], tuple[str, int] | None]:
    """The next results whose day is over and which are still there, the longest over first; where to go on, None at the end."""
    rows = statements.KEPT_OVER.rows(connection, day=after[0], id=after[1], today=today, most=PORTION)
    found = [KeptResult(*row[1:]) for row in rows]
    return found, (rows[-1][0], rows[-1][1]) if len(rows) == PORTION else None


def forget_results(group: Group, results: Sequence[KeptResult]) -> None:
    """Remove results from the journal; their files are gone already."""
    bodies = and_(_b.message_id.in_([one.message_id for one in results]), _b.role == RESULT)
    gone = [tuple(row) for row in group.connection.execute(select(_b.message_id, _b.role).where(bodies))]
    group.connection.execute(delete(tables.body).where(bodies))
    group.left += [digests.gone("body", *key) for key in gone]
    group.connection.execute(delete(tables.answer).where(_a.id.in_([one.id for one in results])))
    group.left += [digests.gone("answer", one.account, one.file) for one in results]
    _tell(group, f"{len(results)} results whose day is over")


def _tell(group: Group, why: str) -> None:
    group.tell(GATEWAY, "retention", None, "", who=WHO, why=why)
