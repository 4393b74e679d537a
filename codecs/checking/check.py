"""Hold a message against its profile: canonical content, or every fault at once.

Promises: one walk over what was sent, where a first look is not enough; nothing is changed in it; the same document gives the
same content in XML and JSON; what the system sets is never taken from the sender. Paths and lines are looked for only when there is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

from lxml import etree

from tongguan.codecs.checking.changing.changed import ChangedDocument
from tongguan.codecs.checking.changing.changes import look_at_changed, read_changes
from tongguan.codecs.checking.changing.listed_rows import NO_FILES, with_listed
from tongguan.codecs.checking.changing.row_changes import (
    RowShift,
    entered,
    further_part,
    split_rows,
    with_marks,
    with_rows,
    without_rows,
)
from tongguan.codecs.checking.characters import look_at_characters
from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Contexts, Node, Row, Trail, at, getter, row_at, split
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.checking.filling.defaults import fill_defaults, fill_system, forget_system
from tongguan.codecs.checking.filling.filed import Filed, look_at_filed
from tongguan.codecs.checking.filling.fills import FillContext
from tongguan.codecs.checking.named_checks import Getter
from tongguan.codecs.checking.validation import plain_xml, walk_json, walk_xml
from tongguan.codecs.reading.item import Item
from tongguan.codecs.reading.locations import Locations
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.record import record, replace
from tongguan.gateway.profile.profile import COPY, Operation
from tongguan.gateway.settings import Account

_EMPTY: Row = {}


@record
class Checked:
    content: Content
    faults: list[Fault]
    filled: tuple[str, ...]  #: paths that the account's defaults filled, because the sender left them out
    options: dict[str, str]  #: elements of the body that belong to the operation, not to the document
    further: tuple[Content, ...] = ()  #: of the documents that rows become for which the first has no room


def check(
    compiled: Compiled,
    item: Item,
    *,
    account: Account,
    document: Document | None,
    operation: str,
    numbers: Mapping[str, str],
    now_ms: int,
    filed: Filed | None = None,
    changed: Callable[[Content], ChangedDocument | None] = lambda content: None,
    further: Callable[[int], Document | None] = lambda part: None,
    files: Mapping[str, bytes] = NO_FILES,
) -> Checked:
    """The content that the document would have after this operation, with all that is wrong with it.

    `files`: those of the message, by name. `changed`: the document that this content changes. `further`: the document, if there is one, of each part from the second on that a message with very many rows becomes.
    """
    findings, places = FaultList(lenient=item.own_form), places_of(item)
    body, options = _options(compiled, item.body, operation, findings)
    asked = compiled.profile.operations[operation]
    known = FillContext(account, document, numbers, now_ms, operation, filed=filed)
    if asked.body == "none":
        _no_body(body, operation, findings)
        content = _without_body(compiled, asked, options, known, findings)
        return Checked(content, findings.told(places), (), options)
    if asked.listed is not None and files and body is None:
        body = {}  # what it carries is in its files
    findings.as_it_stands = body is None
    if body is None and (asked.body == "whole" or document is None):
        findings.add("GW-C22", (), None, operation=operation)
        return Checked(known.before, findings.told(places), (), options)
    root = compiled.wide.get(operation, compiled.root)
    content = _walked(root, compiled.profile.namespace, item, body, document, findings)
    if item.odd and body is not None:
        look_at_characters(root, content, (), findings)
    content, of_files = with_listed(compiled, asked, content, files, findings) if body is not None else (content, [])
    if asked.adds:
        content, rows = with_rows(compiled, asked, content, options, known, findings)
        _judged(compiled, Contexts(content, now_ms), operation, findings)
        findings.move(rows.in_message)
        return Checked(content, findings.told(places), (), options)
    if compiled.profile.changes is not None:
        known = replace(known, changed=changed(content))
    first, *others = split_rows(content, *_room(compiled, asked)) if asked.splits else (content,)
    filled = _completed(compiled, first, known, operation, findings, as_it_stands=body is None)
    for n, other in enumerate(others, 2):
        _further(compiled, asked, other, replace(known, part=n, document=further(n)), findings)
    return Checked(first, [*(findings.told(places) if findings.found else ()), *of_files], filled, options, tuple(others))


def _completed(
    compiled: Compiled, content: Row, known: FillContext, operation: str, findings: FaultList, *, as_it_stands: bool = False
) -> tuple[str, ...]:
    """Fill what a message left out, and hold the content against all that must be and must hold; the defaults that were filled."""
    if not as_it_stands:
        _unchanged(compiled, content, known, operation, findings)
    contexts = Contexts(content, known.now_ms)
    if as_it_stands:
        forget_system(compiled, contexts)
    filled = fill_defaults(compiled, contexts, known, findings)
    read_changes(compiled, content, known, findings)
    fill_system(compiled, contexts, known, findings)
    filled = _without_forbidden(compiled, contexts, operation, filled)
    look_at_filed(compiled.filed, contexts, known.filed, findings)
    _judged(compiled, contexts, operation, findings)
    look_at_changed(compiled, content, known, findings, _judged)
    if compiled.profile.operations[operation].pending and known.document is not None and not findings.has_errors:
        _something_changes(compiled, content, known.document, operation, findings)
    return filled


def _judged(compiled: Compiled, contexts: Contexts, operation: str, findings: FaultList) -> None:
    """What is not there that must be, and what the rules find wrong."""
    (content,) = contexts.top
    if not _complete(compiled.root, content, operation):
        _missing(compiled.root, content, operation, (), findings)
    _broken_rules(compiled, contexts, operation, findings)
    _outside_samples(compiled, contexts, findings)
    if later := compiled.profile.operations[operation].warns_of:
        _foretold(compiled, contexts, later, findings)


def _foretold(compiled: Compiled, contexts: Contexts, later: str, findings: FaultList) -> None:
    """What a later operation will want besides: warnings, and no word of what is wrong already."""
    wanted = FaultList(unusable=findings.unusable)
    _missing(compiled.root, contexts.top[0], later, (), wanted)
    for one in compiled.rules[later]:
        if one.rule.check == "required" and one.reads.isdisjoint(findings.unusable_paths):
            for trail in one.broken(contexts):
                wanted.add("GW-C03", trail, one.node)
    told = {trail for _, trail, _, _ in findings.found}
    for trail, node in {trail: node for _, trail, node, _ in wanted.found if trail not in told}.items():
        findings.add("GW-C40", trail, node, operation=later, severity="warning")


def _further(compiled: Compiled, asked: Operation, content: Row, known: FillContext, findings: FaultList) -> None:
    """Complete a further document of the message; what is wrong with its rows is told at their places in that."""
    name, most = _room(compiled, asked)
    first_row = (known.part - 1) * most
    places = RowShift(name, first_row, most)
    known = replace(known, numbers=known.document.numbers if known.document else {})
    own = FaultList(unusable=set(findings.unusable), unusable_paths=set(findings.unusable_paths))
    own.move(places.in_message)
    further_part(compiled, content, compiled.nodes[asked.splits], first_row, known.now_ms)
    _completed(compiled, content, known, asked.name, own)
    own.move(places.in_content)
    findings.absorb(own)


def _room(compiled: Compiled, asked: Operation) -> tuple[str, int]:
    """The table that is split, and how many rows one document has room for."""
    table = compiled.nodes[asked.splits]
    return table.name, table.most


def _without_body(
    compiled: Compiled, asked: Operation, options: Mapping[str, str], known: FillContext, findings: FaultList
) -> Row:
    """What an operation without a body makes of its document's content."""
    content = known.before
    if known.document is None:
        return content
    if asked.desk == COPY:
        return _copied(compiled, known, findings)
    if asked.removes is not None:
        content = without_rows(compiled, asked.removes, options, known, findings)
    if asked.marks is not None:
        content = with_marks(compiled, asked.marks, options, content, findings)
    _judged(compiled, Contexts(content, known.now_ms), asked.name, findings)
    return content


