"""Writing outcomes: check that nothing they rely on has changed, then all rows in bulk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from sqlalchemy import Table, and_, func, select
from sqlalchemy.exc import IntegrityError

from tongguan.gateway.kernel import clock, statements, tables
from tongguan.gateway.kernel.changing import replace
from tongguan.gateway.kernel.document import Document
from tongguan.gateway.kernel.history import line_of, line_of_other
from tongguan.gateway.kernel.message import FINAL, Message, State
from tongguan.gateway.kernel.notifying import LANE as NOTIFY
from tongguan.gateway.kernel.outcome import Answer, Chain, Number, Outcome
from tongguan.gateway.kernel.particulars import slices
from tongguan.gateway.kernel.rows import DOCUMENT_MOVES, MESSAGE_MOVES, counted_rows, document_row, message_row, pack, receipt_row
from tongguan.gateway.kernel.writer import Group


@dataclass(slots=True)
class _Known:
    """The present state of what the chains touch, moved on by each chain that is taken."""

    stored: dict[str, State] = field(default_factory=dict)  #: states before the first chain
    states: dict[str, State] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, set[str]] = field(default_factory=dict)  #: document to its messages that make others wait
    behind: set[str] = field(default_factory=set)  #: new messages that came while an earlier one of their document waited
    in_hand: set[str] = field(
        default_factory=set
    )  #: claimed by somebody; read only where something is to be stopped (a sealed one may be on the wire)


class Finisher:
    """Knows the last sequence number given; used by the writer's thread only."""

    def __init__(self) -> None:
        self.sequence = 0

    def begin(self, group: Group) -> None:
        self.sequence = group.connection.execute(select(func.max(tables.message.c.sequence))).scalar() or 0

    def write(self, group: Group, chains: Sequence[Chain]) -> list[str]:
        """Write all chains at once; only if the database objects, one by one. `written`, `conflict` or `clash` for each."""
        if not chains:
            return []
        known = _known(group, chains)
        taken = [chain for chain in chains if _fits(chain, known)]
        words = {id(chain): "written" for chain in taken}
        if not group.careful:
            self._write(group, taken, known)
            return [words.get(id(chain), "conflict") for chain in chains]
        try:
            with group.connection.begin_nested():
                self._write(group, taken, known)
        except IntegrityError:
            self.begin(group)
            for chain in taken:
                words[id(chain)] = self._write_alone(group, chain)
                if words[id(chain)] == "conflict" and (own := _own_again(group, chain)) != chain:
                    words[id(chain)] = self._write_alone(group, own)
        return [words.get(id(chain), "conflict") for chain in chains]

    def _write_alone(self, group: Group, chain: Chain) -> str:
        known = _known(group, [chain])
        if not _fits(chain, known):
            return "conflict"
        moves, sequence = len(group.moves), self.sequence
        try:
            with group.connection.begin_nested():
                self._write(group, [chain], known)
        except IntegrityError:
            del group.moves[moves:]
            self.sequence = sequence
            return "clash" if _clashes(group, chain) else "conflict"
        return "written"

    def _write(self, group: Group, chains: Sequence[Chain], known: _Known) -> None:
        """All rows of these chains; raises IntegrityError when one clashes with another's reference, key or number."""
        outcomes = list(_flat(chains))
        start = len(group.moves)
        try:
            freed, batches = self._messages(group, outcomes, known)
            _documents(group, outcomes)
            _counted(group, outcomes)
            _lists(group, outcomes, _answers(group, outcomes))
            _wake(group, freed)
            _wake_batches(group, batches)
            _learned(group, outcomes)
        except IntegrityError:
            del group.moves[start:]
            raise

    def _messages(self, group: Group, outcomes: Sequence[Outcome], known: _Known) -> tuple[set[str], set[str]]:
        """Insert and update message rows, tally and moves; the documents whose next message may go, and batches to look at."""
        new: dict[str, Message] = {}
        moved: dict[str, Message] = {}
        numbered: dict[str, int] = {}  #: sequence of each message that this commit makes
        before: dict[str, State | None] = {}
        running = dict(known.stored)
        freed: set[str] = set()
        batches: set[str] = set()
        for outcome in outcomes:
            message = outcome.message
            before.setdefault(message.id, outcome.was)
            if outcome.was is None:
                self.sequence += 1
                numbered[message.id] = self.sequence
            (new if message.id in numbered else moved)[message.id] = message
            _note(group, outcome, running)
            for other in outcome.others:
                before.setdefault(other.id, known.stored.get(other.id))
                (new if other.id in numbered else moved)[other.id] = other
        for message in (*new.values(), *moved.values()):
            was = before[message.id]
            if not message.makes_others_wait and message.document_id and was in (State.RECEIVED, State.CHECKED, State.SEALED):
                freed.add(message.document_id)
            if message.batch and message.state is not was and (message.state is State.SENT or message.state in FINAL):
                batches.add(message.batch)
            if message.lane and message.due_at is not None:
                group.lanes.add(message.lane)
        rows = [message_row(_behind(m, known)) | {"sequence": numbered[m.id]} for m in new.values()]
        if rows:
            group.connection.exec_driver_sql(*group.sql.insert(tables.message, rows))
        if moved:
            group.connection.exec_driver_sql(
                *group.sql.update(tables.message, MESSAGE_MOVES, [message_row(m) for m in moved.values()])
            )
        _tally(group, (*new.values(), *moved.values()), before)
        return freed, batches


