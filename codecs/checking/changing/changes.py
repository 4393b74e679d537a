"""What a document says of another one that it changes: places, old and new values, held against the other type's fields and rules.

Promises: nothing is said to an authority that the other document's own type would not take; what is carried out later is what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tongguan.codecs.checking.changing.changed import ChangedDocument, Place, value_at, with_value_at
from tongguan.codecs.checking.compile import Compiled, CompiledFill
from tongguan.codecs.checking.fault_list import FaultList, FoundFault
from tongguan.codecs.checking.field_tree import Contexts, Row, Trail, at, row_at
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.checking.filling.fills import FillContext
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.model.record import replace
from tongguan.gateway.profile.profile import Changes
from tongguan.gateway.profile.sections.other_documents import DEFAULT, FILED

Judge = Callable[[Compiled, Contexts, str, FaultList], None]
"""Holds a content against what must be there and what its rules say, at an operation."""


class MovedOn(TongguanError):
    """The other document says something else by now than what was to be changed."""


def changes_of(compiled: Compiled, content: Content) -> Changes | None:
    """How this content changes another document; None where it does not, or cancels it."""
    changes = compiled.profile.changes
    return None if changes is None or cancels(compiled, content) else changes


def cancels(compiled: Compiled, content: Content) -> bool:
    """Does this content cancel the other document?"""
    changes = compiled.profile.changes
    return changes is not None and bool(changes.cancels) and compiled.cancels(content)


def read_changes(compiled: Compiled, content: Row, known: FillContext, findings: FaultList) -> None:
    """Each row's place looked up, and its values put into the form in which the other document holds them."""
    changes, changed = changes_of(compiled, content), known.changed
    if changes is None or changed is None:
        return
    before: dict[Trail, int] = {}
    for n, row in enumerate(_rows(changes, content)):
        place = changed.place(row.get(changes.place))
        fault = _fault_of_place(changes, changed, place, before)
        if changes.place in row and fault is not None:
            code, facts = fault
            node = compiled.nodes[f"{changes.table}/{changes.place}"]
            findings.spoil(code, (_name(changes), n, changes.place), node, value=row[changes.place], **facts)
        elif place is not None:
            before[place.trail] = n + 1
            _in_their_form(changes, row, place, (_name(changes), n), findings)
            _is_another(changes, row, place, (_name(changes), n), changed, findings)


def _fault_of_place(
    changes: Changes, changed: ChangedDocument, place: Place | None, before: dict[Trail, int]
) -> tuple[str, dict[str, object]] | None:
    document, profile = changed.document, changed.compiled.profile
    if place is None:
        number = document.numbers.get(profile.own_number, document.key)
        return "GW-C37", {"title": profile.title.zh, "title_en": profile.title.en, "number": number}
    if _fixed(changes, changed.compiled, place):
        return "GW-C38", {"what": place.node.label, "what_en": place.node.label_en}
    return ("GW-C39", {"row": before[place.trail]}) if place.trail in before else None


def _fixed(changes: Changes, compiled: Compiled, place: Place) -> bool:
    """May nobody change it: it is named so, the system fills it, or it says which row of a further document fills others?"""
    path, fill = place.node.field.path, place.node.field.fill
    names_row = any(path in {look.names.field.path, *(key.field.path for key in look.key)} for look in compiled.filed)
    return path in changes.never or (bool(fill) and not fill.startswith(DEFAULT)) or names_row


def _in_their_form(changes: Changes, row: Row, place: Place, trail: Trail, findings: FaultList) -> None:
    convert = place.node.convert
    assert convert is not None
    for column in (changes.old, changes.new):
        try:
            if column in row:
                row[column] = convert(row[column])
        except ValueWrong as wrong:
            if column == changes.new:  # an old value that cannot be is another one than there is, which is told
                findings.add(wrong.code, (*trail, column), place.node, **wrong.facts)
                findings.unusable.add((*trail, column))


def _is_another(changes: Changes, row: Row, place: Place, trail: Trail, changed: ChangedDocument, findings: FaultList) -> None:
    """A change to what is there already is none; where it says that something else is there, that is told instead."""
    present, where = changed.value(place), (*trail, changes.new)
    if where in findings.unusable or row.get(changes.new) != present or row.get(changes.old, present) != present:
        return
    facts = {"what": place.node.label, "what_en": place.node.label_en, "value": present or "-"}
    findings.add("GW-C42", where, place.node, **facts)


