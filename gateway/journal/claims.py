"""Who has what in hand. A claim is a row, so that a crash shows what was in hand; the running process keeps it in memory too.

Promises: what is in one hand is given to no other; a token grows with every claim and fences what an earlier owner still
writes; a claim holds as long as the thread that took it lives, while somebody calls `renew`; what was in a hand that did not
come back is given out in ever smaller hands, and only what did not come back alone is counted. Leases go by the machine's
clock that no one can set.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, insert, select

from tongguan.gateway.journal.database import statements, tables
from tongguan.gateway.journal.database.rows import decoded
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.journal.reading.lookups import slices
from tongguan.gateway.journal.writing.writer import Group, Writer
from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.record import replace
from tongguan.gateway.system import clock

#: reads up to so many due messages that are not among those in hand
Due = Callable[[Collection[str]], Sequence[Message]]
#: what did not come back is tried again in hands of this part of the size: few turns, and few crashes to find a culprit
_SMALLER = 8
_TAKING = 0  #: stands for the token of a claim whose row is being written


@dataclass(frozen=True, slots=True)
class _Suspicion:
    """What is known against a key: lone claims that did not come back, and how many may be in one hand with it."""

    crashes: int
    together: int


@dataclass(slots=True)
class _ClaimHeld:
    """A claim in this process, and how long it holds."""

    claim: Claim
    owner: threading.Thread
    until: float  #: `clock.monotonic`


class Claims:
    """The claims of one run; threads share it. Its lock is held for memory only, never while the journal reads or commits."""

    def __init__(self, writer: Writer, run: str) -> None:
        self._writer, self._run = writer, run
        self._lock = threading.Lock()
        self._in_hand: dict[str, int] = {}  #: key to token
        self._claims: dict[int, _ClaimHeld] = {}
        self._suspects: dict[str, _Suspicion] = {}
        self._unwritten: list[int] = []  #: tokens given back while the journal could not be written
        self._readers: list[set[str]] = []  #: for each reading that goes on: what came out of a hand meanwhile

    def begin(self, group: Group, gateway: str, *, alone: bool) -> None:
        """What runs that are over had in hand is suspect from now on: those that ended, and all earlier ones of this gateway.

        What a run of another gateway has in hand stays there, unless this one is known to be `alone`.
        """
        connection, token = group.connection, tables.claim.c.token
        left = connection.execute(statements.CLAIMS if alone else statements.left_behind(gateway)).all()
        for _, keys in left:
            _count_crash(group, decoded(keys, "a claim"))
        for part in slices(row[0] for row in left):
            connection.execute(delete(tables.claim).where(token.in_(part)))
        c = tables.crash.c
        self._suspects = {row[0]: _Suspicion(row[1], row[2]) for row in connection.execute(select(c.key, c.count, c.together))}

    def take(self, station: str, due: Due, lease_ms: int) -> Claim | None:
        """Claim what `due` finds, suspects before and apart from all others; None when nothing is due."""
        self._expire()
        with self._reading() as freed:
            with self._lock:
                in_hand = self._in_hand.copy()
            found = due(in_hand)
            with self._lock:
                # What another hand took, or has finished, since the rows were read may not be as it was read.
                found = [m for m in found if m.id not in self._in_hand and m.id not in freed]
                chosen = set(self._chosen([m.id for m in found]))
                messages = tuple(m for m in found if m.id in chosen)
                self._in_hand.update((m.id, _TAKING) for m in messages)
        return self._take(station, messages, tuple(m.id for m in messages), lease_ms) if messages else None

    def take_keys(self, station: str, keys: Sequence[str], lease_ms: int) -> Claim:
        self._expire()
        with self._lock:
            mine = tuple(self._chosen(keys))
            self._in_hand.update((key, _TAKING) for key in mine)
        return self._take(station, (), mine, lease_ms)

    def _chosen(self, keys: Sequence[str]) -> Sequence[str]:
        """Suspects if there are any, no more of them than may be in one hand with each; else all."""
        suspects = sorted((k for k in keys if k in self._suspects), key=lambda k: -self._suspects[k].together)
        most = next((n for n, k in enumerate(suspects) if n and n >= self._suspects[k].together), len(suspects))
        return suspects[:most] or keys

    @contextmanager
    def _reading(self) -> Iterator[set[str]]:
        freed: set[str] = set()
        with self._lock:
            self._readers.append(freed)
        try:
            yield freed
        finally:
            with self._lock:
                self._readers = [each for each in self._readers if each is not freed]

    def _take(self, station: str, messages: tuple[Message, ...], keys: tuple[str, ...], lease_ms: int) -> Claim:
        with self._lock:
            unwritten, self._unwritten = self._unwritten, []

        def take(group: Group) -> int:
            if unwritten:
                group.connection.execute(delete(tables.claim).where(tables.claim.c.token.in_(unwritten)))
            row = self._row(group, station, lease_ms, keys)
            return int(statements.CLAIM.value(group.connection, token=None, **row))

        try:
            token = self._writer.submit(take, durable=False)
        except BaseException:
            with self._lock:
                self._unwritten += unwritten
                self._free(keys, _TAKING)
            raise
        with self._lock:
            suspects = {key: self._suspects[key] for key in keys if key in self._suspects}
            crashes = suspects[keys[0]].crashes if len(keys) == 1 and suspects else 0
            claim = Claim(token, station, lease_ms, messages, keys, crashes, frozenset(suspects))
            self._claims[token] = _ClaimHeld(claim, threading.current_thread(), clock.monotonic() + lease_ms / 1000)
            self._in_hand.update(dict.fromkeys(keys, token))
        return claim

    def _row(self, group: Group, station: str, lease_ms: int, keys: Sequence[str]) -> dict[str, Any]:
        in_hand = orjson.dumps(keys).decode()
        return {"run": self._run, "station": station, "until": group.at + lease_ms, "in_hand": in_hand}

    def renew(self) -> None:
        """Extend the claims whose threads live; one whose thread is dead has ended. Called every so often, from one thread."""
        now = clock.monotonic()
        with self._lock:
            for held in self._claims.values():
                held.until = now + held.claim.lease_ms / 1000 if held.owner.is_alive() else now
        self._expire()

    def give_back(self, token: int) -> None:
        """End a claim without a move. While the journal cannot be written it ends in memory, and its row with the next claim."""
        try:
            self._writer.submit(lambda group: self.owns(group, token), durable=False)
        except StationBroken:
            with self._lock:
                self._unwritten.append(token)
        with self._lock:
            self._forget(token)

    def abandon(self, station: str) -> None:
        """The thread of a station failed: its claims end as those of a crash do."""
        with self._lock:
            lost = [held.claim for held in self._claims.values() if held.claim.station == station]
        for claim in lost:
            self._lose(claim)

    def owns(self, group: Group, token: int) -> bool:
        """Delete the claim's row in this group; False when it is not ours any more."""
        return statements.END_CLAIM.write(group.connection, {"token": token}) == 1

    def end(self, group: Group, token: int, *, keep: Collection[str] = ()) -> None:
        """Once the commit is safe, everything but `keep` is out of hand and has passed: no crash is held against it."""
        held = self._claims.get(token)
        if held is None:
            return
        claim = held.claim
        if keep:
            row = self._row(group, claim.station, claim.lease_ms, [key for key in claim.keys if key in keep])
            statements.CLAIM.value(group.connection, token=token, **row)
        cleared = [key for key in claim.suspects if key not in keep]
        if cleared:
            group.connection.execute(delete(tables.crash).where(tables.crash.c.key.in_(cleared)))
        group.after.append(lambda: self._passed(token, cleared, keep))

    def _passed(self, token: int, cleared: Sequence[str], keep: Collection[str]) -> None:
        with self._lock:
            for key in cleared:
                self._suspects.pop(key, None)
            held = self._claims.get(token)
            if not keep:
                self._forget(token)
            elif held is not None:
                self._free([key for key in held.claim.keys if key not in keep], token)
                held.claim = replace(held.claim, keys=tuple(key for key in held.claim.keys if key in keep))

    def _forget(self, token: int) -> None:
        held = self._claims.pop(token, None)
        if held is not None:
            self._free(held.claim.keys, token)

    def _free(self, keys: Sequence[str], token: int) -> None:
        mine = [key for key in keys if self._in_hand.get(key) == token]
        for key in mine:
            del self._in_hand[key]
        for freed in self._readers:
            freed.update(mine)

    def _expire(self) -> None:
        """A claim past its time is anybody's; what was in its hand comes in smaller ones from now on."""
        now = clock.monotonic()
        with self._lock:
            lapsed = [held.claim for held in self._claims.values() if held.until <= now]
        for claim in lapsed:
            self._lose(claim)

    def _lose(self, claim: Claim) -> None:
        def lose(group: Group) -> None:
            if self.owns(group, claim.token):
                counts = _count_crash(group, claim.keys)
                group.after.append(lambda: self._suspects.update(counts))

        self._writer.submit(lose)
        with self._lock:
            self._forget(claim.token)


def _count_crash(group: Group, keys: Sequence[str]) -> dict[str, _Suspicion]:
    """Claims that did not come back: a lone one is counted, the others only become suspect."""
    connection, c = group.connection, tables.crash.c
    known = {row[0]: row[1] for row in connection.execute(select(c.key, c.count).where(c.key.in_(keys)))}
    alone, together = len(keys) == 1, max(1, len(keys) // _SMALLER)
    found = {key: _Suspicion(known.get(key, 0) + alone, together) for key in keys}
    connection.execute(delete(tables.crash).where(c.key.in_(keys)))
    if found:
        rows = [{"key": key, "count": s.crashes, "together": s.together} for key, s in found.items()]
        connection.execute(insert(tables.crash), rows)
    return found
