"""What a document has for itself, reserved values and quantities of licences, and what becomes of it with the document and its messages.

Promises: both go the same way; whatever the order of receipts, a document holds afterwards what its highest one says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tongguan.gateway.document.changes import own_reservations, reserves, undone
from tongguan.gateway.document.lines import with_keys
from tongguan.gateway.flow.merging.letting_go import in_work
from tongguan.gateway.flow.receipts.agreement import reservations_moved
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.licences import agreed_take, cited, cites_otherwise, holder_of, kept_take
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import FREES_REFERENCE, Message
from tongguan.gateway.model.outcome import Take
from tongguan.gateway.profile.profile import Profile, ReceiptRule


def undoing(message: Message, profile: Profile | None, records: Snapshot, *, at: int) -> dict[str, Any]:
    """What an outcome says besides where a message comes to nothing: its document goes back, and what the message's operation had taken
    for it is free again."""
    document = records.document(message.document_id)
    if (document is None or (profile is not None and profile.merge is not None)) and message.document_id:
        whole, _ = in_work(message)
        return {"release": records.reservations_of(message.document_id) + (records.reservations_of(whole) if whole else ())}
    reverted = undone(document, message, profile, at) if document is not None and profile is not None else None
    if reverted is None or profile is None:
        return {}
    return {
        "documents": (with_keys(profile, document, reverted),),
        "release": own_reservations(profile, records.reservations_of(reverted.id)) if reserves(profile, message) else (),
        "takes": _untaken(profile, message, reverted, records),
    }


def _untaken(profile: Profile, message: Message, reverted: Document, records: Snapshot) -> tuple[Take, ...]:
    """What a document holds when a message of it has come to nothing; nothing where the message took nothing."""
    operation = profile.operations.get(message.operation)
    if profile.takes is not None and operation is not None and operation.pending:
        return (kept_take(profile.takes, reverted, records),)
    took = profile.changes is not None or (profile.takes is not None and message.operation in profile.takes.at)
    return (Take(reverted.id),) if took else ()


def given_back(profiles: Mapping[str, Profile], documents: Iterable[Document], records: Snapshot) -> dict[str, Any]:
    """What an outcome says besides that leaves nothing to documents which it writes."""
    every = list(documents)
    return {
        "release": tuple(one for document in every for one in records.reservations_of(document.id)),
        "takes": tuple(Take(document.id) for document in every if _may_hold(profiles[document.type])),
    }


def _may_hold(profile: Profile) -> bool:
    return profile.takes is not None or profile.changes is not None


def together(*holdings: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """What an outcome says that is about several documents."""
    names = dict.fromkeys(name for each in holdings for name in each)
    return {name: tuple(one for each in holdings for one in each.get(name, ())) for name in names}


def held_after(
    rules: Rules,
    rule: ReceiptRule | None,
    documents: tuple[Document, Document],
    submission: Message | None,
    records: Snapshot,
) -> dict[str, Any]:
    """What an outcome says besides that writes a document, by what it was and is, because a receipt counted (None: it did not)."""
    before, after = documents
    profile = rules.profile(before.type)
    if rule is not None and rule.releases:
        return given_back(rules.types, [before], records)
    reserve, release = reservations_moved(profile, before, after, records)
    return {"reserve": reserve, "release": release, "takes": _takes(rules, rule, documents, submission, records)}


def _takes(
    rules: Rules,
    rule: ReceiptRule | None,
    documents: tuple[Document, Document],
    submission: Message | None,
    records: Snapshot,
) -> tuple[Take, ...]:
    """What the document holds of licences, where an authority agreed to another content, or to what was given back too early."""
    before, after = documents
    profile = rules.profile(before.type)
    held = bool(records.held_by(before.id)) if _may_hold(profile) else False
    if profile.takes is None:  # what it changes is changed by now, or stays
        return (Take(before.id),) if held and rule is not None and (rule.changes or rule.ends) else ()
    moved = rule is not None and bool(rule.status)
    decided = before.pending is not None and after.pending is None
    if (decided or cites_otherwise(profile.takes, before.content, after.content)) and (
        held or cited(rules, profile.takes, holder_of(before), before.content, records) is None
    ):
        return (agreed_take(rules, after, records),)
    if not held and moved and _came_to_nothing(profile, submission):
        return (agreed_take(rules, after, records),)
    return ()


def _came_to_nothing(profile: Profile, submission: Message | None) -> bool:
    """Has the message that took for it been refused or ended, by another receipt or by order, so that all was given back?"""
    if submission is None or profile.takes is None:
        return False
    return submission.operation in profile.takes.at and submission.state in FREES_REFERENCE
