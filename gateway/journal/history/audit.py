"""Verify the history: recompute every chain, and compare rows, bodies, counts and anchored heads with it.

Promises: nothing is written; rows are read one after another, however many there are; the first thing that is wrong is named.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Connection, Select, Table, and_, func, select, union_all
from sqlalchemy.exc import SQLAlchemyError
from zstandard import ZstdError

from tongguan.gateway.journal.database import tables
from tongguan.gateway.journal.database.rows import amount_of, unpack
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.anchor import Anchor, AnchorWrong, Heads, signed
from tongguan.gateway.journal.history.history import ACCEPT, GATEWAY, GENESIS, KEYS, START, entry_hash, told_line
from tongguan.gateway.journal.history.ledger import Difference, Ledger
from tongguan.gateway.model.errors import TongguanError, each_of, in_both
from tongguan.gateway.system import times

_OF_DOCUMENTS = (*(form.name for form in digests.FORMS["document"]), *digests.TOGETHER)
_ENTRY_BITS = 40  #: of a place: the run's index stands above them
OnProgress = Callable[[str, int, int], None]
"""Called now and then with what is read, how far, and of how much."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `tongguan audit verify` found; `broken` names the first altered or missing entry or row, `key` what is wrong with the
    key that signs the anchor; both in both languages."""

    entries: int
    moves: int
    runs: int
    broken: str | None = None
    key: str | None = None
    accepted: tuple[str, ...] = ()  #: restores that a person accepted: when, who, why


class _Altered(TongguanError):
    """The first thing that is wrong."""


@dataclass(slots=True)
class _Recomputation:
    """What the chains told on the way."""

    ledger: Ledger
    progress: OnProgress
    runs: Sequence[str]
    most: int
    entries: int = 0
    moves: int = 0
    last: int = 0  #: the number of the run's last move
    heads: Heads = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)


def verify(
    connection: Connection, anchor: Anchor, progress: OnProgress = lambda *_: None, *, copy: bytes | None = None
) -> Verdict:
    """Recompute every chain and compare all rows of facts and the anchored heads with it; those of a `copy` of the anchor too."""
    content = anchor.content()  # before the first row is read: the anchor of a running gateway must not be newer than the rows
    r, h = tables.run.c, tables.history.c
    runs = list(connection.execute(select(r.id).order_by(r.number)).scalars())
    count, size = connection.execute(select(func.count(), func.sum(func.length(h.leaves)))).one()
    ledger = Ledger((size or 0) // digests.RECORD)
    walk = _Recomputation(ledger, progress, runs, count)
    broken = None
    try:
        for index, run in enumerate(runs):
            _chain(connection, index, run, walk)
        _strangers(connection, walk)
        _heads(connection, walk.heads, anchor, content)
        if copy is not None:
            _copied(connection, copy)
        _rows(connection, walk)
    except _Altered as wrong:
        broken = wrong.both
    except (SQLAlchemyError, ValueError, TypeError, LookupError) as unreadable:  # an altered row may hold anything
        said = getattr(unreadable, "orig", None) or unreadable
        broken = in_both(f"有一行读不出：{said}", f"a row cannot be read: {said}")
    finally:
        ledger.close()
    key = anchor.wrong_key(known_keys(connection)) if runs else None
    return Verdict(walk.entries, walk.moves, len(runs), broken, key, tuple(walk.accepted))


def _chain(connection: Connection, index: int, run: str, walk: _Recomputation) -> None:
    """Walk one run's chain to its head."""
    previous, expected, walk.last = GENESIS, 1, 0
    h = tables.history.c
    rows = connection.execute(_slowly(select(tables.history).where(h.run == run).order_by(h.entry), 100))
    lines = _lines(connection, run)
    entry, own = next(lines, (0, []))
    for row in rows.mappings():
        number, when = row["entry"], times.show(row["at"])
        place = f"运行 {run} 的记录 {number}（{when}）", f"run {run} entry {number} at {when}"
        if row["entry"] != expected:
            raise _Altered(f"缺少运行 {run} 的记录 {expected}", f"run {run} entry {expected} is missing")
        mine = own if entry == expected else []
        told = [told_line(m["document_id"], m["line"]) for m in mine]
        made = entry_hash(previous, run, expected, at=row["at"], lines=told, left=row["leaves"])
        if row["previous"] != previous or made != row["hash"]:
            raise _Altered(f"{place[0]}被改动", f"{place[1]} was altered")
        _moves(connection, place, row, mine, index << _ENTRY_BITS | expected, walk)
        if mine:
            entry, own = next(lines, (0, []))
        previous, expected = row["hash"], expected + 1
        if walk.entries % 1000 == 0:
            walk.progress("entries", walk.entries, walk.most)
    if entry:
        raise _Altered(
            f"运行 {run}：记录 {expected - 1} 之后的各步没有记录", f"run {run}: moves after entry {expected - 1} have no entry"
        )
    walk.heads[run] = (expected - 1, previous)


