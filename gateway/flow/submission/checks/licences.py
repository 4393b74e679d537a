"""The licence that a document cites, as far as it is known here: what the document takes of it, and whether so much is left.

A licence that nobody here knows is for the authority to judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tongguan.codecs.checking.changing.changed import ChangedDocument
from tongguan.codecs.checking.changing.changes import MovedOn, carried_out, changes_of, place_asked
from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.field_tree import Trail
from tongguan.codecs.checking.filling.fills import FillContext
from tongguan.codecs.reading.locations import Locations
from tongguan.gateway.document.changes import FoundBy, FoundDocuments, rows_of, value_at
from tongguan.gateway.document.licences import Licence, UncoveredRow, bare, licence_of, takes_of, text_of, uncovered, wanted
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Take, TakenLine
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import TakeRule
from tongguan.gateway.work.moment import Moment

LicenceHolder = tuple[str, str]
"""Whose licences count: an account, and the client that it acts for (`Document.party`)."""


def holder_of(document: Document) -> LicenceHolder:
    """Whose licences count for a document."""
    return document.account, document.party


def cited(rules: Rules, rule: TakeRule, holder: LicenceHolder, content: Content, records: Snapshot) -> Licence | None:
    """The licence that a content cites, of a document of this holder; None when nothing is known of it."""
    told = value_at(content, rule.licence)
    number = bare(told)
    for value in dict.fromkeys((number, told)) if number else ():
        for document in _numbered(holder, value, records):
            found = licence_of(document, rules.types.get(document.type), number)
            if found is not None:
                return found
    return None


def _numbered(holder: LicenceHolder, value: str, records: Snapshot) -> list[Document]:
    account, party = holder
    return [document for document in records.documents_of_number(account, value) if document.party == party]


@record
class Wish:
    """What a message wants of licences for a document: of its own one, or of the one that it changes."""

    compiled: Compiled  #: the document's type
    document_id: str  #: what this holds already is not wanted again
    holder: LicenceHolder
    before: Content  #: what it says now; empty where that counts for nothing
    content: Content  #: what it shall say
    changed: ChangedDocument | None = None  #: where it is another one than the message's own

    @property
    def rule(self) -> TakeRule:
        assert self.compiled.profile.takes is not None
        return self.compiled.profile.takes


@record
class Cited:
    """The licence that a wish is about, and how much more of it is there for the wish, by line."""

    licence: Licence
    held: Mapping[str, int]  #: by the document itself
    used: Mapping[str, int]  #: by others; as much as may be used, where they have more than that


def wish_of(
    rules: Rules,
    moment: Moment,
    message: Message,
    content: Content,
    document: Document | None,
    others: FoundDocuments,
    *,
    party: str,
) -> Wish | None:
    """What a message with this content wants; None where it takes nothing. `others`: the documents that its needs have found."""
    compiled = rules.compiled(message.type)
    rule, operation = compiled.profile.takes, compiled.profile.operations[message.operation]
    if rule is not None and (operation.pending or message.operation in rule.at):
        before = document.content if document is not None and operation.pending else {}
        return Wish(compiled, message.document_id or "", (message.account, party), before, content)
    changes = changes_of(compiled, content) if operation.opens_round else None
    other = others.get(FoundBy(changes.need)) if changes is not None else None
    return _for_changed(rules, moment, message, content, other) if other is not None else None


def _for_changed(rules: Rules, moment: Moment, message: Message, content: Content, other: Document) -> Wish | None:
    """What is wanted for the document that a message changes; None where it takes nothing, or the message says of it what is not so."""
    changed = ChangedDocument(rules.compiled(other.type), other)
    if changed.compiled.profile.takes is None:
        return None
    known = FillContext(rules.account(message.account), None, {}, moment.business, changed=changed)
    try:
        after = carried_out(rules.compiled(message.type), content, known)
    except MovedOn:  # told already
        return None
    return Wish(changed.compiled, other.id, holder_of(other), other.content, after, changed)


def _cited_by(rules: Rules, wish: Wish, records: Snapshot) -> Cited | None:
    """What there is for a wish; None where nothing is known of its licence, or not what the document uses of it."""
    licence = cited(rules, wish.rule, wish.holder, wish.content, records)
    if licence is None:
        return None
    held = {line: amount for (id_, line), amount in records.held_by(wish.document_id).items() if id_ == licence.id}
    if not held and _cites(wish.rule, wish.before, licence) and wanted(wish.rule, wish.before):
        return None  # it cited the licence before that was known here: the authority alone can tell
    used = {
        line: _at_most(amount, licence.most.get(line)) - held.get(line, 0) for line, amount in records.used_of(licence.id).items()
    }
    return Cited(licence, held, used)


def _cites(rule: TakeRule, content: Content, licence: Licence) -> bool:
    return bare(value_at(content, rule.licence)) == licence.number


def _at_most(amount: int, most: int | None) -> int:
    return amount if most is None else min(amount, most)


def licence_faults(
    rules: Rules, message: Message, content: Content, wish: Wish | None, records: Snapshot, places: Locations
) -> list[Fault]:
    """Rows that the licence of a wish does not cover, or of which not so much is left, told at their places in the message's content."""
    found = _cited_by(rules, wish, records) if wish is not None else None
    if wish is None or found is None:
        return []
    as_before = {want.line for want in wanted(wish.rule, wish.before)} if _cites(wish.rule, wish.before, found.licence) else set()
    faults = []
    for row in uncovered(wish.rule, wish.content, found.licence, found.used):
        if row.left is not None or row.line not in as_before:
            trail = _trail(wish, row)
            if wish.changed is not None:
                trail = place_asked(
                    rules.compiled(message.type), content, wish.changed, (trail, (*wish.rule.licence.split("/"),))
                )
            faults.append(replace(_fault(wish, found.licence, row), path=places.path(trail), line=places.line(trail)))
    return faults


