"""The one durable truth. Everything a step decides is written in one transaction, or not at all.

Promises: after `finish` returns, its outcomes survive a power cut; an outcome is never written on top of a document or
message that changed since it was decided; a claim that was lost writes nothing but the receipts in its late answer.
Never: decides anything, reads the clock but for stamping, touches files but its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from tongguan.gateway.journal import orders
from tongguan.gateway.journal.claims import Claims
from tongguan.gateway.journal.clock_changes import Timekeeper
from tongguan.gateway.journal.database import migrating, statements, tables
from tongguan.gateway.journal.database.engine import (
    examine,
    journal_file,
    last_write,
    learn,
    matched,
    open_engine,
    unfit,
    writable,
)
from tongguan.gateway.journal.database.rows import RowDamaged, decoded, message_of
from tongguan.gateway.journal.history import digests
from tongguan.gateway.journal.history.anchor import Anchor
from tongguan.gateway.journal.history.audit import Verdict, verify
from tongguan.gateway.journal.history.consistency import (
    RESTORE,
    RESTORED,
    Acceptance,
    accept,
    all_heads,
    disagreement,
    stored_numbers,
)
from tongguan.gateway.journal.history.history import AGAIN, GATEWAY, GENESIS, KEYS, START, lane_subject
from tongguan.gateway.journal.notifications import Notifications
from tongguan.gateway.journal.port import CarryOut, Claim
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.reading.lookups import answer_of, slices
from tongguan.gateway.journal.reading.next_due import NextDue
from tongguan.gateway.journal.reading.reader import Reader
from tongguan.gateway.journal.serials import NumberRange, Serials
from tongguan.gateway.journal.writing.apply import Finisher
from tongguan.gateway.journal.writing.outcome_rows import recount
from tongguan.gateway.journal.writing.retention import KeptResult, forget_bodies, forget_prints, forget_results, results_over
from tongguan.gateway.journal.writing.writer import Changed, Group, Writer
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.errors import JournalUnfit, NoJournal, StationBroken, in_language
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.lane import ClosedLane, Lane, LaneKind
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Chain, Fate, Finished
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock, logs
from tongguan.gateway.system.storage import permissions
from tongguan.gateway.system.threads import Begin, begin_thread

log = logs.get_logger("journal")

WRITER = "journal"  #: name of the thread that writes


def _log_moves(group: Group) -> None:
    """One line a move: the only place that logs them."""
    if log.is_enabled_for(logging.INFO):
        with logs.together():
            for message_id, document_id, line in group.moves:
                if message_id == GATEWAY:
                    continue  # whoever starts and stops it says so
                _, step, was, state, who, why, *_ = orjson.loads(line)
                log.info(
                    "move", message=message_id, document=document_id, step=step, was=was, state=state, who=who, why=why or None
                )


class Journal(Reader):
    """`FlowJournal` on SQLite, and what the daemon needs besides: `port.py` says what the methods promise.

    Open with `Journal.open`; threads may share it. `start` begins grouping commits in a thread of its own.
    """

    def __init__(self, engine: Engine, readers: Engine, *, anchor: Anchor, file: Path | None) -> None:
        super().__init__(readers)
        self._engine = engine
        self.anchor, self._file = anchor, file
        self.run = new_id()
        self.opened_at = clock.now_ms()
        self.listeners: list[Callable[[Mapping[str, Changed]], None]] = []  #: hear of each commit what it changed, by account
        self._bells: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._told_run: dict[str, Any] = {}
        self.lanes: dict[Lane, ClosedLane] = {}
        self.lease_ms = 120_000
        self.on_trouble: Callable[[BaseException], None] = lambda wrong: None  #: hears what listeners raised
        self._next_due = NextDue(self._reading)
        self._writer = Writer(
            engine,
            self.run,
            told=self._committed,
            trouble=lambda wrong: self.on_trouble(wrong),
            committed=self._next_due.changed,
        )
        self._claims = Claims(self._writer, self.run)
        self._finisher = Finisher()
        self._serials = Serials(self._writer.submit, self.anchor_head)
        self.notifications = Notifications(self._writer, self._reading)
        self.timekeeper = Timekeeper(self._writer, self.run, self._clock_jumped)

    @classmethod
    def open(cls, url: str, home: Path, *, accepted: Acceptance | None = None, upgrades: bool = False) -> Journal:
        """Open the journal; what a crashed run had in hand is remembered as suspect.

        Raises JournalUnfit when it is damaged, does not agree with its anchor (unless that is `accepted`), or is of another release
        (one that is older is brought up to date where it `upgrades`).
        """
        with suppress(NoJournal):
            examine(url, home)
            writable(url, home)
        anchor = Anchor(home / "anchor.jsonl")
        try:
            matched(url, home)
            return cls._open(url, home, anchor, accepted, upgrades=upgrades)
        except (SQLAlchemyError, RowDamaged) as broken:
            raise unfit(broken, "日志无法打开", "the journal cannot be opened") from broken

    @classmethod
    def _open(cls, url: str, home: Path, anchor: Anchor, accepted: Acceptance | None, *, upgrades: bool) -> Journal:
        wrong = RESTORED if accepted and accepted.restored else disagreement(url, home, anchor)
        if wrong is not None and accepted is None:
            zh, en = (in_language(wrong, each) for each in ("zh", "en"))
            raise JournalUnfit(f"日志与锚文件不一致：{zh}", f"journal and anchor do not agree: {en}", do=RESTORE)
        if (file := journal_file(url, home)) is not None:
            permissions.make(file)
        engine = open_engine(url, home, writes=True)
        journal = cls(engine, open_engine(url, home, writes=False), anchor=anchor, file=file)
        try:
            migrating.to_newest(engine, upgrades=upgrades)
            journal._begin_run(wrong, accepted)
        except BaseException:
            journal.dispose()
            raise
        return journal

    def _begin_run(self, wrong: str | None, accepted: Acceptance | None) -> None:
        def begin(group: Group) -> None:
            gateway = self.anchor.public_key()
            self._told_run = begin_run(group, self.run, gateway)
            self._know_anchor(group)
            if wrong is not None and accepted is not None:
                accept(group, self.anchor, wrong, accepted)
            self.timekeeper.begin(group)
            self._claims.begin(group, gateway, alone=accepted is not None)
            self._finisher.begin(group)

        # The anchor is first: a run that ended before it was told of would look like one that somebody made up.
        if wrong is None:
            self.anchor.write({self.run: (0, GENESIS)}, {})
        self._writer.submit(begin)
        self.learn()
        with self._reading() as connection:
            self._serials.known = stored_numbers(connection)
            if wrong is not None:
                self.anchor.begin_anew(all_heads(connection), self._serials.known)
        self.anchor_head()
        with self.search() as records:
            self.lanes = records.lanes()

    def _know_anchor(self, group: Group) -> None:
        """Keep the anchor's public key; earlier ones stay, newest last."""
        mine, m = self.anchor.public_key(), tables.marker.c
        known = (group.connection.execute(select(m.value).where(m.name == KEYS)).scalar() or "").split()
        if mine not in known:
            _set_marker(group, KEYS, " ".join([*known, mine]))

    def learn(self) -> None:
        """Renew what the database knows of its tables; it stays as it is where that cannot be written."""
        with suppress(StationBroken):
            self._writer.submit(lambda group: learn(group.connection), durable=False)

    def start(self, begin: Begin = begin_thread) -> None:
        """Group commits from now on, in a thread that `begin` makes and keeps going."""
        self._writer.begin()
        begin(WRITER, self._writer.serve)
        begin("numbers", self._serials.serve)

    def rest(self) -> None:
        """Have the writing thread finish what is waiting, and end; until the next `start` who asks for a commit does it."""
        self.note(GATEWAY, "settings", was="running", state="swapped", who=GATEWAY, why="")
        self._serials.rest()
        self._writer.end()

    def close(self, why: str = "") -> None:
        """Finish the waiting group, end the run and anchor its head."""

        def end(group: Group) -> None:
            group.connection.execute(update(tables.run).where(tables.run.c.id == self.run).values(ended_at=group.at))
            group.left += digests.records_of("run", [{**self._told_run, "ended_at": group.at}])
            group.tell(GATEWAY, "stop", "running", "stopped", who=GATEWAY, why=why)
            self._serials.give_back(group)

        self._serials.end()
        self._writer.submit(end)
        self._writer.end()
        self.anchor_head()
        self.dispose()

    def dispose(self) -> None:
        """Let go of the database as it is."""
        self._engine.dispose()
        self.dispose_readers()

    def finish(self, chains: Sequence[Chain], *, token: int | None = None, keep: bool = False) -> list[Fate]:
        def write(group: Group) -> list[Fate]:
            if token is None:
                return self._finisher.write(group, chains)
            if not self._claims.owns(group, token):
                self._finisher.write(group, [(late,) for chain in chains for outcome in chain for late in outcome.late])
                self._claims.end(group, token)
                return [Finished.LOST] * len(chains)
            fates = self._finisher.write(group, chains)
            again = {chain[0].message.id for chain, fate in zip(chains, fates, strict=True) if fate is not Finished.WRITTEN}
            self._claims.end(group, token, keep=again if keep else ())
            return fates

        fates: list[Fate] = self._writer.submit(write)
        return fates

    # Claims

    def claim(self, station: str, lanes: Iterable[str], *, limit: int, lease_ms: int | None = None) -> Claim | None:
        open_ = [lane for lane in lanes if lane not in self.lanes]
        if not open_:
            return None
        self.timekeeper.look()
        if not self._next_due.by(clock.now_ms(), open_):
            return None
        return self._claims.take(station, lambda in_hand: self._due(open_, limit, in_hand), self._lease(lease_ms))

    def claim_keys(self, station: str, keys: Sequence[str], *, lease_ms: int | None = None) -> Claim:
        return self._claims.take_keys(station, keys, self._lease(lease_ms))

    def _lease(self, lease_ms: int | None) -> int:
        return self.lease_ms if lease_ms is None else lease_ms

    def renew_claims(self) -> None:
        self._claims.renew()

    def give_back(self, token: int) -> None:
        self._claims.give_back(token)

    def abandon(self, station: str) -> None:
        self._claims.abandon(station)

    def _due(self, lanes: Sequence[str], limit: int, in_hand: Collection[str]) -> list[Message]:
        paused = [lane.name for lane in self.lanes if lane.kind == LaneKind.ACCOUNT]
        query, others = (statements.DUE_OF_OTHERS, {"paused": paused}) if paused else (statements.DUE, {})
        wanted = {"now": clock.now_ms(), "most": limit + len(in_hand), **others}
        found: list[Message] = []
        with self._reading() as connection:
            for lane in lanes:  # one by one: each is read in the order of its index, however long it is
                rows = query.rows(connection, lane=lane, **wanted)
                found += [message_of(row) for row in rows if row[0] not in in_hand]
        found.sort(key=lambda message: (message.due_at, message.sequence))
        return sorted(found[:limit], key=lambda message: message.sequence)

    # What is known of commits

    def bell(self, *lanes: str) -> threading.Event:
        bell = self._bells.setdefault(lanes[0], threading.Event())
        for lane in lanes:
            self._bells[lane] = bell
        return bell

    def _committed(self, group: Group) -> None:
        for lane in group.lanes:
            self.bell(lane).set()
        _log_moves(group)
        if group.changed:
            for listen in self.listeners:
                try:
                    listen(group.changed)
                except Exception as wrong:  # the commit stands, and the others are told all the same
                    self.on_trouble(wrong)

    def ring(self) -> None:
        for bell in list(self._bells.values()):
            bell.set()

    # What is kept for a while only

    def forget_bodies(self, before_ms: int, after: int) -> int | None:
        """Remove bodies of the next messages, in order of sequence, that ended before a moment; where to go on, None at the end."""
        removed: int | None = self._writer.submit(lambda group: forget_bodies(group, after=after, before_ms=before_ms))
        return removed

    def forget_prints(self, account: str, before_ms: int, after: tuple[int, int]) -> tuple[int, int] | None:
        """The same for an account's printed forms, in the order in which they were made."""
        removed: tuple[int, int] | None = self._writer.submit(
            lambda group: forget_prints(group, account, after=after, before_ms=before_ms)
        )
        return removed

    def results_over(self, today: str, after: tuple[str, int]) -> tuple[list[KeptResult], tuple[str, int] | None]:
        """The next results whose day is over; where to go on, None at the end."""
        found: tuple[list[KeptResult], tuple[str, int] | None] = self._writer.submit(
            lambda group: results_over(group.connection, after=after, today=today)
        )
        return found

    def forget_results(self, results: Sequence[KeptResult]) -> None:
        """Remove results whose files are gone."""
        self._writer.submit(lambda group: forget_results(group, results))

    # Lanes

    def close_lane(self, lane: ClosedLane) -> None:
        def close(group: Group) -> None:
            present = self.lanes.get(lane.name)
            if present is not None and present.probe_at is None and lane.probe_at is not None:
                return
            values = asdict(lane)
            group.connection.execute(delete(tables.lane).where(tables.lane.c.name == lane.name))
            group.connection.execute(insert(tables.lane).values(values))
            group.left += digests.records_of("lane", [values])
            if present is None or (present.reason, present.text, present.who) != (lane.reason, lane.text, lane.who):
                was = present.reason if present else "open"
                group.tell(lane_subject(lane.name), "close", was, lane.reason, who=lane.who or GATEWAY, why=lane.text)
            if present is None:
                for id_, account in statements.IN_LANE.rows(group.connection, lane=lane.name):
                    group.change(account).messages[id_] = None
            group.after.append(lambda: self._set_lanes({**self.lanes, lane.name: lane}))

        self._writer.submit(close)

    def open_lane(self, name: Lane, *, who: str = GATEWAY, why: str = "") -> None:
        def open_(group: Group) -> None:
            if group.connection.execute(delete(tables.lane).where(tables.lane.c.name == name)).rowcount:
                group.left.append(digests.gone("lane", name))
                present = self.lanes.get(name)
                group.tell(lane_subject(name), "open", present.reason if present else None, "open", who=who, why=why)
            group.after.append(lambda: self._set_lanes({n: lane for n, lane in self.lanes.items() if n != name}))

        self._writer.submit(open_)
        self.ring()

    def came_twice(self, moment: int) -> bool:
        return self.timekeeper.came_twice(moment)

    @property
    def clock_set(self) -> int:
        """How many times the machine's clock was set since this run began."""
        return self.timekeeper.count

    def _clock_jumped(self, jump: int) -> None:
        moved = {n: replace(lane, probe_at=lane.probe_at + jump) for n, lane in self.lanes.items() if lane.probe_at is not None}
        self._set_lanes({**self.lanes, **moved})

    def _set_lanes(self, lanes: dict[Lane, ClosedLane]) -> None:
        self.lanes = lanes  # replaced whole: other threads may be walking through the old one

    # Small durable facts

    def numbers(self) -> Serials:
        return self._serials.at_hand()

    def serials_ahead(self, series: Iterable[tuple[str, int]]) -> None:
        """Series that will be asked for: name, digits."""
        self._serials.want(series)

    def lend_numbers(self, series: Iterable[tuple[str, int]], count: int) -> dict[str, list[NumberRange]]:
        """Up to so many numbers of each series (name, digits), as far as they are in hand."""
        return {name: self._serials.lend(name, digits, count) for name, digits in series}

    def take_back_numbers(self, left: Mapping[str, Sequence[NumberRange]]) -> None:
        """These were lent, and not given."""
        self._serials.take_back(left)

    def set_markers(self, values: Mapping[str, str]) -> None:
        """All in one commit."""

        def write(group: Group) -> None:
            for name, value in values.items():
                _set_marker(group, name, value)

        if values:
            self._writer.submit(write)

    def checkpoint(self, name: str) -> Cursor:
        with self.search() as records:
            return Cursor.of(records.marker(f"{digests.PLACES}{name}"))

    def set_checkpoint(self, name: str, cursor: Cursor) -> None:
        """How far work got; it may be lost with the power, and be done again from an earlier place."""
        self._writer.submit(lambda group: _set_marker(group, f"{digests.PLACES}{name}", str(cursor)), durable=False)

    def begin_following(self, name: str) -> Cursor:
        """How far whoever follows the history has come; who never did begins at its end, for good."""
        with self.search() as records:
            if (kept := records.marker(f"{digests.PLACES}{name}")) is not None:
                return Cursor.of(kept)
            end = records.end()
        self._writer.submit(lambda group: _set_marker(group, f"{digests.PLACES}{name}", str(end)))
        return end

    def set_told(self, name: str, cursor: Cursor, counts: Mapping[str, int]) -> None:
        """`set_checkpoint`, and in the same commit how many events were told of these documents."""

        def write(group: Group) -> None:
            _set_marker(group, f"{digests.PLACES}{name}", str(cursor))
            if counts:
                statements.EVENTS_TOLD.write(group.connection, *({"document_id": d, "count": n} for d, n in counts.items()))

        self._writer.submit(write, durable=False)

    def deliver(self, chains: Sequence[Chain], *, marker: str, value: str) -> list[Fate]:
        """Write what came in together with the cursor that says so."""

        def write(group: Group) -> list[Fate]:
            fates = self._finisher.write(group, chains)
            for fate in fates:
                if isinstance(fate, Exception):
                    raise fate  # the cursor never passes what is not stored
            _set_marker(group, marker, value)
            return fates

        fates: list[Fate] = self._writer.submit(write)
        return fates

    def recount(self, documents: Sequence[Document], *, marker: str, value: str) -> bool:
        def write(group: Group) -> bool:
            written = recount(group, documents)
            if written:
                _set_marker(group, marker, value)
            return written

        return bool(self._writer.submit(write))

    def mark_written(self, ids: Sequence[int]) -> None:
        """These answers are on disk."""
        self._writer.submit(lambda group: statements.WRITTEN.write(group.connection, {"values": list(ids)}), durable=False)

    def write_missing(self, account: str, files: Iterable[str]) -> int:
        """Make these answers of an account unwritten: they were in its InBox, and got lost there; how many there are."""
        names = list(files)
        if not names:
            return 0

        def unmark(group: Group) -> int:
            parts = [{"of": account, "values": part} for part in slices(names)]
            return sum(statements.MISSING.write(group.connection, part) for part in parts)

        return int(self._writer.submit(unmark))

    def write_again(self, message_id: str, *, who: str = GATEWAY, why: str = "") -> int:
        state = select(tables.message.c.state).where(tables.message.c.id == message_id)

        def write(group: Group) -> int:
            present = group.connection.execute(state).scalar() or ""
            group.tell(message_id, AGAIN, present, present, who=who, why=why)
            for answer in statements.ANSWERS_OF.rows(group.connection, message_id=message_id):
                group.change(answer_of(answer).account).messages[message_id] = None
            return statements.WRITE_AGAIN.write(group.connection, {"of": message_id})

        return int(self._writer.submit(write))

    # Orders of operators: rows, so that the command line never writes beside the daemon.

    def give_order(self, who: str, why: str, command: Mapping[str, Any]) -> str:
        """Leave an order for whoever carries them out; its id, for `Search.order_result`."""
        return str(self._writer.submit(lambda group: orders.give(group.connection, who, why, command, group.at)))

    def carry_out_orders(self, carry_out: CarryOut) -> list[str]:
        with self._reading() as connection:
            waiting = orders.open_orders(connection)
        for id_, who, why, command in waiting:
            try:
                result = carry_out(decoded(command, f"order {id_}"), who, why)
            except Exception as wrong:
                result = {"error": f"{type(wrong).__name__}: {wrong}"}
            self._writer.submit(partial(orders.done, id_=id_, result=result))
        return [id_ for id_, *_ in waiting]

    def last_write(self) -> object | None:
        return last_write(self._file)

    def note(self, subject: Lane | str, step: str, *, who: str, why: str, was: str | None = None, state: str = "") -> None:
        subject = lane_subject(subject) if isinstance(subject, Lane) else subject
        self._writer.submit(lambda group: group.tell(subject, step, was, state, who=who, why=why))

    # History

    def anchor_head(self) -> None:
        """Tell the anchor how far history and numbers are."""
        entry, head = self._writer.submit(lambda group: (self._writer.entry, self._writer.head))
        self.anchor.write({self.run: (entry, head)}, self._serials.known)

    def verify(self) -> Verdict:
        with self._reading() as connection:
            return verify(connection, self.anchor)


