"""What a step decided: one frozen value that the journal writes in one transaction, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.notification import Notification
from tongguan.gateway.model.queueing import QueueDelivery
from tongguan.gateway.model.record import record


@record
class Body:
    """Immutable bytes of a message. Roles: `source`, `content`, `pending`, `sheet`, `attachment:<sha256>`, `sealed`, `receipt`, `result`.

    `sha256` is of the bytes that are kept. What came may have been others (a secret taken out, a file that could not be read):
    their hash is the message's.
    """

    message_id: str
    role: str
    content: bytes
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.content).hexdigest())  # frozen to the type checker


@record
class Answer:
    """A file for InBox: its name is given once and kept."""

    message_id: str
    document_id: str | None
    kind: str  #: technical | receipt | result
    name: str  #: without the time and `-2`: those are added by the journal when the row is made
    suffix: str  #: `.xml`, `.json`, `.pdf`, …
    content: bytes
    account: str
    number: str | None = None
    kept_until: str | None = (
        None  #: the day after which it is removed, and the result that it is of: to the day; None: as answers are
    )


@record
class Number:
    """An official number; unique for (series, kind, value). A clash is an alert, never an overwrite.

    The series is the document type: each licence system of an authority counts by itself, in shapes that others have too.
    """

    series: str
    kind: str
    value: str
    document_id: str
    account: str


@record
class Reservation:
    """A value that only one document may have at a time, such as an entry number applied for."""

    kind: str
    value: str
    document_id: str


@record
class TakenLine:
    """So much of one line of a licence, in hundred-thousandths of its unit; `most`: what all that take of it may come to (None: any)."""

    licence_id: str  #: the licence's document
    line: str  #: commodity and unit, as its licence knows them
    amount: int
    most: int | None


@record
class Take:
    """What a document holds of licences from now on, in place of what it held; without lines it gives all of that back."""

    document_id: str
    lines: tuple[TakenLine, ...] = ()  #: each line of a licence once


@record
class RelatedPart:
    """A document that became part of another one; byte n of `places` is the line there that its line n went into."""

    id: str
    places: bytes


@record
class Relation:
    """Which documents became one, and where their lines went; not `alive`: that one has come to nothing, and what is known is marked so."""

    whole_id: str  #: of a document that is there, or is made by a message that comes of the outcome
    parts: tuple[RelatedPart, ...] = ()  #: in their order; none where it is not alive
    alive: bool = True


@record
class Outcome:
    """One message's move with all that goes with it.

    `was` is the state the message must still be in (None: the message is new). `relied_on` names documents that were
    read, with their versions: if one has changed, nothing is written and `decide` runs again.
    """

    message: Message
    was: State | None
    step: str
    documents: tuple[Document, ...] = ()  #: as they shall be, version already grown by one
    relied_on: Mapping[str, int] = field(default_factory=dict)
    reserve: tuple[Reservation, ...] = ()
    release: tuple[Reservation, ...] = ()
    takes: tuple[Take, ...] = ()  #: of documents that it writes too, whose version fences them
    relations: tuple[Relation, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    answers: tuple[Answer, ...] = ()
    bodies: tuple[Body, ...] = ()
    numbers: tuple[Number, ...] = ()
    notifications: tuple[Notification, ...] = ()
    delivery: QueueDelivery | None = None  #: of the message that it makes, where that came through a queue
    others: tuple[Message, ...] = ()  #: other messages that move with it (a submission that a receipt ends)
    others_were: Mapping[str, State] = field(default_factory=dict)  #: their states as they were read: fenced like `relied_on`
    follow_ons: tuple[Outcome, ...] = ()  #: new messages that come of it (items of a batch)
    late: tuple[Outcome, ...] = ()  #: written instead when the claim was lost meanwhile (an answer that came too late)
    who: str = "gateway"
    why: str = ""


class Finished(StrEnum):
    """What became of a chain."""

    WRITTEN = "written"  #: in the journal for good
    CONFLICT = "conflict"  #: what it relied on has changed: decide again
    CLASH = "clash"  #: a number in it is another document's: deciding again will not help
    LOST = "lost"  #: the claim is another's now: nothing was written but late receipts


Fate = Finished | Exception
"""An exception where its own rows cannot be written: then nothing of it was, and all others were."""

Chain = tuple[Outcome, ...]
"""Consecutive outcomes of one message that are written together: it went through several stations in one hand."""