def _trail(wish: Wish, short: UncoveredRow) -> Trail:
    """Where the quantity of a row stands."""
    table = wish.rule.table.removesuffix("[]")
    return (*((table, short.row) if table else ()), *wish.rule.quantity.split("/"))


def _fault(wish: Wish, licence: Licence, short: UncoveredRow) -> Fault:
    rule, compiled = wish.rule, wish.compiled
    row, node = rows_of(wish.content, rule.table)[short.row], compiled.nodes[rule.path_of(rule.quantity)]
    unit = compiled.nodes[rule.path_of(rule.unit)].field.code_table
    named = compiled.tables[unit].rows.get(row.get(rule.unit, ""), {}) if unit in compiled.tables else {}
    facts = {
        "row": short.row + 1,
        "licence": licence.number,
        "commodity": row.get(rule.commodity, ""),
        **{f"unit_{language}": named.get(language, row.get(rule.unit, "")) for language in ("zh", "en")},
    }
    label = node.label, node.label_en
    if short.left is None:
        return fault("GW-F60", label=label, **facts)
    return fault("GW-F61", label=label, **facts, left=text_of(short.left), wanted=text_of(short.wanted))


def taking(rules: Rules, document: Document, wish: Wish | None, records: Snapshot) -> tuple[tuple[Take, ...], Mapping[str, int]]:
    """What a message's document, as it goes out, holds from now on, and the licence's version that this rests on.

    Until an authority agrees a document holds the larger one of what it has and what it asks for; what it asks for another
    one, beyond what that has, it holds itself.
    """
    if wish is None:
        return (), {}
    own, found = records.held_by(document.id), _cited_by(rules, wish, records)
    lines = takes_of(wish.rule, document.id, wish.content, found.licence if found is not None else None).lines
    if found is not None and wish.changed is not None:
        more = (replace(line, amount=line.amount - found.held.get(line.line, 0)) for line in lines)
        lines = tuple(line for line in more if line.amount > 0)
    elif document.pending is not None:
        lines = _with_held(lines, own)
    if found is not None and lines:
        return (Take(document.id, lines),), {found.licence.id: found.licence.version}
    return ((Take(document.id, lines),), {}) if own else ((), {})


def _with_held(lines: Sequence[TakenLine], held: Mapping[tuple[str, str], int]) -> tuple[TakenLine, ...]:
    """What is wanted, and nowhere less than what is held."""
    wanted_ = {(line.licence_id, line.line): line for line in lines}
    kept = {
        key: TakenLine(*key, amount, None) for key, amount in held.items() if key not in wanted_ or wanted_[key].amount < amount
    }
    return tuple({**wanted_, **kept}.values())


def cites_otherwise(rule: TakeRule, before: Content, after: Content) -> bool:
    """Does a content want something else of a licence, or of another one, than it did?"""
    licences = [value_at(content, rule.licence) for content in (before, after)]
    return licences[0] != licences[1] or wanted(rule, before) != wanted(rule, after)


def kept_take(rule: TakeRule, document: Document, records: Snapshot) -> Take:
    """What a document goes on holding whose amendment has come to nothing: as much of what it holds as its content wants."""
    number = value_at(document.content, rule.licence)
    licences = {d.id for value in {bare(number), number} if value for d in _numbered(holder_of(document), value, records)}
    amounts = Counter[str]()
    for want in wanted(rule, document.content):
        amounts[want.line] += want.amount
    held = ((key, min(amount, amounts[key[1]])) for key, amount in records.held_by(document.id).items() if key[0] in licences)
    return Take(document.id, tuple(TakenLine(*key, amount, None) for key, amount in held if amount))


def agreed_take(rules: Rules, document: Document, records: Snapshot) -> Take:
    """What a document holds because an authority has agreed to its content, whatever is left; and what it still asks for beside that."""
    rule = rules.profile(document.type).takes
    if rule is None:
        return Take(document.id)
    amounts: dict[tuple[str, str], int] = {}
    for content in (document.content, document.pending):
        licence = cited(rules, rule, holder_of(document), content, records) if content is not None else None
        for line in takes_of(rule, document.id, content or {}, licence).lines:
            key = line.licence_id, line.line
            amounts[key] = max(line.amount, amounts.get(key, 0))
    return Take(document.id, tuple(TakenLine(*key, amount, None) for key, amount in amounts.items()))
