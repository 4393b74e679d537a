"""A profile made ready to run, once, at start: field tree, conversions, fills in order, rules for each operation.

Promises: a profile that compiles names only checks and fills that exist; all that is wrong is told at once, with file and line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from string import Formatter
from typing import Any

from tongguan.codecs.checking.conditions import Condition, compile_conditions
from tongguan.codecs.checking.field_tree import Node, build, namespaces_of, split
from tongguan.codecs.checking.filling.filed import FiledLook
from tongguan.codecs.checking.filling.fills import KINDS, Fill, depends, filed_look, filler, is_of_account
from tongguan.codecs.checking.filling.fills import Unfit as FillWrong
from tongguan.codecs.checking.rules import CompiledRule, compile_rule
from tongguan.codecs.checking.secrets import secret_paths
from tongguan.gateway.model.errors import nearest
from tongguan.gateway.profile.profile import CodeTable, Profile, Profiles
from tongguan.gateway.profile.sections.other_documents import DEFAULT, FILED
from tongguan.gateway.profile.source import Complaints

NOTIFY_WORDS = frozenset({"title", "number", "licence", "status", "environment"})  #: blanks of a notification's text
NEED_WORDS = frozenset({"name", "status"})  #: and of what a need says of the document that it names


@dataclass(frozen=True, slots=True)
class CompiledFill:
    """A field that the system sets: in which rows, under which groups, with what."""

    node: Node
    tables: tuple[str, ...]
    groups: tuple[str, ...]
    fill: Fill
    reads: frozenset[str]  #: every path that its value is made from
    surely: int  #: a value of so many characters fits its field for sure: computed ones can be too large
    of_account: bool  #: it is a fact of the account,
    of_party: bool  #: of a group that tells of a party


Runs = tuple[tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...], Fill, CompiledFill], ...]], ...]
"""Tables, and the fills of their rows: each with its name, groups and function taken out, which the inner loop needs."""


@dataclass(frozen=True, slots=True)
class SampledField:
    """A field whose code table is a sample: in which rows, under which groups, and the codes that are known."""

    node: Node
    tables: tuple[str, ...]
    groups: tuple[str, ...]
    table: str
    known: Collection[str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A document type ready to check messages."""

    profile: Profile
    tables: Mapping[str, CodeTable]
    root: Node
    nodes: Mapping[str, Node]
    wide: Mapping[str, Node]  #: of an operation whose rows may become several documents: the root with room for all of them
    fills: Runs  #: the system's, in order; those of the same rows together
    defaults: tuple[CompiledFill, ...]  #: in order, where the sender says nothing
    system: frozenset[str]  #: paths that the system fills
    may_default: frozenset[str]  #: paths that an account's own defaults may fill
    fixed: Mapping[str, tuple[Node, ...]]  #: of an operation: what it may not change
    rules: Mapping[str, tuple[CompiledRule, ...]]  #: of an operation
    options: Mapping[str, frozenset[str]]  #: of an operation: elements that belong to it and not to the document
    attachable: Condition  #: may such a content have attachments?
    secrets: tuple[str, ...]  #: paths that hold references to secrets
    signed_when: Mapping[str, Condition]  #: of an operation: are card and signature wanted for this content?
    needs_when: Mapping[str, Condition]  #: of a need: does it apply to this content?
    notify_when: Condition  #: is anybody told of this content's receipts?
    filed: tuple[FiledLook, ...]  #: the other documents that fields are filled from
    cancels: Condition  #: of a document that changes another one: does this content cancel it?
    sampled: tuple[SampledField, ...]  #: fields of the sender's whose code may be right although our table does not have it