def _copied(compiled: Compiled, known: FillContext, findings: FaultList) -> Row:
    """What a copy begins with: what was entered, and what the system fills of a new document."""
    content = entered(compiled, known.before)
    fill_system(compiled, Contexts(content, known.now_ms), replace(known, document=None, numbers={}), findings)
    return content


def _broken_rules(compiled: Compiled, contexts: Contexts, operation: str, findings: FaultList) -> None:
    """What the profile's rules find wrong; a rule that looks at an unusable value has nothing to say."""
    for one in compiled.rules[operation]:
        if findings.unusable_paths and not one.reads.isdisjoint(findings.unusable_paths):
            continue
        for trail in one.broken(contexts):
            findings.broken(one.rule, trail, one.node)


def _outside_samples(compiled: Compiled, contexts: Contexts, findings: FaultList) -> None:
    """Codes that our part of a table does not have: the whole one may."""
    for one in compiled.sampled:
        for rows, trail in contexts[one.tables]:
            row = at(rows[-1], one.groups) if one.groups else rows[-1]
            value = row.get(one.node.name) if row else None
            if value is not None and value not in one.known:
                here = (*trail, *one.groups, one.node.name)
                findings.add("GW-C43", here, one.node, value=value, table=one.table, severity="warning")


def places_of(item: Item) -> Locations:
    """How places in a message are named as its form names them."""
    if isinstance(item.body, etree._Element):
        return Locations("xml", item.place, item.body)
    return Locations("json", f"{item.place}/body", None)


def _options(compiled: Compiled, body: Any, operation: str, findings: FaultList) -> tuple[Any, dict[str, str]]:
    """The body (None: there is none), and what of it belongs to the operation."""
    names = compiled.options[operation]
    if isinstance(body, etree._Element):
        if not names:
            return (body if len(body) or (body.text or "").strip() else None), {}
        own = [e for e in body if isinstance(e.tag, str) and etree.QName(e).localname in names]
        options = {etree.QName(e).localname: (e.text or "").strip() for e in own}
        if len(options) < len(own):
            findings.add("GW-C02", (), None, label=" ".join(sorted(options)))
        for element in own:
            if element.tail and not element.tail.isspace():
                findings.add("GW-C25", (), None, value=element.tail.strip())
        if len(own) == len(body):
            return None, options
        return (_without(body, names) if own else body), options
    given = body or {}
    options = {name: str(given[name]).strip() for name in names if given.get(name) is not None}
    rest = {name: value for name, value in given.items() if name not in names} if options else given
    return rest or None, options


