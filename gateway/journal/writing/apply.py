"""Writing outcomes: check that nothing they rely on has changed, then all rows in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.rows import MESSAGE_MOVES, message_row
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.history import line_of, line_of_other
from tongguan.gateway.journal.writing.licences import write_takes
from tongguan.gateway.journal.writing.outcome_rows import (
    update_rows,
    wake,
    wake_batches,
    wake_learned,
    wake_waiting,
    write_answers,
    write_counted,
    write_documents,
    write_keyed,
    write_lists,
    write_relations,
)
from tongguan.gateway.journal.writing.preconditions import Overtaken, PresentState, behind_earlier, fits, flat, read_known
from tongguan.gateway.journal.writing.writer import Group
from tongguan.gateway.model.message import BEFORE_SENT, FINAL, Kind, Message, State
from tongguan.gateway.model.outcome import Chain, Fate, Finished, Number, Outcome
from tongguan.gateway.model.record import replace


class Finisher:
    """Knows the last sequence number given; used by the writer's thread only."""

    def __init__(self) -> None:
        self.sequence = 0

    def begin(self, group: Group) -> None:
        self.sequence = group.connection.execute(select(func.max(tables.message.c.sequence))).scalar() or 0

    def write(self, group: Group, chains: Sequence[Chain]) -> list[Fate]:
        """Write all chains at once; only if something objects, one by one. What became of each, or what its own rows raised."""
        if not chains:
            return []
        known = read_known(group, chains)
        taken = [chain for chain in chains if fits(chain, known)]
        fates: dict[int, Fate] = {id(chain): Finished.WRITTEN for chain in taken}
        if not group.careful:
            self._write(group, taken, known)
            return [fates.get(id(chain), Finished.CONFLICT) for chain in chains]
        try:
            with group.connection.begin_nested():
                self._write(group, taken, known)
        except Exception as error:
            if _of_the_machine(error):
                raise
            self.begin(group)
            for chain in taken:
                fates[id(chain)] = self._write_alone(group, chain)
                if fates[id(chain)] is Finished.CONFLICT and (own := _own_again(group, chain)) != chain:
                    fates[id(chain)] = self._write_alone(group, own)
        return [fates.get(id(chain), Finished.CONFLICT) for chain in chains]

    def _write_alone(self, group: Group, chain: Chain) -> Fate:
        known = read_known(group, [chain])
        if not fits(chain, known):
            return Finished.CONFLICT
        mark, sequence = group.mark(), self.sequence
        try:
            with group.connection.begin_nested():
                self._write(group, [chain], known)
        except Exception as error:
            if _of_the_machine(error):
                raise
            group.back_to(mark)
            self.sequence = sequence
            if isinstance(error, Overtaken):
                return Finished.CONFLICT
            if not isinstance(error, IntegrityError):
                return error
            return Finished.CLASH if _clashes(group, chain) else Finished.CONFLICT
        return Finished.WRITTEN

    def _write(self, group: Group, chains: Sequence[Chain], known: PresentState) -> None:
        """All rows of these chains; raises IntegrityError when one clashes with another's reference, key or number, Overtaken
        when one was written by another process since `known` was read."""
        outcomes = list(flat(chains))
        mark = group.mark()
        try:
            freed, batches = self._messages(group, outcomes, known)
            write_documents(group, outcomes)
            write_counted(group, outcomes)
            write_keyed(group, outcomes)
            write_relations(group, outcomes)
            write_takes(group, outcomes)
            write_lists(group, outcomes, write_answers(group, outcomes))
            wake(group, freed)
            wake_batches(group, batches)
            wake_learned(group, outcomes)
            wake_waiting(group, outcomes, known.statuses)
        except Exception:
            group.back_to(mark)
            raise

    def _messages(self, group: Group, outcomes: Sequence[Outcome], known: PresentState) -> tuple[set[str], set[str]]:
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
            if message.kind is Kind.SUBMISSION:
                changed = group.change(message.account)
                changed.messages[message.id] = None
                ids = {message.id}
                if message.document_id is not None:
                    changed.documents[message.document_id] = None
                    ids.add(message.document_id)
                if _passes(message, group.at):
                    changed.passing |= ids
                else:
                    changed.passing -= ids
        rows = [message_row(behind_earlier(m, known)) | {"sequence": numbered[m.id]} for m in new.values()]
        if rows:
            group.sql.insert(group.connection, tables.message, rows)
            group.left += digests.records_of("message", rows)
        if moved:
            rows = [message_row(m) for m in moved.values()]
            for row in rows:
                row["was"] = before[row["id"]]
            update_rows(group, tables.message, MESSAGE_MOVES, rows, fence="state")
        _tally(group, (*new.values(), *moved.values()), before)
        return freed, batches


def _passes(message: Message, at: int) -> bool:
    """Does a station take it at once?"""
    due = message.lane is not None and message.due_at is not None and message.due_at <= at
    return due and message.state in BEFORE_SENT and message.waiting_for is None


def _of_the_machine(error: Exception) -> bool:
    """Is it the database or the machine, and not what was to be written?"""
    if isinstance(error, DBAPIError):
        return not isinstance(error, IntegrityError | DataError | InterfaceError | ProgrammingError)
    return isinstance(error, OSError | MemoryError)


def _clashes(group: Group, chain: Chain) -> bool:
    """Is one of its numbers another document's?"""
    numbers = [n for outcome in flat([chain]) for n in outcome.numbers]
    return any(_owner(group, number) not in (None, number.document_id) for number in numbers)


def _own_again(group: Group, chain: Chain) -> Chain:
    """The chain without the numbers that its documents had before: a number may go and come again."""
    return tuple(
        replace(o, numbers=tuple(n for n in o.numbers if _owner(group, n) != n.document_id)) if o.numbers else o for o in chain
    )


def _owner(group: Group, number: Number) -> str | None:
    c = tables.number.c
    where = and_(c.series == number.series, c.kind == number.kind, c.value == number.value)
    return group.connection.execute(select(c.document_id).where(where)).scalar()


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
        statements.COUNT.write(group.connection, *rows)
