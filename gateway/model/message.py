"""A message: one thing that came in, with an immutable body and the station it is at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.record import record


class Kind(StrEnum):
    SUBMISSION = "submission"  #: from an enterprise
    RECEIPT = "receipt"  #: from an authority


class State(StrEnum):
    """Where a message is. Moves: `gateway/flow/table.py`. Final states never move."""

    RECEIVED = "received"  #: stored; its content is not checked yet
    CHECKED = "checked"  #: without faults; the document is in its in-between status
    SEALED = "sealed"  #: its signed bytes are stored and may have been sent
    SENT = "sent"  #: the authority has the bytes; its verdict is awaited
    ACCEPTED = "accepted"  #: favourable final verdict, or done by the gateway itself
    REJECTED = "rejected"  #: the authority's final no: mend and send again
    REFUSED = "refused"  #: the sender must change the message; every fault is listed
    HELD = "held"  #: a person must look; leaves only by a command
    STOPPED = "stopped"  #: by order, before it took effect
    GIVEN_UP = "given_up"  #: by a person, after all tries
    VERIFIED = "verified"  #: a receipt whose signature, certificate and address are right
    SETTLED = "settled"  #: a receipt that was applied
    UNMATCHED = "unmatched"  #: a receipt of nothing we know, or of a code nobody knows: tried again when that is learned
    REPEATED = "repeated"  #: the same message came again: the first one's outcome is told again
    QUARANTINED = "quarantined"  #: a receipt that is forged, misaddressed or altered: kept, shown, never applied


FINAL = frozenset({State.ACCEPTED, State.REJECTED, State.REFUSED, State.STOPPED, State.GIVEN_UP, State.SETTLED, State.REPEATED})
#: of a submission: it is not over
OPEN = frozenset({State.RECEIVED, State.CHECKED, State.SEALED, State.SENT, State.HELD})
FREES_REFERENCE = frozenset({State.REFUSED, State.REJECTED, State.STOPPED, State.GIVEN_UP})
EARLIER = "earlier message"  #: what a message waits for that has one of its document before it
OTHER = "other document"  #: what a message waits for that rests on another document, which is not there yet
QUERY = "query"  #: operation of a message that asks, and changes nothing
MERGE = "merge"  #: operation of a message that has documents merged
PRINT = "print"  #: operation of a message that wants a PDF
_PRESS = Lane(LaneKind.PRINT)
#: states in which a submission makes the later ones of its document wait
BEFORE_SENT = frozenset({State.RECEIVED, State.CHECKED, State.SEALED})


@record
class Message:
    """A row of the journal. Times are milliseconds since the epoch, UTC."""

    id: str
    kind: Kind
    account: str
    type: str  #: document type; empty when it could not be read
    operation: str
    state: State
    received_at: int
    updated_at: int
    sequence: int = 0  #: given by the journal: order of arrival
    lane: Lane | None = None  #: who works on it next; None: nobody
    due_at: int | None = None  #: not before; None: waits for something that will make it due
    deadline_at: int | None = None
    attempts: int = 0
    waiting_for: str | None = None
    reference: str | None = None
    document: str | None = None  #: the ERP's key of the business document
    document_id: str | None = None
    number: str | None = None
    query_kind: str | None = None
    source: str | None = None  #: file name (mailbox) or queue message name, as the sender gave it
    sha256: str | None = None  #: of the bytes as they came
    form: str = "xml"  #: xml | json: the form the sender used
    profile: str = ""  #: version of the profile it began with
    batch: str | None = None  #: the message whose item this is
    replaces: str | None = None
    same_as: str | None = None  #: the first message that this one repeats
    seal_number: int = 0
    hold_reason: str | None = None
    hold_since: int | None = None
    hold_do: str | None = None
    held_from: str | None = None  #: the state to go back to on release
    held_lane: Lane | None = None  #: and the lane
    needs: str | None = None  #: what was missing in the settings (`account demo`), if it is held for that
    faults: tuple[Fault, ...] = ()
    holds: bool = True  #: keeps its reference while open or accepted (queries and checks never do)
    waits: bool = True  #: takes part in the order of its document
    route: str | None = None  #: over which it goes out; of a receipt: over which it came
    content_sha256: str | None = None  #: of what it says, however it was written: the same again does nothing
    item: int | None = None  #: its place in its batch, from 0
    together: bool = False  #: of a batch of prints alone, and of its items: they become one file
    asks: str | None = None  #: what the authority is asked, beside or before a message of its own
    doubtful: bool = False  #: the authority may have its bytes: it is asked before they are sent again
    tries_since: int | None = None  #: its tries are counted from here; None: from its arrival
    code: str | None = None  #: of a receipt
    answered: bool = False  #: a receipt that came as the answer to a request, and not by itself
    handed_on: bool = False  #: a receipt of an unknown code whose file was given to the enterprise
    contradicted: Mapping[str, Any] | None = None  #: the receipt that says the opposite of how the message ended
    waits_on: str | None = None  #: the document of another type whose next step it waits for
    extra: dict[str, Any] | None = (
        None  #: small facts that are shown (fields that were filled, a traceback); of a merge how far it is, too
    )

    @property
    def wire_id(self) -> str:
        """The `Message-Id` header: the same for every resend of the same sealed bytes."""
        return self.wire_id_of(self.seal_number)

    def wire_id_of(self, seal_number: int) -> str:
        return f"{self.id}-{seal_number}"

    @property
    def holds_reference(self) -> bool:
        if not self.holds or self.reference is None or self.state is State.REPEATED:
            return False
        return self.state not in FREES_REFERENCE or bool(self.contradicted and self.contradicted["keeps_reference"])

    @property
    def makes_others_wait(self) -> bool:
        """One that waits for another document may do so for long, and holds up nothing of its own."""
        waits = self.waits and self.waits_on is None
        return waits and self.document_id is not None and self.state in BEFORE_SENT and self.lane != _PRESS


def shows_held(counts: Iterable[tuple[str, str, str, int]]) -> str:
    """The commands that show what is held, by counts of (account, kind, state, …): submissions and receipts are in lists of their own."""
    kinds = {kind for _, kind, state, _ in counts if state == State.HELD}
    lists = {Kind.SUBMISSION: "tongguan list --state held", Kind.RECEIPT: "tongguan quarantine list"}
    return "; ".join(look for kind, look in lists.items() if kind in kinds)