def _without(body: etree._Element, names: Collection[str]) -> etree._Element:
    """The body without the elements that belong to the operation."""
    rest = deepcopy(body)
    for element in [e for e in rest if isinstance(e.tag, str) and etree.QName(e).localname in names]:
        rest.remove(element)
    return rest


def _no_body(body: Any, operation: str, findings: FaultList) -> None:
    if body is not None:
        findings.add("GW-C21", (), None, operation=operation)


def _walked(root: Node, namespace: str, item: Item, body: Any, document: Document | None, findings: FaultList) -> Row:
    if isinstance(body, etree._Element):
        content = plain_xml(root, namespace, item.canonical) if body is item.body else None
        if content is not None:
            return content
        if body.text and not body.text.isspace():
            findings.add("GW-C25", (), None, value=body.text.strip())
        findings.namespaces.add(body.tag.rpartition("}")[0][1:])
        return walk_xml(root, body, (), findings)
    given = body if body is not None else (document.content if document else _EMPTY)
    return walk_json(root, given, (), findings)


def _complete(node: Node, content: Row, operation: str) -> bool:
    """Is everything there that the operation requires? Quick, and without places."""
    required = node.required.get(operation)
    if required and not required <= content.keys():
        return False
    for inner in node.needy.get(operation, ()):
        if inner.table:
            for row in content.get(inner.name, ()):
                if not _complete(inner, row, operation):
                    return False
        elif not _complete(inner, content.get(inner.name, _EMPTY), operation):
            return False
    return True


def _missing(node: Node, content: Row, operation: str, trail: Trail, findings: FaultList) -> None:
    for below in node.children.values():
        here = (*trail, below.name)
        if below.name not in content and operation in below.field.required_at and here not in findings.unusable:
            findings.missing(here, below)
        if below.table:
            for n, row in enumerate(content.get(below.name, ())):
                _missing(below, row, operation, (*here, n), findings)
        elif below.convert is None:
            _missing(below, content.get(below.name, _EMPTY), operation, here, findings)


def _unchanged(compiled: Compiled, content: Row, known: FillContext, operation: str, findings: FaultList) -> None:
    """Fields that this operation may not change keep their value; another one from the sender is a fault.

    What no document has yet is what the account's defaults say, or nothing.
    """
    for node in compiled.fixed.get(operation, ()):
        look = getter(node.field.path, ())
        before, now = _before(compiled, node, look, known), look((content,))
        if before == now or (not now and (known.document is None or node.field.path in findings.unusable_paths)):
            continue
        names = split(node.field.path)[1]
        if not now and names and "[]" not in node.field.path:
            row_at(content, names[:-1])[names[-1]] = before[0]
            continue
        shown = {"before": _shown(before), "value": _shown(now)}
        findings.spoil(
            "GW-C20", tuple(n for n in node.field.path.replace("[]", "").split("/")), node, operation=operation, **shown
        )


def _something_changes(compiled: Compiled, content: Row, document: Document, operation: str, findings: FaultList) -> None:
    """Nobody is asked to agree to what holds already."""
    not_theirs = compiled.system | {node.field.path for node in compiled.fixed.get(operation, ())}
    told: list[tuple[str, str, str]] = []
    for path, node in compiled.nodes.items():
        if node.convert is None or path in not_theirs:
            continue
        look = getter(path, ())
        now = look((content,))
        if now != look((document.content,)):
            return
        told += [(node.label, node.label_en, _shown(now))] if now else []
    zh, en, values = zip(*told, strict=True) if told else ((), (), ())
    findings.add("GW-C42", (), None, what="、".join(zh), what_en=", ".join(en), value=", ".join(values))


def _before(compiled: Compiled, node: Node, look: Getter, known: FillContext) -> Sequence[Any]:
    if known.document is not None:
        return look((known.document.content,))
    default = known.account.defaults.get(compiled.profile.type, {}).get(node.field.path)
    try:
        return [] if default is None or node.convert is None else [node.convert(default)]
    except ValueWrong:  # the defaults' own fault tells it
        return []


def _without_forbidden(compiled: Compiled, contexts: Contexts, operation: str, filled: tuple[str, ...]) -> tuple[str, ...]:
    """A default that a rule forbids was not the sender's word: it goes again."""
    for one in compiled.rules[operation] if filled else ():
        path = one.rule.path
        if one.rule.check == "absent" and path in filled and "[]" not in path and one.broken(contexts):
            *groups, name = path.split("/")
            del row_at(contexts.top[0], groups)[name]
            filled = tuple(other for other in filled if other != path)
    return filled


def _shown(values: Sequence[Any]) -> str:
    return " ".join(str(value) for value in values) or "-"