def _strangers(connection: Connection, walk: _Recomputation) -> None:
    """Entries and moves of runs that nobody began, and moves that were given another place in the row of all."""
    n, last = connection.execute(select(func.count(), func.max(tables.move.c.n))).one()
    if (walk.most, n) != (walk.entries, walk.moves):
        raise _Altered("有的记录或步骤属于无人启动的运行", "there are entries or moves of a run that nobody began")
    if connection.dialect.name == "sqlite" and n and last != n:  # others leave gaps after what came to nothing
        raise _Altered(f"第 {last} 步不在原处：共有 {n} 步", f"move {last} is not where it was: there are {n}")


def _slowly(query: Select[Any], rows: int) -> Select[Any]:
    """So many rows at a time, so that memory does not grow with them."""
    return query.execution_options(yield_per=rows)


def _lines(connection: Connection, run: str) -> Iterator[tuple[int, list[digests.RowValues]]]:
    m = tables.move.c
    of_run = select(m.entry, m.n, m.at, m.message_id, m.document_id, m.line).where(m.run == run).order_by(m.entry, m.n)
    rows = connection.execute(_slowly(of_run, 1000))
    return ((entry, list(group)) for entry, group in groupby(rows.mappings(), key=lambda row: int(row["entry"])))


def _moves(
    connection: Connection,
    place: tuple[str, str],
    entry: digests.RowValues,
    moves: Sequence[digests.RowValues],
    at: int,
    walk: _Recomputation,
) -> None:
    """What one entry tells, noted for the rows that are looked at later."""
    for move in moves:
        facts = orjson.loads(move["line"])
        if (move["message_id"], move["at"]) != (facts[0], entry["at"]) or move["n"] <= walk.last:
            raise _Altered(
                f"{place[0]}被改动：第 {move['n']} 步不在原处", f"{place[1]} was altered: move {move['n']} is not where it was"
            )
        walk.last = move["n"]
        for role, sha256 in facts[7]:
            record = digests.body_record(facts[0], role, sha256)
            walk.ledger.tell(record[: digests.NAME], record[digests.NAME :], at)
        if facts[0] == GATEWAY:
            _event(connection, place, facts, at, walk)
    for name, left in digests.split(entry["leaves"]):
        walk.ledger.tell(name, left, at)
    walk.entries, walk.moves = walk.entries + 1, walk.moves + len(moves)


def _event(connection: Connection, place: tuple[str, str], facts: Sequence[Any], at: int, walk: _Recomputation) -> None:
    """A start names the run before it and its head; an acceptance is shown with every verdict."""
    if facts[1] == START:
        before, entry, hash_ = facts[9]
        index = at >> _ENTRY_BITS
        found = walk.runs[index - 1] if index else ""
        if found != before or lost_head(connection, {before: (entry, hash_)}):
            raise _Altered(
                f"{place[0]}：此前是运行 {before}，直到记录 {entry}，而它被改动或缺失",
                f"{place[1]}: before it came run {before} up to entry {entry}, which is altered or missing",
            )
    elif facts[1] == ACCEPT:
        walk.accepted.append(f"{place[1]}: {facts[4]}: {facts[5]} ({facts[2]})")


