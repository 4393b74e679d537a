"""Who has what in hand. A claim is a row, so that a crash shows what was in hand; the running process keeps it in memory too.

Promises: what is in one hand is given to no other; a token grows with every claim and fences what an earlier owner still
writes; what was in a hand that did not come back is given out alone, and only what did not come back alone is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import delete, insert, select

from tongguan.gateway.kernel import clock, statements, tables
from tongguan.gateway.kernel.errors import StationBroken
from tongguan.gateway.kernel.message import Message
from tongguan.gateway.kernel.writer import Group, Writer

#: reads up to so many due messages that are not among those in hand
Due = Callable[[Collection[str]], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages in one hand until `until`. `token` grows with every claim and fences what an earlier owner still writes."""

    token: int
    station: str
    until: int
    messages: tuple[Message, ...] = ()
    keys: tuple[str, ...] = ()
    crashes: int = 0  #: how often a lone claim of its only key did not come back
    suspects: frozenset[str] = frozenset()  #: keys that an earlier owner had in hand when it ended

    def suspect(self, key: str) -> bool:
        return key in self.suspects


class Claims:
    """The claims of one run; threads share it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._in_hand: dict[str, int] = {}  #: key to token
        self._claims: dict[int, Claim] = {}
        self._suspects: dict[str, int] = {}
        self._unwritten: list[int] = []  #: tokens given back while the journal could not be written

    def begin(self, group: Group) -> None:
        """What another run had in hand when it ended is suspect from now on."""
        connection = group.connection
        for keys in connection.execute(statements.IN_HAND).scalars():
            _count_crash(group, orjson.loads(keys))
        connection.execute(delete(tables.claim))
        self._suspects = {row[0]: row[1] for row in connection.execute(select(tables.crash.c.key, tables.crash.c.count))}

    def take(self, station: str, due: Due, lease_ms: int) -> Claim | None:
        """Claim what `due` finds; a suspect comes alone; None when nothing is due."""
        with self._lock:
            self._expire()
            # What is in hand before the rows are read counts: it may be finished, and be free, by the time they are there.
            messages = due(self._in_hand.copy())
            if not messages:
                return None
            messages = [m for m in messages if m.id in self._suspects][:1] or messages
            return self._take(station, tuple(messages), tuple(m.id for m in messages), lease_ms)

    def take_keys(self, station: str, keys: Sequence[str], lease_ms: int) -> Claim:
        with self._lock:
            self._expire()
            suspect = [key for key in keys if key in self._suspects][:1]
            return self._take(station, (), tuple(suspect or keys), lease_ms)

    def _take(self, station: str, messages: tuple[Message, ...], keys: tuple[str, ...], lease_ms: int) -> Claim:
        until = clock.now_ms() + lease_ms
        unwritten, self._unwritten = self._unwritten, []

        def take(group: Group) -> int:
            if unwritten:
                group.connection.execute(delete(tables.claim).where(tables.claim.c.token.in_(unwritten)))
            row = {"station": station, "until": until, "in_hand": orjson.dumps(keys).decode()}
            return int(group.connection.execute(statements.CLAIM, row).inserted_primary_key[0])  # type: ignore[index]

        try:
            token = self._writer.submit(take, durable=False)
        except StationBroken:
            self._unwritten += unwritten
            raise
        crashes = self._suspects.get(keys[0], 0) if len(keys) == 1 else 0
        claim = Claim(token, station, until, messages, keys, crashes, frozenset(k for k in keys if k in self._suspects))
        self._claims[token] = claim
        self._in_hand.update(dict.fromkeys(keys, token))
        return claim

    def give_back(self, token: int) -> None:
        """End a claim without a move. While the journal cannot be written it ends in memory, and its row with the next claim."""
        claim = self._claims.get(token)
        try:
            self._writer.submit(lambda group: self.owns(group, token), durable=False)
        except StationBroken:
            self._unwritten.append(token)
        if claim is not None:
            self._forget(claim)

    def owns(self, group: Group, token: int) -> bool:
        """Delete the claim's row in this group; False when it is not ours any more."""
        return bool(group.connection.execute(statements.END_CLAIM, {"token": token}).rowcount == 1)

    def end(self, group: Group, token: int, *, keep: Collection[str] = ()) -> None:
        """Once the commit is safe, everything but `keep` is out of hand and has passed: no crash is held against it."""
        claim = self._claims.get(token)
        if claim is None:
            return
        if keep:
            in_hand = orjson.dumps([key for key in claim.keys if key in keep]).decode()
            row = {"token": token, "station": claim.station, "until": claim.until, "in_hand": in_hand}
            group.connection.execute(statements.CLAIM, row)
        cleared = [key for key in claim.suspects if key not in keep]
        if cleared:
            group.connection.execute(delete(tables.crash).where(tables.crash.c.key.in_(cleared)))
        group.after.append(lambda: self._passed(claim, cleared, keep))

    def _passed(self, claim: Claim, cleared: Sequence[str], keep: Collection[str]) -> None:
        for key in cleared:
            self._suspects.pop(key, None)
        if keep:
            for key in claim.keys:
                if key not in keep and self._in_hand.get(key) == claim.token:
                    del self._in_hand[key]
        else:
            self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        for key in claim.keys:
            if self._in_hand.get(key) == claim.token:
                del self._in_hand[key]
        self._claims.pop(claim.token, None)

    def _expire(self) -> None:
        """A claim past its time is anybody's; its messages are claimed one at a time from now on."""
        now = clock.now_ms()
        for claim in [c for c in list(self._claims.values()) if c.until < now]:

            def lose(group: Group, claim: Claim = claim) -> None:
                if self.owns(group, claim.token):
                    counts = _count_crash(group, [key for key in claim.keys if self._in_hand.get(key) == claim.token])
                    group.after.append(lambda: self._suspects.update(counts))

            self._writer.submit(lose)
            self._forget(claim)


def _count_crash(group: Group, keys: Sequence[str]) -> dict[str, int]:
    """Claims that did not come back: a lone one is counted, the others only become suspect."""
    connection, c = group.connection, tables.crash.c
    known = {row[0]: row[1] for row in connection.execute(select(c.key, c.count).where(c.key.in_(keys)))}
    counts = {key: known.get(key, 0) + (1 if len(keys) == 1 else 0) for key in keys}
    connection.execute(delete(tables.crash).where(c.key.in_(keys)))
    if counts:
        connection.execute(insert(tables.crash), [{"key": key, "count": count} for key, count in counts.items()])
    return counts
