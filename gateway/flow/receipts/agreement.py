"""What a receipt's round is about: the operation that opened it, the content for which it asks agreement, what was said before."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.receipts.receipt import ReceiptContent
from tongguan.codecs.receipts.settle import RoundSoFar, ValueUnreadable, in_round, rows_told, values_told
from tongguan.gateway.document.changes import joined_value
from tongguan.gateway.flow.receipts.matching import Elsewhere
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.outcome import Reservation
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Operation, Profile, ReceiptRule

PENDING = "pending"  #: role of the content that a message asks agreement for: a verdict may come after it was forgotten


@dataclass(frozen=True, slots=True)
class OpenedRound:
    """A round of a document and the message that opened it."""

    document: Document
    number: int
    message_id: str = ""
    operation: Operation | None = None  #: None: nobody knows, or nothing depends on it

    def rule(self, rule: ReceiptRule) -> ReceiptRule:
        """A receipt's rule as it holds in this round."""
        return in_round(rule, self.operation)

    @property
    def present(self) -> bool:
        """Is it the round that the document is in?"""
        return self.number == self.document.round

    def asked(self, records: Snapshot) -> Content | None:
        """The content that the round asks agreement for, as it was sent."""
        if self.document.pending is not None and self.present:
            return self.document.pending
        kept = records.body(self.message_id, PENDING) if self.message_id else None
        return orjson.loads(kept) if kept is not None else None


def opened_round(profile: Profile, document: Document, number: int, records: Snapshot) -> OpenedRound:
    """A round by its number; its operation is looked for where the type has one that makes a difference."""
    if profile.changes is None and not any(o.pending or o.brings for o in profile.operations.values()):
        return OpenedRound(document, number)
    message_id = next((message_id for n, message_id, _ in records.rounds(document.id) if n == number), "")
    opener = records.message(message_id) if message_id else None
    return OpenedRound(document, number, message_id, profile.operations.get(opener.operation) if opener is not None else None)


def so_far(compiled: Compiled, rule: ReceiptRule, content: ReceiptContent, opened: OpenedRound, records: Snapshot) -> RoundSoFar:
    """What a receipt finds in its round; Elsewhere where it tells a value that cannot be."""
    if not (rule.pending or rule.sets or rule.rows or rule.changes):
        return RoundSoFar(compiled.profile)
    receipts = records.receipts_of_documents([opened.document.id]).get(opened.document.id, ())
    rules = compiled.profile.receipts
    told = [opened.rule(rules[r.code]) for r in receipts if r.round == opened.number and r.code in rules]
    try:
        values = values_told(compiled, rule, content)
        rows = rows_told(compiled, rule, content, opened.document) if opened.present else {}
    except ValueUnreadable as wrong:
        raise Elsewhere(wrong.zh, wrong.en) from wrong
    asked = opened.asked(records) if rule.pending == "applies" or rule.changes else None
    return RoundSoFar(compiled.profile, told, asked, values, rows)


def reservations_moved(
    profile: Profile, before: Document, after: Document, records: Snapshot
) -> tuple[tuple[Reservation, ...], tuple[Reservation, ...]]:
    """What is to be reserved and what is free, where a new content has other values than those that the document had reserved."""
    if before.content == after.content:
        return (), ()
    held = records.reservations_of(before.id)
    values = ((r, r.kind.partition(":")[2]) for r in held)
    of_fields = [(r, joined_value(after.content, paths)) for r, paths in values if not paths.startswith("@")]
    wanted = [replace(r, value=value) for r, value in of_fields if value]
    wanted += [r for r in held if r.kind.partition(":")[2].startswith("@")]
    reserve = tuple(r for r in wanted if r not in held and records.reserved_by(r.kind, r.value) is None)
    return reserve, tuple(r for r in held if r not in wanted)
