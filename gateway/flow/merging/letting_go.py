"""What was merged is let go: it stands again where it was taken from, when what it became has come to nothing.

Promises: whoever lets go of what has a merged document (a refusal, a deletion, a message that ends) frees that document in the
same commit, and marks the relation dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tongguan.gateway.document.changes import changed
from tongguan.gateway.document.lines import MERGE, with_keys
from tongguan.gateway.flow.merging.selection import fences, held_kind
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.outcome import Outcome, Relation
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import MergeRule, Profile

INTO = "declaration"  #: the mark of a document that went into another one: that one's key


def let_go(merged: Profile, rule: MergeRule, document: Document) -> dict[str, Any]:
    """What changes of a document that is in hand, or merged, and shall be ready again: as far as receipts go it is where that one put it."""
    ranks = [receipt.rank for receipt in merged.receipts.values() if receipt.status == rule.ready]
    marks = {name: mark for name, mark in document.marks.items() if name not in (MERGE, INTO)}
    return {"status": rule.ready, "rank": max(ranks, default=0), "marks": marks}


def freeing(types: Mapping[str, Profile], outcome: Outcome, records: Snapshot, *, at: int) -> Outcome:
    """The outcome with the documents that are ready again because it lets go of what held them."""
    kept = {(one.kind, one.value) for one in outcome.reserve}
    gone = [one for one in outcome.release if (one.kind, one.value) not in kept]
    if not gone:
        return outcome
    written = {document.id for document in outcome.documents}
    freed, wholes = list[Document](), dict[str, None]()
    for profile in types.values():
        rule = profile.merge
        if rule is None or rule.merges not in types:
            continue
        status = dict.fromkeys(fences(types, rule), rule.taken) | {held_kind(rule): rule.merged}
        for one in (one for one in gone if one.kind in status and one.value not in written):
            document, merged = records.document(one.value), types[rule.merges]
            if document is not None and document.type == rule.merges and document.status == status[one.kind]:
                freed.append(with_keys(merged, document, changed(document, at, **let_go(merged, rule, document))))
                written.add(document.id)
                if one.kind == held_kind(rule):
                    wholes[one.document_id] = None
    if not freed:
        return outcome
    dead = tuple(Relation(whole, alive=False) for whole in wholes)
    return replace(outcome, documents=(*outcome.documents, *freed), relations=(*outcome.relations, *dead))


def came_to_nothing(types: Mapping[str, Profile], document: Document, records: Snapshot) -> Profile | None:
    """The type of what went into a document and is free again, so that it must not go out any more; None where that is not so."""
    rules = (profile.merge for profile in types.values() if profile.merge is not None and profile.merge.makes == document.type)
    for rule in rules:
        parts = records.came_of([document.id])
        if parts and not any(part.alive for part in parts):
            return types[rule.merges]
    return None
