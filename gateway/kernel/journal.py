"""The one durable truth. Everything a step decides is written in one transaction, or not at all.

Promises: after `finish` returns, its outcomes survive a power cut; an outcome is never written on top of a document or
message that changed since it was decided; a claim that was lost writes nothing but the receipts in its late answer.
Never: decides anything, reads the clock but for stamping, touches files but its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.kernel import clock, migrating, statements, tables
from tongguan.gateway.kernel.anchor import Anchor
from tongguan.gateway.kernel.claims import Claim, Claims
from tongguan.gateway.kernel.document import Document
from tongguan.gateway.kernel.engine import open_engine
from tongguan.gateway.kernel.errors import StationBroken
from tongguan.gateway.kernel.finishing import Finisher
from tongguan.gateway.kernel.history import KEYS, Verdict, verify
from tongguan.gateway.kernel.ids import new_id
from tongguan.gateway.kernel.lists import Lane
from tongguan.gateway.kernel.message import Message
from tongguan.gateway.kernel.notifying import Notifications
from tongguan.gateway.kernel.outcome import Chain
from tongguan.gateway.kernel.outcome_rows import recount
from tongguan.gateway.kernel.records import Records
from tongguan.gateway.kernel.rows import message_of
from tongguan.gateway.kernel.writer import Group, Writer

__all__ = ["Claim", "Finished", "Journal", "Told"]
log = structlog.get_logger("journal")

SERIAL_BLOCK = 1000


class Finished(StrEnum):
    WRITTEN = "written"  #: in the journal for good
    CONFLICT = "conflict"  #: what it relied on has changed: decide again
    CLASH = "clash"  #: a number in it is another document's: deciding again will not help
    LOST = "lost"  #: the claim is another's now: nothing was written but late receipts


@dataclass(frozen=True, slots=True)
class Told:
    """What a commit changed, for those who show it: ids of messages and documents."""

    messages: tuple[str, ...]
    documents: tuple[str, ...]


def _log_moves(group: Group) -> None:
    """One line a move: the only place that logs them."""
    if log.is_enabled_for(logging.INFO):
        for message_id, document_id, line in group.moves:
            _, step, was, state, who, why, *_ = orjson.loads(line)
            log.info("move", message=message_id, document=document_id, step=step, was=was, state=state, who=who, why=why or None)


class Journal:
    """Open with `Journal.open`; threads may share it. `start` begins grouping commits in a thread of its own."""

    def __init__(self, engine: Engine, readers: Engine, *, anchor: Anchor) -> None:
        self._engine, self._readers = engine, readers
        self.anchor = anchor
        self.run = new_id()
        self.opened_at = clock.now_ms()
        self.listeners: list[Callable[[Told], None]] = []
        self._bells: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._serials: dict[str, tuple[int, int]] = {}
        self.lanes: dict[str, Lane] = {}
        self._writer = Writer(engine, self.run, told=self._committed)
        self._claims = Claims(self._writer)
        self._finisher = Finisher()
        self.notifications = Notifications(self._writer, self._reading)

    @classmethod
    def open(cls, url: str, home: Path) -> Journal:
        """Open and migrate the journal; what a crashed run had in hand is remembered as suspect."""
        engine = open_engine(url, home, writes=True)
        migrating.to_newest(engine)
        journal = cls(engine, open_engine(url, home, writes=False), anchor=Anchor(home / "anchor.jsonl"))
        journal._begin_run()
        return journal

    def _begin_run(self) -> None:
        def begin(group: Group) -> None:
            group.connection.execute(insert(tables.run).values(id=self.run, started_at=group.at))
            self._know_anchor(group)
            self._claims.begin(group)
            self._finisher.begin(group)

        self._writer.submit(begin)
        self.anchor_head()
        with self.read() as records:
            self.lanes = records.lanes()

    def _know_anchor(self, group: Group) -> None:
        """Keep the anchor's public key; earlier ones stay, newest last."""
        mine, m = self.anchor.public_key(), tables.marker.c
        known = (group.connection.execute(select(m.value).where(m.name == KEYS)).scalar() or "").split()
        if mine not in known:
            _set_marker(group, KEYS, " ".join([*known, mine]))

    def start(self) -> None:
        self._writer.start()

    def close(self) -> None:
        """Finish the waiting group, end the run and anchor its head."""

        def end(group: Group) -> None:
            group.connection.execute(update(tables.run).where(tables.run.c.id == self.run).values(ended_at=group.at))

        self._writer.submit(end)
        self._writer.stop()
        self.anchor_head()
        self.dispose()

    def dispose(self) -> None:
        """Let go of the database as it is."""
        self._engine.dispose()
        self._readers.dispose()

    @contextmanager
    def read(self) -> Iterator[Records]:
        """One moment of the journal."""
        with self._reading() as connection:
            yield Records(connection)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._readers.begin() as connection:
                yield connection
        except SQLAlchemyError as broken:
            raise StationBroken(f"the journal cannot be read: {broken}") from broken

    def finish(self, chains: Sequence[Chain], *, token: int | None = None) -> list[Finished]:
        """Write each chain (consecutive outcomes of one message) whole or not at all; what became of each, in order.

        `token`: the claim under which they were decided; it ends with this call.
        """
        return self._finish(chains, token, keeps=False)

    def finish_or_keep(self, chains: Sequence[Chain], *, token: int | None) -> list[Finished]:
        """Finish; what is in conflict stays in the claim's hand, to be decided again."""
        return self._finish(chains, token, keeps=True)

    def _finish(self, chains: Sequence[Chain], token: int | None, *, keeps: bool) -> list[Finished]:
        def write(group: Group) -> list[str]:
            if token is None:
                return self._finisher.write(group, chains)
            owned = self._claims.owns(group, token)
            if not owned:
                self._finisher.write(group, [(late,) for chain in chains for outcome in chain for late in outcome.late])
                words = ["lost"] * len(chains)
            else:
                words = self._finisher.write(group, chains)
            again = {c[0].message.id for c, word in zip(chains, words, strict=True) if word in ("conflict", "clash")}
            self._claims.end(group, token, keep=again if keeps else ())
            return words

        return [Finished(word) for word in self._writer.submit(write)]

    # Claims

    def claim(self, station: str, lanes: Iterable[str], *, limit: int, lease_ms: int = 120_000) -> Claim | None:
        """Take up to `limit` due messages of these lanes, the longest due first, in order of sequence; None when nothing is due."""
        open_ = [lane for lane in lanes if lane not in self.lanes]
        return self._claims.take(station, lambda in_hand: self._due(open_, limit, in_hand), lease_ms) if open_ else None

    def claim_keys(self, station: str, keys: Sequence[str], *, lease_ms: int = 120_000) -> Claim:
        """Take things that are not in the journal yet (files at a door); a suspect key comes alone."""
        return self._claims.take_keys(station, keys, lease_ms)

    def give_back(self, token: int) -> None:
        """End a claim without a move; crashes that are held against its messages stay."""
        self._claims.give_back(token)

    def _due(self, lanes: Sequence[str], limit: int, in_hand: Collection[str]) -> list[Message]:
        paused = [name.removeprefix("account:") for name in self.lanes if name.startswith("account:")]
        query, others = (statements.DUE_OF_OTHERS, {"paused": paused}) if paused else (statements.DUE, {})
        wanted = {"now": clock.now_ms(), "most": limit + len(in_hand), **others}
        found: list[Message] = []
        with self._reading() as connection:
            for lane in lanes:  # one by one: each is read in the order of its index, however long it is
                rows = connection.execute(query, {"lane": lane, **wanted}).mappings().all()
                found += [message_of(row) for row in rows if row["id"] not in in_hand]
        found.sort(key=lambda message: (message.due_at, message.sequence))
        return sorted(found[:limit], key=lambda message: message.sequence)

    # What is known of commits

    def bell(self, *lanes: str) -> threading.Event:
        """One bell for these lanes: set whenever a commit gives work to any of them."""
        bell = self._bells.setdefault(lanes[0], threading.Event())
        for lane in lanes:
            self._bells[lane] = bell
        return bell

    def _committed(self, group: Group) -> None:
        for lane in group.lanes:
            self.bell(lane).set()
        _log_moves(group)
        if group.moves and self.listeners:
            messages = tuple(dict.fromkeys([*(m for m, _, _ in group.moves), *group.touched]))
            documents = tuple(dict.fromkeys(d for _, d, _ in group.moves if d))
            for listen in self.listeners:
                listen(Told(messages, documents))

    def ring(self) -> None:
        """Wake every station."""
        for bell in self._bells.values():
            bell.set()

    # Lanes

    def close_lane(self, lane: Lane) -> None:
        """Nobody claims from a closed lane; its messages stay as they are.

        A lane that only a person may open stays as the person, or the bug, left it.
        """

        def close(group: Group) -> None:
            present = self.lanes.get(lane.name)
            if present is not None and present.probe_at is None and lane.probe_at is not None:
                return
            values = {name: getattr(lane, name) for name in ("name", "reason", "text", "since", "probe_at", "do")}
            group.connection.execute(delete(tables.lane).where(tables.lane.c.name == lane.name))
            group.connection.execute(insert(tables.lane).values(values))
            group.after.append(lambda: self._set_lanes({**self.lanes, lane.name: lane}))

        self._writer.submit(close)

    def open_lane(self, name: str) -> None:
        """What waits in the lane may be claimed again."""

        def open_(group: Group) -> None:
            group.connection.execute(delete(tables.lane).where(tables.lane.c.name == name))
            group.after.append(lambda: self._set_lanes({n: lane for n, lane in self.lanes.items() if n != name}))

        self._writer.submit(open_)
        self.ring()

    def _set_lanes(self, lanes: dict[str, Lane]) -> None:
        self.lanes = lanes  # replaced whole: other threads may be walking through the old one

    # Small durable facts

    def serials(self, name: str, *, after: str = "") -> int:
        """The next number of a series; taken from a reserved block, so gaps are allowed and none is given twice.

        A series that has not begun goes on where the series `after` stands, when there is one.
        """
        with self._lock:
            following, end = self._serials.get(name, (0, 0))
            if following >= end:
                following = self._writer.submit(lambda group: _reserve_block(group, name, after))
                end = following + SERIAL_BLOCK
            self._serials[name] = (following + 1, end)
            return following

    def set_marker(self, name: str, value: str) -> None:
        def write(group: Group) -> None:
            group.connection.execute(delete(tables.marker).where(tables.marker.c.name == name))
            group.connection.execute(insert(tables.marker).values(name=name, value=value))

        self._writer.submit(write, durable=False)

    def checkpoint(self, name: str) -> int:
        with self.read() as records:
            return int(records.marker(f"checkpoint:{name}") or 0)

    def set_checkpoint(self, name: str, n: int) -> None:
        self.set_marker(f"checkpoint:{name}", str(n))

    def take_slot(self, name: str, slot: str) -> bool:
        """True for the one caller that takes this slot of a schedule."""

        def take(group: Group) -> bool:
            taken = group.connection.execute(
                select(tables.slot.c.slot).where(and_(tables.slot.c.name == name, tables.slot.c.slot == slot))
            )
            if taken.first() is not None:
                return False
            group.connection.execute(insert(tables.slot).values(name=name, slot=slot))
            return True

        return bool(self._writer.submit(take))

    def deliver(self, chains: Sequence[Chain], *, marker: str, value: str) -> list[Finished]:
        """Write what came in together with the cursor that says so."""

        def write(group: Group) -> list[str]:
            words = self._finisher.write(group, chains)
            _set_marker(group, marker, value)
            return words

        return [Finished(word) for word in self._writer.submit(write)]

    def recount(self, documents: Sequence[Document], *, marker: str, value: str) -> bool:
        """Write what statistics count of these documents, with a marker; False, and nothing, when one has changed meanwhile."""

        def write(group: Group) -> bool:
            written = recount(group, documents)
            if written:
                _set_marker(group, marker, value)
            return written

        return bool(self._writer.submit(write))

    def mark_written(self, ids: Sequence[int]) -> None:
        """These answers are on disk."""
        self._writer.submit(
            lambda group: group.connection.execute(statements.WRITTEN, {"values": list(ids)}) and None, durable=False
        )

    def write_again(self, message_id: str) -> int:
        """Make a message's answers unwritten, so that they are written once more; how many there are."""
        unwritten = update(tables.answer).where(tables.answer.c.message_id == message_id).values(written=0)
        count = int(self._writer.submit(lambda group: group.connection.execute(unwritten).rowcount))
        for listen in self.listeners:
            listen(Told((message_id,), ()))
        return count

    # Orders of operators: rows, so that the command line never writes beside the daemon.

    def give_order(self, who: str, why: str, command: Mapping[str, Any]) -> str:
        id_ = new_id()
        row = {"id": id_, "who": who, "why": why, "command": orjson.dumps(command).decode()}
        self._writer.submit(lambda group: group.connection.execute(insert(tables.order).values(**row, at=group.at)) and None)
        return id_

    def open_orders(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        o = tables.order.c
        with self._reading() as connection:
            rows = connection.execute(select(o.id, o.who, o.why, o.command).where(o.done_at.is_(None)).order_by(o.at))
            return [(row[0], row[1], row[2], orjson.loads(row[3])) for row in rows]

    def order_done(self, id_: str, result: Any) -> None:
        done = update(tables.order).where(tables.order.c.id == id_)
        text = orjson.dumps(result).decode()
        self._writer.submit(lambda group: group.connection.execute(done.values(done_at=group.at, result=text)) and None)

    # History

    def anchor_head(self) -> None:
        self.anchor.write(self.run, self._writer.entry, self._writer.head)

    def verify(self) -> Verdict:
        with self._reading() as connection:
            return verify(connection, self.anchor)


def _set_marker(group: Group, name: str, value: str) -> None:
    group.connection.execute(delete(tables.marker).where(tables.marker.c.name == name))
    group.connection.execute(insert(tables.marker).values(name=name, value=value))


def _reserve_block(group: Group, name: str, after: str) -> int:
    s = tables.serial.c
    rows = group.connection.execute(select(s.name, s.next).where(s.name.in_([name, after])))
    begun: dict[str, int] = {row.name: row.next for row in rows}
    following: int = begun.get(name, begun.get(after, 1))
    write = update(tables.serial).where(s.name == name) if name in begun else insert(tables.serial)
    group.connection.execute(write.values(name=name, next=following + SERIAL_BLOCK))
    return following