def compile_profile(profile: Profile, tables: Mapping[str, CodeTable]) -> Compiled:
    """Make a profile ready; SettingsWrong lists every check, fill and path that does not exist."""
    root, nodes = build(profile, tables)
    _read_statuses(profile, nodes)
    wrong = Complaints()
    fills = _fills(profile, nodes, tables, wrong)
    rules = _rules(profile, nodes, tables, wrong)

    def condition(owner: str, conditions: Sequence[Mapping[str, Any]]) -> Condition:
        try:
            return compile_conditions(owner, conditions, nodes, tables)
        except (ValueError, TypeError, ArithmeticError) as complaint:
            wrong.raised(f"{profile.folder}/profile.toml", complaint)
            return lambda content: True

    attachable = condition("attachments", profile.attachments.when)
    signed_when = {name: condition(f"operation.{name}", o.signed_when) for name, o in profile.operations.items()}
    needs_when = {name: condition(f"needs.{name}", need.when) for name, need in profile.needs.items()}
    notify_when = condition("notify", profile.notify.when if profile.notify else ())
    cancels = condition("changes", profile.changes.cancels if profile.changes else ())
    _unknown_words(profile, wrong)
    wrong.end()
    return Compiled(
        profile=profile,
        tables=tables,
        root=root,
        nodes=nodes,
        wide={name: _with_room(profile, o.splits, tables) for name, o in profile.operations.items() if o.splits},
        fills=_together([f for f in fills if not f.node.field.fill.startswith(DEFAULT)]),
        defaults=tuple(f for f in fills if f.node.field.fill.startswith(DEFAULT)),
        system=frozenset(f.node.field.path for f in fills if not f.node.field.fill.startswith(DEFAULT)),
        may_default=frozenset(p for p, n in nodes.items() if n.convert and "[]" not in p and _senders(n)),
        fixed={
            o: tuple(n for n in nodes.values() if n.field.changeable_by and o not in n.field.changeable_by)
            for o in profile.operations
        },
        rules={o: tuple(r for r in rules if o in r.rule.at) for o in profile.operations},
        options={name: frozenset(operation.elements) for name, operation in profile.operations.items()},
        attachable=attachable,
        secrets=secret_paths(profile),
        signed_when=signed_when,
        needs_when=needs_when,
        notify_when=notify_when,
        filed=_looks(profile, [f.node for f in fills], nodes),
        cancels=cancels,
        sampled=tuple(_sampled(nodes, tables)),
    )


def _sampled(nodes: Mapping[str, Node], tables: Mapping[str, CodeTable]) -> Iterator[SampledField]:
    for path, node in nodes.items():
        table = tables.get(node.field.code_table)
        if table is not None and table.sample and node.convert is not None and _senders(node):
            above, names = split(path)
            yield SampledField(node, above, tuple(names[:-1]), table.name, table.rows.keys())


def _looks(profile: Profile, filled: Sequence[Node], nodes: Mapping[str, Node]) -> tuple[FiledLook, ...]:
    """One for all fields that are filled from the same row."""
    looks = (filed_look(node, profile, nodes) for node in filled if node.field.fill.removeprefix(DEFAULT).startswith(FILED))
    return tuple({(look.source.name, look.tables, look.key): look for look in looks}.values())


def _with_room(profile: Profile, table: str, tables: Mapping[str, CodeTable]) -> Node:
    """The root of a message whose table may have the rows of several documents."""
    root, nodes = build(replace(profile, fields=profile.as_sent({table})), tables)
    _read_statuses(profile, nodes)
    return root


def _unknown_words(profile: Profile, wrong: Complaints) -> None:
    """Blanks in the text of a notification, or of a need, that nothing fills."""
    said = [("notify.says", profile.notify.says, NOTIFY_WORDS)] if profile.notify else []
    said += [
        (f"needs.{name}.says", need.says, NEED_WORDS if need.certain else frozenset()) for name, need in profile.needs.items()
    ]
    for key, says, known in said:
        for blank in {
            name for text in (says.zh, says.en) for _, name, _, _ in Formatter().parse(text) if name is not None
        } - known:
            zh, en = nearest(blank, known)
            place = f"{profile.folder}/profile.toml: {key}"
            wrong.add(place, f"没有什么填入 {{{blank}}}{zh}", f"nothing fills {{{blank}}}{en}")


