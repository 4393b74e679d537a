"""What was merged is let go: it stands again where it was taken from, when what it became has come to nothing.

Promises: whoever lets go of what has a merged document (a refusal, a deletion, a message that ends) marks the relation dead and frees
that document in the same commit; of very many the first portion, and the others by a message that comes of it, each portion a commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from tongguan.gateway.document.changes import changed
from tongguan.gateway.document.lines import MERGE, with_keys
from tongguan.gateway.flow.merging.selection import MergeTypes, fences, held_kind
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.message import MERGE as MERGE_OPERATION
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Outcome, Relation, Reservation
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import MergeRule, Profile
from tongguan.gateway.work.loop import end
from tongguan.gateway.work.moment import Moment

FREE = "free"  #: what a turn of such a message does
HOW_FAR = "merge"  #: where a message of a merge says how far it is
INTO = "declaration"  #: the mark of a document that went into another one: that one's key


def let_go(merged: Profile, rule: MergeRule, document: Document) -> dict[str, Any]:
    """What changes of a document that is in hand, or merged, and shall be ready again: as far as receipts go it is where that one put it."""
    ranks = [receipt.rank for receipt in merged.receipts.values() if receipt.status == rule.ready]
    marks = {name: mark for name, mark in document.marks.items() if name not in (MERGE, INTO)}
    return {"status": rule.ready, "rank": max(ranks, default=0), "marks": marks}


def freeing(types: Mapping[str, Profile], outcome: Outcome, records: Snapshot, *, at: int) -> Outcome:
    """The outcome with the documents that are ready again because it lets go of what held them: of very many the first portion.

    The others stay reserved, and a message that comes of it lets them go, portion by portion (`free`).
    """
    kept = {(one.kind, one.value) for one in outcome.reserve}
    gone = [one for one in outcome.release if (one.kind, one.value) not in kept]
    written = {document.id for document in outcome.documents}
    for profile in types.values():
        rule = profile.merge
        if rule is None or rule.merges not in types or not gone:
            continue
        moved = _moves(types, rule)
        mine = [one for one in gone if one.kind in moved and one.value not in written]
        if not mine:
            continue
        under_way = {owner for owner in {one.document_id for one in mine} if records.message(freeing_id(owner)) is not None}
        fresh = [one for one in mine if one.document_id not in under_way]
        at_once = set(islice(dict.fromkeys(one.value for one in fresh), rule.portion))
        freed = _freed(types, rule, [one for one in fresh if one.value in at_once], records, at=at)
        written |= {document.id for document in freed}
        later = [one for one in fresh if one.value not in at_once]
        rest = {one for one in mine if one.document_id in under_way}.union(later)
        dead = dict.fromkeys(one.document_id for one in fresh if one.kind == held_kind(rule))
        account = freed[0].account if freed else outcome.message.account
        owners = dict.fromkeys(one.document_id for one in later)
        outcome = replace(
            outcome,
            documents=(*outcome.documents, *freed),
            relations=(*outcome.relations, *(Relation(whole, alive=False) for whole in dead)),
            release=tuple(one for one in outcome.release if one not in rest),
            follow_ons=(*outcome.follow_ons, *(_goes_on(profile, account, owner, outcome.message) for owner in owners)),
        )
    return outcome


def _moves(types: Mapping[str, Profile], rule: MergeRule) -> dict[str, str]:
    """By the kind of a reservation in which status a document stands that is ready again without it."""
    return dict.fromkeys(fences(types, rule), rule.taken) | {held_kind(rule): rule.merged}


def freeing_id(owner: str) -> str:
    """The id of the message that lets go of what a document has."""
    return derived_id("freed", owner)


def _goes_on(profile: Profile, account: str, owner: str, because: Message) -> Outcome:
    now = because.updated_at
    message = Message(
        id=freeing_id(owner),
        kind=Kind.SUBMISSION,
        account=account,
        type=profile.type,
        operation=MERGE_OPERATION,
        state=State.CHECKED,
        received_at=now,
        updated_at=now,
        lane=Lane(LaneKind.MERGE),
        due_at=now,
        profile=profile.version,
        extra={HOW_FAR: {"turn": FREE, "of": owner}},
    )
    return Outcome(message, None, "merge")


def owner_of(message: Message) -> str | None:
    """Of what document a message lets go what that has; None for any other message."""
    far = (message.extra or {}).get(HOW_FAR)
    return str(far["of"]) if isinstance(far, dict) and far.get("turn") == FREE else None


def in_work(message: Message) -> tuple[str, str]:
    """Of a merge the document, and its key, that it is about to make and that some went into already; empty: there is none."""
    far = (message.extra or {}).get(HOW_FAR)
    return (str(far.get("whole", "")), str(far.get("into", ""))) if isinstance(far, dict) else ("", "")


def free(types: MergeTypes, moment: Moment, message: Message, records: Snapshot) -> Outcome:
    """The next portion of what a document has that came to nothing; how far it is, is what that still has."""
    owner, rule = str(owner_of(message)), types.rule
    moved = _moves(types.rules.types, rule)
    values = records.values_reserved(owner, sorted(moved), rule.portion)
    if not values:
        return end(message, State.ACCEPTED, "merge", moment.now)
    portion = [Reservation(kind, value, owner) for kind, value in values]
    freed = _freed(types.rules.types, rule, portion, records, at=moment.business)
    again = replace(message, due_at=moment.now, updated_at=moment.now)
    return Outcome(again, message.state, "merge", documents=tuple(freed), release=tuple(portion))


def _freed(
    types: Mapping[str, Profile], rule: MergeRule, portion: Iterable[Reservation], records: Snapshot, *, at: int
) -> list[Document]:
    """Of what is reserved so the documents that are ready again."""
    merged, moved, freed = types[rule.merges], _moves(types, rule), dict[str, Document]()
    wanted = list(portion)
    documents = records.documents(one.value for one in wanted)
    for one in wanted:
        document = documents.get(one.value)
        if document is not None and document.type == rule.merges and document.status == moved[one.kind]:
            freed[one.value] = with_keys(merged, document, changed(document, at, **let_go(merged, rule, document)))
    return list(freed.values())


def came_to_nothing(types: Mapping[str, Profile], document: Document, records: Snapshot) -> Profile | None:
    """The type of what went into a document and is free again, so that it must not go out any more; None where that is not so."""
    rules = (profile.merge for profile in types.values() if profile.merge is not None and profile.merge.makes == document.type)
    for rule in rules:
        parts = records.came_of([document.id])
        if parts and not any(part.alive for part in parts):
            return types[rule.merges]
    return None
