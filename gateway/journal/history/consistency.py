"""Do journal, anchor and anchor key belong together? What is wrong, and what an operator's acceptance of it does.

After a restore of an older journal, or its loss, nobody may go on as if nothing had happened: numbers would be given again, and what
was sent since would be sent anew. So the start is refused until the right files are put back, or the difference is accepted on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, inspect, literal, select, update

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.engine import journal_file, open_engine
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.anchor import Anchor, AnchorWrong, Heads, signed
from tongguan.gateway.journal.history.audit import known_keys, lost_head
from tongguan.gateway.journal.history.history import ACCEPT, GATEWAY, GENESIS
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.errors import in_both, in_language
from tongguan.gateway.model.message import State

RESTORE = (
    "恢复备份：tongguan restore 备份文件；或从主目录的同一份副本放回 tongguan.db（连同它自己的 -wal，不留别的）、anchor.jsonl 和 secrets/anchor.key；确要以现有文件继续：tongguan audit accept --why restored",
    "restore a backup: tongguan restore FILE; or put tongguan.db (with its own -wal, and no other), anchor.jsonl and secrets/anchor.key back from one copy of the home; to go on as it is: tongguan audit accept --why restored",
)
RESTORED = in_both("由备份恢复", "restored from a backup")
_CURSORS = "cursor:"
_IN_ONE_HAND = 64
_EVENTS_AHEAD = 1_000_000  #: more than one document ever has


def disagreement(url: str, home: Path, anchor: Anchor, *, frozen: bool = False) -> str | None:
    """What does not fit between them, in both languages; None when they agree, or there is nothing yet. Reads only.

    `frozen`: as for `open_engine`.
    """
    file = journal_file(url, home)
    if file is not None and not (file.exists() and file.stat().st_size):
        return _without_journal(anchor)
    engine = open_engine(url, home, writes=False, frozen=frozen, looks=True)
    try:
        with engine.begin() as connection:
            if not inspect(connection).has_table("history"):
                return _without_journal(anchor)
            return _with_journal(connection, anchor)
    finally:
        engine.dispose()


def _without_journal(anchor: Anchor) -> str | None:
    content = anchor.content()
    if content is None:
        return None
    try:
        heads = signed(content, anchor.own_keys()).heads
    except AnchorWrong as wrong:
        return in_both(f"没有日志库，且{wrong.zh}", f"there is no journal, and {wrong.en}")
    runs = sum(1 for entry, _ in heads.values() if entry)
    en = f"there is no journal, but the anchor speaks of {runs} runs"
    return in_both(f"没有日志库，而锚文件记有 {runs} 次运行", en) if runs else None


def _with_journal(connection: Connection, anchor: Anchor) -> str | None:
    h = tables.history.c
    begun = connection.execute(select(h.run).limit(1)).first() is not None
    content, keys = anchor.content(), known_keys(connection)
    if content is None:
        return in_both("没有锚文件", "the anchor file is missing") if begun else None
    if begun and (wrong_key := anchor.wrong_key(keys)):
        return wrong_key
    try:
        heads = signed(content, keys or anchor.own_keys()).heads
    except AnchorWrong as wrong:
        return wrong.both
    silent = [run for run, (entry, _) in all_heads(connection).items() if entry and run not in heads]
    said = None
    if silent:
        en = f"the anchor file does not speak of run {silent[0]}: it is older, or another's"
        said = in_both(f"锚文件没有提到运行 {silent[0]}：它较旧，或属于别处", en)
    return lost_head(connection, heads) or said


def all_heads(connection: Connection) -> Heads:
    """Each run's last entry."""
    h = tables.history.c
    heads: Heads = {}
    for run in connection.execute(select(tables.run.c.id)).scalars().all():
        last = select(h.entry, h.hash).where(h.run == run).order_by(h.entry.desc()).limit(1)
        heads[run] = tuple(connection.execute(last).first() or (0, GENESIS))
    return heads


def stored_numbers(connection: Connection) -> dict[str, int]:
    """The first number of each series that nobody holds."""
    return {row[0]: row[1] for row in connection.execute(select(tables.serial.c.name, tables.serial.c.next))}


class Acceptance(NamedTuple):
    """By whom, and why, the journal is gone on with as it is."""

    who: str
    why: str
    numbers: Mapping[str, int] = {}  #: the first of each series that was surely given to nobody, where the anchor does not say
    restored: bool = False  #: it is of a backup


def accept(group: Group, anchor: Anchor, wrong: str, accepted: Acceptance) -> None:
    """Go on with what is here: numbers skip what may have been given, events what may have been told, receipts are fetched from the
    beginning again, and what is sealed may have been sent: it is asked for first."""
    group.tell(GATEWAY, ACCEPT, in_language(wrong, "en"), "accepted", who=accepted.who, why=accepted.why)
    given = {name: max(following, 1) for name, following in anchor.numbers().items()}
    for name, following in (*accepted.numbers.items(), *stored_numbers(group.connection).items()):
        given[name] = max(following, given.get(name, 0))
    for name, following in given.items():
        statements.SKIP_TO.write(group.connection, {"name": name, "next": following})
    group.left += digests.records_of("serial", [{"name": n, "next": following} for n, following in given.items()])
    _number_events_ahead(group.connection)
    m = tables.marker.c
    cursors = group.connection.execute(select(m.name).where(m.name.startswith(_CURSORS, autoescape=True))).scalars().all()
    group.connection.execute(delete(tables.marker).where(m.name.in_(cursors)))
    group.left += [digests.gone("marker", name) for name in cursors]
    sealed = select(tables.message.c.id, literal(0), literal(_IN_ONE_HAND)).where(tables.message.c.state == State.SEALED.value)
    doubtful = insert(tables.crash).from_select(["key", "count", "together"], sealed)
    group.connection.execute(delete(tables.crash).where(tables.crash.c.key.in_(select(sealed.subquery().c.id))))
    group.connection.execute(doubtful)


def _number_events_ahead(connection: Connection) -> None:
    """Events that are told from now on have numbers behind all that were told and are not known here: who listens sees a gap."""
    told = tables.event_count.c
    if connection.execute(select(told.document_id).limit(1)).first() is None:
        return  # there are no queues
    connection.execute(update(tables.event_count).values(count=told.count + _EVENTS_AHEAD))
    never = select(tables.document.c.id, literal(_EVENTS_AHEAD)).where(tables.document.c.id.not_in(select(told.document_id)))
    connection.execute(insert(tables.event_count).from_select(["document_id", "count"], never))