def _clashes(group: Group, chain: Chain) -> bool:
    """Is one of its numbers another document's?"""
    numbers = [n for outcome in _flat([chain]) for n in outcome.numbers]
    return any(_owner(group, number) not in (None, number.document_id) for number in numbers)


def _own_again(group: Group, chain: Chain) -> Chain:
    """The chain without the numbers that its documents had before: a number may go and come again."""
    return tuple(
        replace(o, numbers=tuple(n for n in o.numbers if _owner(group, n) != n.document_id)) if o.numbers else o for o in chain
    )


def _owner(group: Group, number: Number) -> str | None:
    c = tables.number.c
    where = and_(c.authority == number.series, c.kind == number.kind, c.value == number.value)
    return group.connection.execute(select(c.document_id).where(where)).scalar()


def _flat(chains: Iterable[Chain]) -> Iterable[Outcome]:
    for chain in chains:
        for outcome in chain:
            yield outcome
            yield from _flat([outcome.follow_ons])


def _known(group: Group, chains: Sequence[Chain]) -> _Known:
    """Read in bulk what the chains rely on."""
    known = _Known()
    messages: set[str] = set()
    documents: set[str] = set()
    ordered: set[str] = set()
    made: set[str] = set()  #: messages and documents that these chains make: there is nothing to read of them
    for outcome in _flat(chains):
        message = outcome.message
        if outcome.was is None:
            made.add(message.id)
            if message.waits and message.document_id:
                ordered.add(message.document_id)
        else:
            messages.add(message.id)
        messages.update(other.id for other in outcome.others)
        for document in outcome.documents:
            (made if document.version == 1 else documents).add(document.id)
        documents.update(outcome.relied_on)
    read = group.connection.execute
    for part in slices(messages - made):
        known.states.update({row[0]: State(row[1]) for row in read(statements.STATES, {"values": part})})
    known.stored = dict(known.states)
    for part in slices(documents - made):
        known.versions.update({row[0]: row[1] for row in read(statements.VERSIONS, {"values": part})})
    if any(m.state is State.STOPPED for outcome in _flat(chains) for m in (outcome.message, *outcome.others)):
        for keys in read(statements.IN_HAND).scalars():
            known.in_hand.update(orjson.loads(keys))
    for part in slices(ordered):
        for document_id, _, id_ in read(statements.ORDERED, {"values": part}):
            known.waiting.setdefault(document_id, set()).add(id_)
    return known


def _fits(chain: Chain, known: _Known) -> bool:
    """Is everything as the chain found it? If so, `known` moves on as if it were written."""
    states, versions, waiting = dict[str, State](), dict[str, int](), dict[str, set[str]]()
    behind = set[str]()
    for outcome in _flat([chain]):
        message = outcome.message
        if states.get(message.id, known.states.get(message.id)) != outcome.was:
            return False
        states[message.id] = message.state
        if outcome.was is State.SEALED and message.state is State.STOPPED and message.id in known.in_hand:
            return False  # it may be on the wire at this moment
        for other in outcome.others:
            present = states.get(other.id, known.states.get(other.id))
            if present is State.SEALED and other.state is State.STOPPED and other.id in known.in_hand:
                return False
            if present is None or present != outcome.others_were.get(other.id, present):
                return False
            states[other.id] = other.state
        for document in outcome.documents:
            if versions.get(document.id, known.versions.get(document.id, 0)) != document.version - 1:
                return False
            versions[document.id] = document.version
        for id_, version in outcome.relied_on.items():
            if versions.get(id_, known.versions.get(id_, 0)) not in (version, version + (1 if id_ in versions else 0)):
                return False
        if message.document_id and message.waits:
            others = waiting.setdefault(message.document_id, set(known.waiting.get(message.document_id, ())))
            others.discard(message.id)
            if others and outcome.was is None:
                behind.add(message.id)
            if message.id in behind and message.state is not State.RECEIVED:
                return False  # it would pass an earlier one
            if message.makes_others_wait:
                others.add(message.id)
    known.states.update(states)
    known.versions.update(versions)
    known.waiting.update(waiting)
    known.behind |= behind
    return True


