"""The licence that a document cites, as far as it is known here: what the document takes of it, and whether so much is left.

A licence that nobody here knows is for the authority to judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.reading.locations import Locations
from tongguan.gateway.document.changes import rows_of, value_at
from tongguan.gateway.document.licences import Licence, UncoveredRow, bare, licence_of, takes_of, text_of, uncovered, wanted
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.journal.reading.snapshot import Snapshot
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.message import Message
from tongguan.gateway.model.outcome import Take
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import TakeRule


def cited(rules: Rules, rule: TakeRule, account: str, content: Content, records: Snapshot) -> Licence | None:
    """The licence that a content cites, of a document of this account; None when nothing is known of it."""
    told = value_at(content, rule.licence)
    number = bare(told)
    for value in dict.fromkeys((number, told)) if number else ():
        for document in records.documents_of_number(account, value):
            found = licence_of(document, rules.types.get(document.type), number)
            if found is not None:
                return found
    return None


def licence_faults(rules: Rules, message: Message, content: Content, records: Snapshot, places: Locations) -> list[Fault]:
    """Rows that the licence of a content does not cover, or of which not so much is left."""
    compiled = rules.compiled(message.type)
    rule = compiled.profile.takes
    licence = cited(rules, rule, message.account, content, records) if rule and message.operation in rule.at else None
    if rule is None or licence is None:
        return []
    own = records.held_by(message.document_id or "")
    used = {line: amount - own.get((licence.id, line), 0) for line, amount in records.used_of(licence.id).items()}
    return [_fault(compiled, rule, content, places, (licence, row)) for row in uncovered(rule, content, licence, used)]


def _fault(compiled: Compiled, rule: TakeRule, content: Content, places: Locations, found: tuple[Licence, UncoveredRow]) -> Fault:
    licence, short = found
    row, node = rows_of(content, rule.table)[short.row], compiled.nodes[rule.path_of(rule.quantity)]
    unit = compiled.nodes[rule.path_of(rule.unit)].field.code_table
    named = compiled.tables[unit].rows.get(row.get(rule.unit, ""), {}) if unit in compiled.tables else {}
    facts = {
        "row": short.row + 1,
        "licence": licence.number,
        "commodity": row.get(rule.commodity, ""),
        **{f"unit_{language}": named.get(language, row.get(rule.unit, "")) for language in ("zh", "en")},
    }
    trail = (*((rule.table.removesuffix("[]"), short.row) if rule.table else ()), *rule.quantity.split("/"))
    where = {"path": places.path(trail), "label": node.label}
    told = (
        fault("GW-F60", **where, **facts)
        if short.left is None
        else fault("GW-F61", **where, **facts, left=text_of(short.left), wanted=text_of(short.wanted))
    )
    return replace(told, line=places.line(trail))


def taking(rules: Rules, message: Message, document: Document, records: Snapshot) -> tuple[tuple[Take, ...], Mapping[str, int]]:
    """What the document, as it goes out, holds from now on where its message takes, and the licence's version that this rests on."""
    rule = rules.profile(message.type).takes
    if rule is None or message.operation not in rule.at:
        return (), {}
    licence = cited(rules, rule, document.account, document.content, records)
    take = takes_of(rule, document.id, document.content, licence)
    if licence is not None and take.lines:
        return (take,), {licence.id: licence.version}
    return ((take,), {}) if records.held_by(document.id) else ((), {})


def cites_otherwise(rule: TakeRule, before: Content, after: Content) -> bool:
    """Does a content want something else of a licence, or of another one, than it did?"""
    licences = [value_at(content, rule.licence) for content in (before, after)]
    return licences[0] != licences[1] or wanted(rule, before) != wanted(rule, after)


def agreed_take(rules: Rules, document: Document, records: Snapshot) -> Take:
    """What a document holds because an authority has agreed to its content, whatever is left."""
    rule = rules.profile(document.type).takes
    if rule is None:
        return Take(document.id)
    licence = cited(rules, rule, document.account, document.content, records)
    return takes_of(rule, document.id, document.content, licence, whatever_is_left=True)
