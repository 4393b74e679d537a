"""The border of the journal: all that the work loop, and the flow above it, ask of whatever database is behind it.

What every method promises, on every database: a call that writes is one transaction, whole or not at all, and is in the order in which it
returned; StationBroken when the database cannot be reached: then nobody knows whether it was written, and whoever asks again is told.
Unless something else is said, what was written survives a power cut when the call has returned.

What a second process may do meanwhile is anything that the methods here do: an outcome is written only on the very states and versions that
it was decided on, a claim ends by its own token alone, a number is given by the statement that counts it. What today's database promises of one
process only (who is in whose hand, which lanes are closed) stands in docs/architecture.md, "Several gateways on one database".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from tongguan.gateway.journal.reading.search import Search
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Chain, Fate

#: carries out an order: the command, who gave it and why; its result
CarryOut = Callable[[Mapping[str, Any], str, str], Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages in one hand. `token` grows with every claim and fences what an earlier owner still writes."""

    token: int
    station: str
    lease_ms: int
    messages: tuple[Message, ...] = ()
    keys: tuple[str, ...] = ()
    crashes: int = 0  #: how often a lone claim of its only key did not come back
    suspects: frozenset[str] = frozenset()  #: keys that an earlier owner had in hand when it ended

    def suspect(self, key: str) -> bool:
        return key in self.suspects


class Numbers(Protocol):
    """Leased numbers in memory."""

    def take(self, series: str, *, digits: int = 9) -> int:
        """The next one of a series, without writing; raises Deferred when there is none and more are on the way."""


class WorkJournal(Protocol):
    """What the loop and its stations live by: a database that keeps these dozen promises can stand behind the gateway."""

    def read(self) -> AbstractContextManager[Snapshot]:
        """One moment to decide on. Others may write meanwhile: `finish` says so, as a conflict. Holds nobody up."""

    def claim(self, station: str, lanes: Iterable[Lane], *, limit: int) -> Claim | None:
        """Take up to `limit` due messages of these lanes, as far as they are open; None when nothing is due.

        The longest due are taken, and come in order of sequence. What is in one hand is in no other. Suspects (what a run that is over had in hand) come before all others and apart from them. Survives the process, perhaps not a power cut.
        """

    def claim_keys(self, station: str, keys: Sequence[str]) -> Claim:
        """The same for things that are no messages yet (files at a door), by names of their own."""

    def renew_claims(self) -> None:
        """All that this process has in hand holds for a full lease from now, as far as the threads that took it live."""

    def give_back(self, token: int) -> None:
        """End a claim without a move; what is known against its messages stays. Never raises: what cannot be written now is later."""

    def abandon(self, station: str) -> None:
        """What a station has in hand is lost to it, as if it had crashed: it comes again as suspect."""

    def finish(self, chains: Sequence[Chain], *, token: int | None = None, keep: bool = False) -> list[Fate]:
        """Write each chain (consecutive outcomes of one message) whole or not at all; what became of each, in order.

        All of a call are written in one transaction. A chain of which anything has changed since it was decided is a conflict, and not
        written. `token`: the claim under which they were decided. Where it is another's by now all are LOST, and only what came too
        late is kept; else it ends, but for conflicts under `keep`: those stay in hand, to be decided again.
        """

    @property
    def lanes(self) -> Mapping[Lane, ClosedLane]:
        """Those that are closed, as this process knows them; one that another process has closed a moment ago may be missing."""

    def close_lane(self, lane: ClosedLane) -> None:
        """Nobody claims from it from now on; what is in a hand stays there. One that only a person may open stays as it is."""

    def open_lane(self, name: Lane, *, who: str = ..., why: str = ...) -> None:
        """What waits in it may be claimed again; no error when it is open."""

    def bell(self, *lanes: str) -> threading.Event:
        """One event for these lanes, set whenever they may have got work. A hint: it may ring for nothing, and whoever waits for it
        looks now and then all the same."""

    def ring(self) -> None:
        """Set them all."""


class FlowJournal(WorkJournal, Protocol):
    """What steps, doors and orders need besides."""

    opened_at: int  #: when this run began, milliseconds since the epoch

    def search(self) -> AbstractContextManager[Search]:
        """One moment to look around in; nothing is decided by it that `finish` would not refuse had it changed."""

    def numbers(self) -> Numbers:
        """Numbers in memory, leased ahead: none is given twice, by any process, also when the journal is lost; gaps are allowed."""

    def note(self, subject: Lane | str, step: str, *, who: str, why: str, was: str | None = None, state: str = "") -> None:
        """Tell the history of what moves no message: of a lane, a message by its id, or the gateway."""

    @property
    def clock_set(self) -> int:
        """How many times the machine's clock was set since this run began."""

    def came_twice(self, moment: int) -> bool:
        """Was the clock set back over this moment? Then a time like it says nothing of what came first."""

    def write_again(self, message_id: str, *, who: str, why: str) -> int:
        """Have a message's answers written into its InBox once more; how many there are."""

    def recount(self, documents: Sequence[Document], *, marker: str, value: str) -> bool:
        """Write what statistics count of these documents, with a marker; False, and nothing, when one has changed meanwhile."""

    def carry_out_orders(self, carry_out: CarryOut) -> list[str]:
        """Carry out what operators have ordered and nobody has carried out, in the order in which it came; their ids.

        What `carry_out` returns, or raises, is the result that the one who ordered it sees.
        """

    def last_write(self) -> object | None:
        """What is another whenever anybody may have written; None where that cannot be seen. Asks no database."""
