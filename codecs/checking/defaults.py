"""Set what the system and the account's defaults know: after the walk, before anything is required."""

from __future__ import annotations

from typing import Any

from tongguan.codecs.checking.compile import Compiled, CompiledFill
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Contexts, Node, Row, Trail, at, row_at
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.checking.fills import FillContext

_NOTHING: Row = {}


def fill_defaults(compiled: Compiled, content: Row, known: FillContext, findings: FaultList) -> tuple[str, ...]:
    """Fill what the sender left out: first from the account's defaults of this type, then from what the account is.

    The paths that were filled are returned, for the status to list.
    """
    filled = []
    for path, value in known.account.defaults.get(compiled.profile.type, {}).items():
        groups = tuple(path.split("/")[:-1])
        if path in compiled.may_default and _default(compiled.nodes[path], groups, content, value, findings):
            filled.append(path)
    ours = [(one, one.fill((content,), (), known)) for one in compiled.defaults]
    given_groups = [(one, value) for one, value in ours if one.groups and one.groups[0] in content]
    others = {one.groups for one, value in given_groups if _another(at(content, one.groups), one.node.name, value)}
    for one, given in ours:
        # where the sender named another party, nothing of ours is mixed into it
        if given is not None and one.groups not in others and _default(one.node, one.groups, content, given, findings):
            filled.append(one.node.field.path)
    return tuple(filled)


def _another(group: Row | None, name: str, ours: str | None) -> bool:
    return bool(group) and group.get(name, ours) != ours  # type: ignore[union-attr]


def _default(node: Node, groups: tuple[str, ...], content: Row, value: str, findings: FaultList) -> bool:
    row, name = row_at(content, groups) if groups else content, node.name
    if name in row or (findings.unusable and (*groups, name) in findings.unusable):
        return False
    try:
        row[name] = node.convert(value.strip())  # type: ignore[misc]
    except ValueWrong as wrong:
        findings.spoil(wrong.code, (*groups, name), node, **wrong.facts)
    return True


def forget_system(compiled: Compiled, contexts: Contexts) -> None:
    """Take out the system's own fields: of a document that is sent on as it stands, they are not the sender's words."""
    for tables, fills in compiled.fills:
        for rows, _ in contexts[tables]:
            for name, groups, _, _ in fills:
                row = at(rows[-1], groups) if groups else rows[-1]
                if row:
                    row.pop(name, None)


def fill_system(compiled: Compiled, contexts: Contexts, known: FillContext, findings: FaultList) -> None:
    """Set every system field; what the sender says otherwise is a fault that shows both."""
    for tables, fills in compiled.fills:
        for rows, trail in contexts[tables]:
            last = rows[-1]
            for name, groups, fill, one in fills:
                right = fill(rows, trail, known)
                row = last
                if groups:
                    row = row_at(last, groups) if right is not None else at(last, groups) or _NOTHING
                given = row.get(name)
                if right is not None:
                    row[name] = right
                    if given is None:
                        if len(right) > one.surely:
                            _fits(one, right, (*trail, *groups, name), findings)
                        continue
                if given != right:
                    _differs(one, (*trail, *groups, name), row, (given, right), findings)


def _differs(one: CompiledFill, trail: Trail, row: Row, values: tuple[Any, str | None], findings: FaultList) -> None:
    """The sender said something else."""
    given, right = values
    if right is None:
        del row[one.node.name]
    if one.reads.isdisjoint(findings.unusable_paths):
        findings.add("GW-C19", trail, one.node, right=right or "（空）", value=given)


def _fits(one: CompiledFill, value: str, trail: Trail, findings: FaultList) -> None:
    """A computed amount can be too large for its field although what it is made from is not."""
    try:
        one.node.convert(value)  # type: ignore[misc]
    except ValueWrong as wrong:
        findings.spoil(wrong.code, trail, one.node, **wrong.facts)