def _read_statuses(profile: Profile, nodes: Mapping[str, Node]) -> None:
    """A status may be said by its code or by any of its texts; a word that is none of them differs from what the system holds."""
    codes = {
        word: s.code for s in profile.statuses.values() for word in (s.statistics_text.zh, s.list_text.zh, s.text.zh, s.code)
    }
    for path, node in nodes.items():
        if node.field.fill == "status":
            node.convert = lambda text: codes.get(text, text)
            parent = nodes[path.rpartition("/")[0]]
            for namespace in namespaces_of(profile):
                parent.by_tag[f"{{{namespace}}}{node.name}"] = (node.name, node.convert, node)


def compile_all(profiles: Profiles) -> dict[str, Compiled]:
    """Every document type ready; SettingsWrong lists what is wrong with any of them. The same profiles are made ready once."""
    return dict(_compiled(profiles))


@lru_cache(maxsize=4)
def _compiled(profiles: Profiles) -> Mapping[str, Compiled]:
    compiled: dict[str, Compiled] = {}
    wrong = Complaints()
    for name, profile in profiles.items():
        with wrong.look():
            compiled[name] = compile_profile(profile, profiles.tables)
    wrong.end()
    return compiled


def _rules(profile: Profile, nodes: Mapping[str, Node], tables: Mapping[str, CodeTable], wrong: Complaints) -> list[CompiledRule]:
    compiled = []
    for rule in profile.rules:
        try:
            compiled.append(compile_rule(rule, nodes, tables))
        except (ValueError, TypeError, KeyError) as complaint:
            wrong.raised(rule.place, complaint)
        except Exception as complaint:  # re.error of a pattern: no ValueError before Python 3.13
            wrong.raised(rule.place, complaint, (f"规则 {rule.id}：", f"rule {rule.id}: "))
    return compiled


def _fills(profile: Profile, nodes: Mapping[str, Node], tables: Mapping[str, CodeTable], wrong: Complaints) -> list[CompiledFill]:
    made: dict[str, CompiledFill] = {}
    for path, node in nodes.items():
        if not node.field.fill:
            continue
        try:
            above, names = split(path)
            fill, reads = filler(node, profile, nodes, tables), frozenset(_reads(node, profile, nodes))
            groups, ours = tuple(names[:-1]), is_of_account(node)
            surely, of_party = _surely(node) if reads else 1_000_000, ours and bool(groups) and not above
            made[path] = CompiledFill(node, above, groups, fill, reads, surely, ours, of_party)
        except FillWrong as complaint:
            kind = node.field.fill.partition(":")[0]
            zh, en = nearest(kind, KINDS) if kind not in KINDS else ("", "")
            wrong.add(node.field.place, f"{complaint.zh}{zh}", f"{complaint.en}{en}")
    order = _in_order(made, profile, nodes, wrong)
    return [made[path] for path in order]


def _reads(node: Node, profile: Profile, nodes: Mapping[str, Node]) -> Iterator[str]:
    for path in depends(node, profile, nodes):
        yield path
        if path in nodes and path != node.field.path:
            yield from _reads(nodes[path], profile, nodes)


def _surely(node: Node) -> int:
    field = node.field
    return 0 if field.least or field.most or field.pattern else field.length or 1_000_000


def _senders(node: Node) -> bool:
    return not node.field.fill or node.field.fill.startswith(DEFAULT)


def _in_order(made: Mapping[str, CompiledFill], profile: Profile, nodes: Mapping[str, Node], wrong: Complaints) -> list[str]:
    needs = {path: [d for d in depends(fill.node, profile, nodes) if d in made] for path, fill in made.items()}
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as circle:
        them = " ".join(circle.args[1])
        wrong.add(made[circle.args[1][0]].node.field.place, f"fill 互相依赖：{them}", f"fills need each other: {them}")
        return []


def _together(fills: list[CompiledFill]) -> Runs:
    runs: list[tuple[tuple[str, ...], list[tuple[str, tuple[str, ...], Fill, CompiledFill]]]] = []
    for one in fills:
        if not runs or runs[-1][0] != one.tables:
            runs.append((one.tables, []))
        runs[-1][1].append((one.node.name, one.groups, one.fill, one))
    return tuple((tables, tuple(run)) for tables, run in runs)