def _behind(message: Message, known: _Known) -> Message:
    """A new message behind an earlier one of its document waits until that is sent or ends."""
    if message.id in known.behind and message.makes_others_wait:
        return replace(message, due_at=None, waiting_for="earlier message")
    return message


def _note(group: Group, outcome: Outcome, running: dict[str, State]) -> None:
    """The lines of a move and of those that it brings about."""
    document = outcome.documents[0].id if outcome.documents else outcome.message.document_id
    group.moves.append((outcome.message.id, document, line_of(outcome)))
    running[outcome.message.id] = outcome.message.state
    for further in outcome.documents[1:]:
        line = line_of_other(outcome.message.id, outcome.message.state, outcome.message.state, outcome=outcome)
        group.moves.append((outcome.message.id, further.id, line))
    for other in outcome.others:
        line = line_of_other(other.id, running[other.id], other.state, outcome=outcome)
        group.moves.append((other.id, other.document_id, line))
        running[other.id] = other.state


def _tally(group: Group, messages: Iterable[Message], before: dict[str, State | None]) -> None:
    change: Counter[tuple[str, str, str]] = Counter()
    for m in messages:
        was = before[m.id]
        if was is m.state:
            continue
        change[(m.account, m.kind, m.state)] += 1
        if was is not None:
            change[(m.account, m.kind, was)] -= 1
    rows = [{"account": a, "kind": k, "state": s, "change": n} for (a, k, s), n in change.items() if n]
    if rows:
        group.connection.execute(statements.COUNT, rows)


def _documents(group: Group, outcomes: Sequence[Outcome]) -> None:
    last: dict[str, Document] = {}
    first_version: dict[str, int] = {}
    rounds: list[dict[str, Any]] = []
    facts: dict[str, dict[str, str]] = {}
    for outcome in outcomes:
        for document in outcome.documents:
            first_version.setdefault(document.id, document.version)
            opened = last.get(document.id)
            if document.round and document.changing == outcome.message.id and (opened is None or opened.round < document.round):
                row = {"document_id": document.id, "round": document.round, "message_id": outcome.message.id}
                rounds.append({**row, "opened_at": document.round_opened_at or group.at})
            if document.facts is not None:
                facts[document.id] = document.facts
            last[document.id] = document
    new = [document_row(d) for d in last.values() if first_version[d.id] == 1]
    old = [document_row(d) for d in last.values() if first_version[d.id] > 1]
    if new:
        group.connection.exec_driver_sql(*group.sql.insert(tables.document, new))
    if old:
        group.connection.exec_driver_sql(*group.sql.update(tables.document, DOCUMENT_MOVES, old))
    if rounds:
        statement, rows = group.sql.insert(tables.round_, rounds)
        group.connection.exec_driver_sql(statement + " ON CONFLICT DO NOTHING", rows)
    changed = [id_ for id_ in facts if first_version[id_] > 1]
    for part in slices(changed):
        group.connection.execute(statements.FORGET_FACTS, {"values": part})
    _insert(group, tables.fact, [{"document_id": i, "name": n, "value": v} for i, f in facts.items() for n, v in f.items()])


