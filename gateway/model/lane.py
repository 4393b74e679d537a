"""Where a message waits, and for whom: every lane is one kind of work, most of them for one card, route or account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class LaneKind(StrEnum):
    READ = "read"  #: to be checked
    PRESENCE = "presence"  #: until its card is seen in the reader
    UNSIGNED = "unsigned"  #: to be sealed without a card
    CARD = "card"  #: to be signed by a card
    ASK = "ask"  #: a question for an authority
    ROUTE = "route"  #: to be sent
    OWED = "owed"  #: its technical receipt is missing, and asked for
    BATCH = "batch"  #: follows its items
    MERGE = "merge"  #: documents are merged, portion by portion
    PRINT = "print"  #: for the PDF worker: nobody waits for what lies there, its document was read before
    VERIFY = "verify"  #: a receipt as it came
    SETTLE = "settle"  #: a genuine receipt
    ACCOUNT = "account"  #: holds no message: closing it pauses the account


#: what of the settings a lane of this kind is for, each has its own; of every other kind there is one lane
NAMED_AFTER: Mapping[str, str] = {
    LaneKind.PRESENCE: "card",
    LaneKind.CARD: "card",
    LaneKind.ASK: "route",
    LaneKind.ROUTE: "route",
    LaneKind.OWED: "route",
    LaneKind.ACCOUNT: "account",
}


class Lane(str):
    """`read`, `card:<name>`, `route:<name>`, …: a string wherever it is stored or shown."""

    __slots__ = ()

    def __new__(cls, kind: str, name: str = "") -> Self:
        return super().__new__(cls, f"{kind}:{name}" if name else kind)

    @property
    def kind(self) -> str:
        """A `LaneKind`, as far as this gateway knows it."""
        return self.partition(":")[0]

    @property
    def name(self) -> str:
        """Of the card, route or account; empty where there is one lane of the kind."""
        return self.partition(":")[2]


@dataclass(frozen=True, slots=True)
class ClosedLane:
    """A closed lane: why, since when, when to probe next (None: a person must open it), the command to type, who shut it."""

    name: Lane
    reason: str
    text: str
    since: int
    probe_at: int | None
    do: str
    who: str | None = None  #: None: the gateway itself

    @property
    def waits_for(self) -> str:
        """What messages in it wait for, as their status files say it."""
        return self.reason if self.reason in ("card", "pin", "route") else "person"
