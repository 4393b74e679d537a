"""What a decision asks: outcomes that the batch decided before it count as if they were written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from journals import body, comes, document, moves, receipt, receipt_message, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.message import Message, State
from tongguan.gateway.model.outcome import Number, Outcome, Reservation, Take, TakenLine
from tongguan.gateway.model.queueing import QueueDelivery

#: by the method that is asked
QUESTIONS: dict[str, Callable[[Snapshot], Any]] = {
    "messages": lambda s: sorted(m.state for m in s.messages(["old", "new", "r", "none"]).values()),
    "message": lambda s: s.message("old"),
    "documents": lambda s: {d.id: d.version for d in s.documents(["d1", "d2", "d3"]).values()},
    "document": lambda s: [d and d.status for d in (s.document("d1"), s.document("d2"), s.document(None))],
    "holder_of": lambda s: [h and h.id for h in (s.holder_of("demo", "A1"), s.holder_of("demo", "A2"))],
    "last_freed": lambda s: [m and m.id for m in (s.last_freed("demo", "A1"), s.last_freed("demo", "A2"))],
    "is_deleted": lambda s: [s.is_deleted("d1"), s.is_deleted("d3")],
    "document_of_key": lambda s: [d and d.id for d in (s.document_of_key("demo", "T", key) for key in ("d1", "d2", "d3"))],
    "document_in": lambda s: [
        bool(s.document_in("demo", "T", {status}, party=party))
        for status in ("draft", "sent", "gone")
        for party in ("", "p", "q")
    ],
    "documents_of_number": lambda s: [sorted(d.id for d in s.documents_of_number("demo", value)) for value in ("L1", "L2")],
    "documents_naming": lambda s: [
        [d.id for d in s.documents_naming("demo", "T", "of", {value})] for value in ("q1", "q2", "q3")
    ],
    "owners_of_number": lambda s: [s.owners_of_number("T", value) for value in ("L1", "L2")],
    "receipts_of_messages": lambda s: {id_: [r.id for r in own] for id_, own in s.receipts_of_messages(["old", "new"]).items()},
    "receipts_of_documents": lambda s: {id_: [r.id for r in own] for id_, own in s.receipts_of_documents(["d1", "d2"]).items()},
    "has_receipt": lambda s: [s.has_receipt("a", id_) for id_ in ("rc1", "rc2", "rc3")],
    "receipt_bytes": lambda s: [s.receipt_bytes("a", id_, but="other") for id_ in ("rc1", "rc2")],
    "rounds": lambda s: [[opened[:2] for opened in s.rounds(id_)] for id_ in ("d1", "d2")],
    "messages_of_documents": lambda s: {
        id_: [(m.id, m.state) for m in own] for id_, own in s.messages_of_documents(["d1", "d2"]).items()
    },
    "body": lambda s: [s.body(id_, "source") for id_ in ("old", "new", "none")],
    "bodies": lambda s: s.bodies(["old", "new", "none"], "source"),
    "sealed_of": lambda s: s.sealed_of([submission("old", seal_number=1), submission("new", seal_number=2)]),
    "reserved_by": lambda s: [s.reserved_by("k", value) for value in ("kept", "freed", "new")],
    "held_by": lambda s: [s.held_by(id_) for id_ in ("d1", "d2")],
    "used_of": lambda s: [s.used_of(licence) for licence in ("l1", "l2")],
    "reservations_of": lambda s: [s.reservations_of(id_) for id_ in ("d1", "d2")],
    "waits_for_earlier": lambda s: [s.waits_for_earlier(submission("x", document_id=id_)) for id_ in ("d1", "d2")],
    "delivered": lambda s: s.delivered("demo", ["k1", "k2", "k3"]),
    "newest_under": lambda s: [m and m.id for m in (s.newest_under("demo", "old.xml"), s.newest_under("demo", "new.xml"))],
}
#: they change nothing that is asked later
NO_QUESTIONS = {"see", "opened", "fetch_references", "fetch_keys", "fetch_ordered", "fetch_names"}
#: what the docstring of `Snapshot` says of them
OF_WHAT_IS_STORED = {
    *("unchanged", "items", "item_states", "find", "list_documents", "counted", "counted_by"),
    *(
        "keyed_of",
        "keyed_in_hand",
        "months_of",
        "became",
        "came_of",
        "standing",
        "open_of_type",
        "values_reserved",
        "reserved_by_type",
        "standing_of",
    ),
}


def before() -> list[Outcome]:
    old = submission("old", document_id="d1", reference="A1", source="old.xml")
    seals = (body("old", b"<old/>"), body("old", b"sealed once", "sealed:1"))
    kept = (Reservation("k", "kept", "d1"), Reservation("k", "freed", "d1"))
    opened = document("d1", round=1, changing="old", round_opened_at=5, facts={"of": "q1"})
    first = comes(
        old,
        documents=(opened, document("d3", facts={"of": "q3"})),
        bodies=seals,
        reserve=kept,
        numbers=(Number("T", "licence", "L1", "d1", "demo"),),
        receipts=(receipt("rc1", message_id="old", document_id="d1"),),
        takes=(Take("d1", (TakenLine("l1", "iron", 5, 9), TakenLine("l1", "coal", 1, None))),),
        delivery=QueueDelivery("old", "demo", "k1"),
    )
    return [first, comes(receipt_message("r1", reference="a:rc1", sha256="11"))]


def batch(old: Message) -> list[Outcome]:
    """Decided after each other, in one batch or not."""
    again = document("d1", version=2, status="sent", round=2, changing="old", round_opened_at=6, facts={"of": "q2"})
    gone = document("d3", version=2, deleted=True, facts={})
    sent = moves(
        old,
        State.REFUSED,
        documents=(again, gone),
        release=(Reservation("k", "freed", "d1"),),
        reserve=(Reservation("k", "new", "d1"),),
        takes=(Take("d1", (TakenLine("l1", "iron", 3, 9),)),),
    )
    new = submission("new", document_id="d2", reference="A2", source="new.xml")
    came = comes(
        new,
        documents=(document("d2", party="p", round=1, changing="new", round_opened_at=7),),
        bodies=(body("new", b"<new/>"), body("new", b"sealed twice", "sealed:2")),
        numbers=(Number("T", "licence", "L2", "d2", "demo"), Number("T", "other", "L1", "d2", "demo")),
        receipts=(receipt("rc2", message_id="new", document_id="d2", issued_at=2),),
        takes=(Take("d2", (TakenLine("l1", "iron", 6, 9), TakenLine("l2", "iron", 1, 9))),),
        delivery=QueueDelivery("new", "demo", "k2"),
    )
    return [sent, came, comes(receipt_message("r2", reference="a:rc2", sha256="22"))]


def test_every_question_is_tried_or_said_to_be_of_what_is_stored() -> None:
    public = {name for name in vars(Snapshot) if not name.startswith("_")}

    assert public == QUESTIONS.keys() | NO_QUESTIONS | OF_WHAT_IS_STORED


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("asked_before", [False, True])
def test_what_the_batch_decided_counts_as_if_it_were_written(journal: Journal, name: str, asked_before: bool) -> None:
    written(journal, *before())
    with journal.read() as snapshot:
        old = snapshot.message("old")
        assert old is not None
        untouched = QUESTIONS[name](snapshot)
    outcomes = batch(old)
    with journal.read() as snapshot:
        if asked_before:
            assert QUESTIONS[name](snapshot) == untouched
        for outcome in outcomes:
            snapshot.see(outcome)
        seen = QUESTIONS[name](snapshot)
    written(journal, *outcomes)
    with journal.read() as snapshot:
        stored = QUESTIONS[name](snapshot)

    assert seen == stored != untouched