def _counted(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Put each document's last lines of the statistics in the place of those it had."""
    count(group, {d.id: d for outcome in outcomes for d in outcome.documents if d.counted is not None})


def count(group: Group, documents: Mapping[str, Document]) -> None:
    for part in slices(documents):
        group.connection.execute(statements.UNCOUNT, {"values": part})
    _insert(group, tables.counted, [row for document in documents.values() for row in counted_rows(document)])


def recount(group: Group, documents: Sequence[Document]) -> bool:
    """Write these documents' next versions and lines; False, and nothing, when one of them has changed since it was read."""
    versions: dict[str, int] = {}
    for part in slices(d.id for d in documents):
        versions.update(tuple(row) for row in group.connection.execute(statements.VERSIONS, {"values": part}))
    if any(versions.get(d.id) != d.version - 1 for d in documents):
        return False
    if documents:
        group.connection.exec_driver_sql(*group.sql.update(tables.document, DOCUMENT_MOVES, [document_row(d) for d in documents]))
        count(group, {d.id: d for d in documents})
    return True


def _lists(group: Group, outcomes: Sequence[Outcome], names: dict[int, str]) -> None:
    """Reservations, numbers, receipts (with the `names` of their files), bodies and short messages."""
    for gone in (gone for outcome in outcomes for gone in outcome.release):
        mine = {"kind": gone.kind, "value": gone.value, "document_id": gone.document_id}
        group.connection.execute(statements.RELEASE, mine)
    reserved = [{"kind": r.kind, "value": r.value, "document_id": r.document_id} for o in outcomes for r in o.reserve]
    _insert(group, tables.reservation, reserved)
    numbers = [
        {"authority": n.series, "kind": n.kind, "value": n.value, "document_id": n.document_id, "account": n.account}
        for o in outcomes
        for n in o.numbers
    ]
    _insert(group, tables.number, numbers)
    receipts = [replace(r, file=names.get(id(o.answers[0])) if o.answers else None) for o in outcomes for r in o.receipts]
    group.touched.update(r.message_id for r in receipts if r.message_id)
    _insert(group, tables.receipt, [receipt_row(r) for r in receipts], again=True)
    bodies = [
        {"message_id": b.message_id, "role": b.role, "sha256": b.sha256, "content": pack(b.content)}
        for o in outcomes
        for b in o.bodies
    ]
    _insert(group, tables.body, bodies, again=True)
    notifications = [asdict(n) for o in outcomes for n in o.notifications]
    _insert(group, tables.notification, notifications, again=True)
    if notifications:
        group.lanes.add(NOTIFY)


def _insert(group: Group, table: Table, rows: list[dict[str, Any]], *, again: bool = False) -> None:
    """Insert rows in bulk; `again`: a row that is there already stays as it is."""
    if rows:
        statement, values = group.sql.insert(table, rows)
        group.connection.exec_driver_sql(statement + (" ON CONFLICT DO NOTHING" if again else ""), values)


def _answers(group: Group, outcomes: Sequence[Outcome]) -> dict[int, str]:
    """Give each answer the name it keeps: stem, time, and `-2` when that is taken; the names by the answers' identity."""
    answers = [a for o in outcomes for a in o.answers]
    if not answers:
        return {}
    stamp = clock.stamp(group.at)
    taken: dict[str, set[str]] = defaultdict(set)
    wanted: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        wanted[answer.account].add(f"{answer.name}_{stamp}{answer.suffix}")
    for account, names in wanted.items():
        for part in slices(names):
            taken[account].update(group.connection.execute(statements.FILES, {"account": account, "values": part}).scalars())
    rows = [_answer_row(a, stamp, taken[a.account], group.at) for a in answers]
    _insert(group, tables.answer, rows)
    return {id(answer): row["file"] for answer, row in zip(answers, rows, strict=True)}


def _answer_row(answer: Answer, stamp: str, taken: set[str], at: int) -> dict[str, Any]:
    name, n = f"{answer.name}_{stamp}{answer.suffix}", 1
    while name in taken:
        n += 1
        name = f"{answer.name}_{stamp}-{n}{answer.suffix}"
    taken.add(name)
    return {
        "message_id": answer.message_id,
        "document_id": answer.document_id,
        "account": answer.account,
        "kind": answer.kind,
        "file": name,
        "content": pack(answer.content),
        "number": answer.number,
        "at": at,
        "written": 0,
    }


def _wake(group: Group, freed: set[str]) -> None:
    """The next message of each document may go."""
    if freed:
        woken = group.connection.execute(statements.WAKE, [{"now": group.at, "document": d} for d in freed])
        if woken.rowcount:
            group.lanes.add("read")


def _wake_batches(group: Group, batches: set[str]) -> None:
    for batch in batches:
        if group.connection.execute(statements.WAKE_BATCH, {"now": group.at, "batch": batch, "final": list(FINAL)}).rowcount:
            group.lanes.add("batch")


def _learned(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Receipts that nobody knew are tried again when their number becomes known."""
    values = [{"now": group.at, "number": n.value} for o in outcomes for n in o.numbers]
    if values and group.connection.execute(statements.LEARNED, values).rowcount:
        group.lanes.add("settle")
