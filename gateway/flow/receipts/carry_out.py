"""What a receipt that agrees to a change makes of the document that is changed: its next version, in the same commit.

Promises: what is carried out is what was declared, all of it or nothing; where the other document says something else by now, a person
looks, and until then the receipt is kept aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tongguan.codecs.checking.changing.changed import ChangedDocument
from tongguan.codecs.checking.changing.changes import MovedOn, cancels, carried_out, still_asked
from tongguan.codecs.checking.filling.fills import FillContext
from tongguan.gateway.document.changes import changed, facts_of, settled_down, value_at
from tongguan.gateway.document.lines import kept_beside
from tongguan.gateway.flow.holdings import given_back, held_after
from tongguan.gateway.flow.receipts.matching import Elsewhere
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.checks.allowed import named
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.work.moment import Moment


@record
class CarriedOut:
    """The other document as it is from now on, and what an outcome says of what it has for itself (`holdings`)."""

    document: Document
    held: Mapping[str, Any]


@record
class AgreedChange:
    """A document that changes another one, as it was sent, and when its authority agreed."""

    document: Document
    asked: Content
    at: int


def carry_out(rules: Rules, moment: Moment, change: AgreedChange, records: Snapshot) -> CarriedOut | None:
    """What an agreed change comes to; None where nothing is left to change.

    Raises Elsewhere where the other document is not what was to be changed.
    """
    document, asked = change.document, change.asked
    compiled = rules.compiled(document.type)
    changes = compiled.profile.changes
    assert changes is not None
    need = compiled.profile.needs[changes.need]
    name = value_at(asked, need.names)
    other = named(document.account, (need.type,), name, records)
    if other is None:
        title = rules.profile(need.type).title
        raise Elsewhere(f"它所修改的{title.zh} {name} 不存在", f"the {title.en} {name} that it changes is not there")
    after = (
        _cancelled(rules, moment, document, other)
        if cancels(compiled, asked)
        else _changed(rules, moment, document, asked, other)
    )
    if after is None:
        return None
    profile = rules.profile(other.type)
    after = kept_beside(profile, other, after, at=change.at)
    if after.status != other.status:
        return CarriedOut(after, given_back(rules.types, [other], records))
    held = held_after(rules, None, (other, after), None, records)
    is_over = other.status not in need.status and not records.held_by(other.id)
    return CarriedOut(after, {**held, "takes": ()} if is_over else held)


def _cancelled(rules: Rules, moment: Moment, document: Document, other: Document) -> Document | None:
    changes = rules.profile(document.type).changes
    assert changes is not None
    if other.rank >= changes.rank:
        return None
    gone = changed(other, moment.business, status=changes.cancelled, rank=changes.rank, pending=None)
    return settled_down(gone)


def _changed(rules: Rules, moment: Moment, document: Document, asked: Content, other: Document) -> Document:
    compiled, profile = rules.compiled(document.type), rules.profile(other.type)
    target = ChangedDocument(rules.compiled(other.type), other)
    known = FillContext(rules.account(document.account), document, document.numbers, moment.business, changed=target)
    try:
        content = carried_out(compiled, asked, known)
    except MovedOn as moved:
        number = other.numbers.get(profile.own_number, other.key)
        raise Elsewhere(
            f"它同意的修改没有办理：{profile.title.zh} {number} 的 {moved.zh}",
            f"what it agrees to was not carried out: of {profile.title.en} {number}, {moved.en}",
        ) from moved
    pending = still_asked(compiled, asked, target) if other.pending is not None else None
    after = changed(other, moment.business, content=content, pending=pending)
    return replace(after, facts=facts_of(profile, content))