def _heads(connection: Connection, heads: Heads, anchor: Anchor, content: bytes | None) -> None:
    """Is what the anchor says of each run's end still there, and does it speak of each run?"""
    try:
        anchored = signed(content, known_keys(connection)).heads
    except AnchorWrong as wrong:
        raise _Altered(wrong.zh, wrong.en) from None
    aside = anchor.altered()
    if aside:
        kept = aside[0]
        raise _Altered(f"锚文件被改动：原样另存为 {kept}", f"the anchor file was altered: what was found is kept as {kept}")
    lost = lost_head(connection, anchored)
    if lost:
        raise _Altered(*each_of(lost))
    silent = [run for run, (entry, _) in heads.items() if entry and run not in anchored]
    if silent:
        run = silent[0]
        en = f"the anchor file does not speak of run {run}: it was put in place of another"
        raise _Altered(f"锚文件没有提到运行 {run}：它替换了原来的", en)


def _copied(connection: Connection, copy: bytes) -> None:
    """Is what an earlier anchor said still in the history? How far numbers were given is part of that, and may go back."""
    try:
        lost = lost_head(connection, signed(copy, known_keys(connection)).heads)
    except AnchorWrong:
        lost = in_both("它被改动，或由别处的密钥签名", "it was altered, or signed with another key than this home's")
    if lost:
        zh, en = each_of(lost)
        raise _Altered(f"这不是锚文件副本所记的历史：{zh}", f"this is not the history that the copy of the anchor tells of: {en}")


def known_keys(connection: Connection) -> list[str]:
    """The anchor's public keys, newest last."""
    m = tables.marker.c
    return (connection.execute(select(m.value).where(m.name == KEYS)).scalar() or "").split()


def lost_head(connection: Connection, anchored: Heads) -> str | None:
    """What the anchor knows and the journal does not, in both languages."""
    h = tables.history.c
    for run, (entry, hash_) in anchored.items():
        if not entry:
            continue
        found = connection.execute(select(h.hash).where(and_(h.run == run, h.entry == entry))).scalar()
        if found is None:
            en = f"run {run}: entries up to {entry} were anchored but are missing"
            return in_both(f"运行 {run}：直到 {entry} 的记录在锚文件中，却缺失", en)
        if found != hash_:
            return in_both(f"运行 {run} 的记录 {entry} 与锚文件不符", f"run {run} entry {entry} differs from its anchor")
    return None


def held_tables() -> list[Table]:
    apart = digests.WITHOUT | {"history", "move"}
    return [table for table in tables.metadata.sorted_tables if table.name not in apart]


def stored_rows(connection: Connection, table: Table) -> Iterator[digests.RowValues]:
    """All rows of a table, those of one document together."""
    query = select(table)
    if table.name in digests.TOGETHER:
        query = query.order_by(table.c[digests.TOGETHER[table.name]])
    yield from connection.execute(_slowly(query, 200)).mappings()


def _rows(connection: Connection, walk: _Recomputation) -> None:
    """Is each row as the last entry that wrote it left it?"""
    counts: Counter[tuple[str, str, str]] = Counter()
    for table in held_tables():
        rows = stored_rows(connection, table)
        if table is tables.message:
            rows = _counted(rows, counts)
        elif table is tables.body:
            rows = _whole(rows)
        for n, record in enumerate(digests.records_of(table.name, rows)):
            walk.ledger.see(record)
            if n % 10_000 == 0:
                walk.progress(table.name, n, 0)
    for difference in walk.ledger.differences():
        raise _Altered(*_said(connection, difference, walk))
    t = tables.tally.c
    tally = {tuple(row[:3]): row[3] for row in connection.execute(select(t.account, t.kind, t.state, t.count)) if row[3]}
    wrong = sorted(map(str, tally.items() ^ {key: n for key, n in counts.items()}.items()))
    if wrong:
        raise _Altered(f"报文的计数被改动：{wrong[0]}", f"the counts of messages were altered: {wrong[0]}")
    _taken(connection)