def _set_marker(group: Group, name: str, value: str) -> None:
    group.connection.execute(delete(tables.marker).where(tables.marker.c.name == name))
    row = {"name": name, "value": value}
    group.connection.execute(insert(tables.marker).values(row))
    group.left += digests.records_of("marker", [row])


def begin_run(group: Group, id_: str, gateway: str) -> dict[str, Any]:
    """The row of a new run, which names the run before it and the end of its chain."""
    r, h = tables.run.c, tables.history.c
    before = group.connection.execute(select(r.id, r.number, r.ended_at).order_by(r.number.desc()).limit(1)).first()
    head: tuple[Any, ...] = ("", 0, GENESIS)
    if before is not None:
        ends = select(h.entry, h.hash).where(h.run == before.id).order_by(h.entry.desc()).limit(1)
        head = (before.id, *(group.connection.execute(ends).first() or (0, GENESIS)))
    row = {"id": id_, "started_at": group.at, "ended_at": None, "number": before.number + 1 if before else 1, "gateway": gateway}
    group.connection.execute(insert(tables.run).values(row))
    group.left += digests.records_of("run", [row])
    was = None if before is None else "stopped" if before.ended_at is not None else "killed"
    group.tell(GATEWAY, START, was, "running", who=GATEWAY, why="", more=head)
    return row