def look_at_changed(compiled: Compiled, content: Row, known: FillContext, findings: FaultList, judge: Judge) -> None:
    """What the other document, changed so, would lack or break, told at the row that brings it about."""
    changes, changed = changes_of(compiled, content), known.changed
    table = changes.table.removesuffix("[]") if changes is not None else ""
    if changes is None or changed is None or any(trail[:1] == (table,) for trail in findings.unusable):
        return
    places = [changed.place(row.get(changes.place)) for row in _rows(changes, content)]
    after = _changed(changes, content, changed, known)
    operations = [o.name for o in changed.compiled.profile.operations.values() if o.opens_round and o.body != "none"]
    for operation in operations:
        found = []
        for each in (changed.document.content, after):
            own = FaultList()
            judge(changed.compiled, Contexts(each, known.now_ms), operation, own)
            found.append(own)
        was = {_said(one) for one in found[0].found}
        found[1].found = [one for one in found[1].found if _said(one) not in was]
        _moved(changes, changed, places, operation, found[1])
        findings.absorb(found[1])


def _said(fault: FoundFault) -> tuple[str, Trail]:
    code, trail, _, _ = fault
    return code if isinstance(code, str) else code.id, trail


def _moved(
    changes: Changes, changed: ChangedDocument, places: Sequence[Place | None], operation: str, findings: FaultList
) -> None:
    """Faults of the other document, told at the new value that brings them about, or at the table of all of them."""
    reads = {one.rule.id: one.reads for one in changed.compiled.rules[operation]}
    rows = {place.trail: n for n, place in enumerate(places) if place is not None}
    moved = []
    for code, trail, node, facts in findings.found:
        paths = reads.get(code.id, frozenset()) if not isinstance(code, str) else frozenset()
        near = (n for n, place in enumerate(places) if place is not None and place.node.field.path in paths)
        n = rows.get(trail, next(near, None))
        here: Trail = (_name(changes), n, changes.new) if n is not None else (_name(changes),)
        moved.append((code, here, node, facts))
    findings.found = moved


def carried_out(compiled: Compiled, asked: Content, known: FillContext) -> Content:
    """The other document's content with what was asked for; raises MovedOn where it is not any more what was to be changed."""
    changes, changed = changes_of(compiled, asked), known.changed
    assert changes is not None and changed is not None
    for row in _rows(changes, asked):
        place = changed.place(row.get(changes.place))
        present = changed.value(place) if place is not None else None
        if place is None or present not in (row.get(changes.old), row.get(changes.new)):
            where, old = row.get(changes.place), row.get(changes.old) or "-"
            raise MovedOn(f"{where} 现为 {present or '-'}，不是 {old}", f"{where} is {present or '-'} by now, not {old}")
    return _changed(changes, asked, changed, known)


def place_asked(compiled: Compiled, asked: Content, changed: ChangedDocument, wanted: Sequence[Trail]) -> Trail:
    """Where a content asks for a new value at the first of these places of the other document that it changes, else its table of changes."""
    changes = changes_of(compiled, asked)
    assert changes is not None
    rows = {place.trail: n for n, row in enumerate(_rows(changes, asked)) if (place := changed.place(row.get(changes.place)))}
    n = next((rows[trail] for trail in wanted if trail in rows), None)
    return (_name(changes),) if n is None else (_name(changes), n, changes.new)


def still_asked(compiled: Compiled, asked: Content, changed: ChangedDocument) -> Content:
    """The content that awaits agreement with what was carried out, where that says nothing else of the same place."""
    changes, waiting = changes_of(compiled, asked), changed.document.pending
    assert changes is not None and waiting is not None
    for row in _rows(changes, asked):
        place = changed.place(row.get(changes.place))
        if place is not None and value_at(waiting, place.trail) == row.get(changes.old):
            waiting = with_value_at(waiting, place.trail, row.get(changes.new))
    return waiting


def _changed(changes: Changes, asked: Content, changed: ChangedDocument, known: FillContext) -> Content:
    """The other content with its new values, and what its system fills from them."""
    content, paths = changed.document.content, set[str]()
    for row in _rows(changes, asked):
        place = changed.place(row.get(changes.place))
        if place is not None:
            content = with_value_at(content, place.trail, row.get(changes.new))
            paths.add(place.node.field.path)
    own = replace(known, document=changed.document, numbers=changed.document.numbers, filed=None, changed=None)
    contexts = Contexts(content, known.now_ms)
    for tables, one in _fills_from(changed.compiled, paths):
        for rows, trail in contexts[tables]:
            right = one.fill(rows, trail, own)
            if right is not None:
                row_at(rows[-1], one.groups)[one.node.name] = right
            elif (group := at(rows[-1], one.groups)) is not None:
                group.pop(one.node.name, None)
    return content


def _fills_from(compiled: Compiled, paths: set[str]) -> Iterator[tuple[tuple[str, ...], CompiledFill]]:
    """What the system fills from these fields, in order."""
    for tables, fills in compiled.fills:
        for *_, one in fills:
            if not one.reads.isdisjoint(paths) and not one.node.field.fill.startswith(FILED):
                yield tables, one


def _rows(changes: Changes, content: Row) -> Sequence[Row]:
    rows: Sequence[Row] = content.get(_name(changes), ())
    return rows


def _name(changes: Changes) -> str:
    return changes.table.removesuffix("[]")