def _taken(connection: Connection) -> None:
    """Is what is used of each licence the sum of what documents hold of it?"""
    u, t = tables.licence_used.c, tables.licence_taken.c
    each = union_all(select(u.licence_id, u.line, u.high, u.low), select(t.licence_id, t.line, -t.high, -t.low)).subquery().c
    sums = select(each.licence_id, each.line, func.sum(each.high), func.sum(each.low)).group_by(each.licence_id, each.line)
    for licence_id, line, *parts in connection.execute(_slowly(sums, 1000)):
        if amount_of(*map(int, parts)):
            zh = f"许可证 {licence_id} 的 {line}：已占用量不等于各单证占用量之和"
            raise _Altered(zh, f"licence {licence_id}, {line}: what is used is not the sum of what documents hold")


def _counted(rows: Iterator[digests.RowValues], counts: Counter[tuple[str, str, str]]) -> Iterator[digests.RowValues]:
    for row in rows:
        counts[(row["account"], row["kind"], row["state"])] += 1
        yield row


def _whole(rows: Iterator[digests.RowValues]) -> Iterator[digests.RowValues]:
    """Bodies whose bytes are those that their hash was made of."""
    for row in rows:
        try:
            fits = hashlib.sha256(unpack(row["content"])).hexdigest() == row["sha256"]
        except (ZstdError, TypeError):
            fits = False
        if not fits:
            raise _Altered(*_altered(_called("body", (row["message_id"], row["role"]))))
        yield row


def _said(connection: Connection, difference: Difference, walk: _Recomputation) -> tuple[str, str]:
    """Name the row; seldom needed, so looked for again."""
    zh, where = "", ""
    if difference.place is not None:
        run, entry = walk.runs[difference.place >> _ENTRY_BITS], difference.place & (1 << _ENTRY_BITS) - 1
        zh, where = f"运行 {run} 的记录 {entry}", f"run {run} entry {entry}"
        if not difference.present:
            gone = _missing(connection, difference.name, run, entry)
            return f"{gone or '有一行'} 缺失：{zh} 留有它", f"{gone or 'a row'} is missing: {where} left it"
    for table in held_tables():
        for form in digests.FORMS.get(table.name, (digests.RecordForm("body", ("message_id", "role"), ()),)):
            for row in stored_rows(connection, table):
                key = [row[name] for name in form.key]
                own = [row[digests.TOGETHER[table.name]]] if table.name in digests.TOGETHER else key
                if digests.row_name(form.name, *own) == difference.name:
                    what = _called(form.name, own)
                    if not where:
                        return f"{what} 不在任何历史中：无人建立过", f"{what} is in no history: nobody made it"
                    said = _altered(what)
                    return f"{said[0]}：{zh} 留下的不同", f"{said[1]}: {where} left another"
    return f"{zh or '无人'} 留下的一行被改动", f"a row that {where or 'nobody'} left was altered"


def _altered(what: str) -> tuple[str, str]:
    return f"{what} 被改动", f"{what} was altered"


def _called(form: str, key: Sequence[Any]) -> str:
    if form == "body":
        return f"body {key[1]} of message {key[0]}"
    name, _, part = form.partition(",")
    return " ".join((name, *map(str, key))) + (part and f",{part}")


def _missing(connection: Connection, name: bytes, run: str, entry: int) -> str:
    """A row that is gone, found among those that the entry's moves speak of."""
    v = tables.move.c
    for move in connection.execute(select(v.document_id, v.line).where(and_(v.run == run, v.entry == entry))):
        facts = orjson.loads(move.line)
        keys: list[tuple[str, list[Any]]] = [(form.name, [facts[0]]) for form in digests.FORMS["message"]]
        keys += [(form, [d]) for d in (move.document_id, *(d[0] for d in facts[6])) for form in _OF_DOCUMENTS]
        keys += [("body", [facts[0], role]) for role, _ in facts[7]]
        keys += [("receipt", [authority, id_]) for authority, id_, _ in facts[8]]
        for form, key in keys:
            if digests.row_name(form, *key) == name:
                return _called(form, key)
    return ""
