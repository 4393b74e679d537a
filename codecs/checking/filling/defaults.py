"""Set what the system and the account's defaults know: after the walk, before anything is required."""

from __future__ import annotations

from typing import Any

from tongguan.codecs.checking.compile import Compiled, CompiledFill
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.checking.field_tree import Contexts, Node, Row, Trail, at, row_at
from tongguan.codecs.checking.fields import ValueWrong
from tongguan.codecs.checking.filling.fills import FillContext

_NOTHING: Row = {}


def fill_defaults(compiled: Compiled, contexts: Contexts, known: FillContext, findings: FaultList) -> tuple[str, ...]:
    """Fill what the sender left out: first from the account's defaults of this type, then as the profile's own defaults say.

    The paths that were filled are returned, for the status to list.
    """
    filled: dict[str, None] = {}
    (content,) = contexts.top
    for path, value in known.account.defaults.get(compiled.profile.type, {}).items():
        groups = tuple(path.split("/")[:-1])
        if path in compiled.may_default and _default(compiled.nodes[path], row_at(content, groups), groups, value, findings):
            filled[path] = None
    # where the sender named another party, nothing of ours is mixed into it
    others = {one.groups for one in compiled.defaults if one.of_party and _names_another(one, content, known)}
    for one in compiled.defaults:
        for rows, trail in contexts[one.tables] if one.groups not in others or not one.of_account else ():
            given = one.fill(rows, trail, known)
            if given is None:
                continue
            if _default(one.node, row_at(rows[-1], one.groups), (*trail, *one.groups), given, findings):
                filled[one.node.field.path] = None
    return tuple(filled)


def _names_another(one: CompiledFill, content: Row, known: FillContext) -> bool:
    """Is its group there, and does it say something else than we would?"""
    group = at(content, one.groups)
    said = group.get(one.node.name) if group else None
    return said is not None and said != one.fill((content,), (), known)


def _default(node: Node, row: Row, trail: Trail, value: str, findings: FaultList) -> bool:
    here = (*trail, node.name)
    if node.name in row or (findings.unusable and here in findings.unusable):
        return False
    try:
        row[node.name] = node.convert(value.strip())  # type: ignore[misc]
    except ValueWrong as wrong:
        findings.spoil(wrong.code, here, node, **wrong.facts)
    return True


def forget_system(compiled: Compiled, contexts: Contexts) -> None:
    """Take out the system's own fields: of a document that is sent on as it stands, they are not the sender's words.

    The old values of a change stay: the sender has seen them, and another one by now is a fault.
    """
    changes = compiled.profile.changes
    old = f"{changes.table}/{changes.old}" if changes is not None else ""
    for tables, fills in compiled.fills:
        for rows, _ in contexts[tables]:
            for name, groups, _, one in fills:
                if one.node.field.path == old:
                    continue
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
        facts = {"right": right or "（空）", "right_en": right or "(empty)", "value": given}
        whose = ("单证值", "the document") if findings.as_it_stands else ("报文值", "the message")
        findings.add("GW-C19", trail, one.node, **facts, whose=whose[0], whose_en=whose[1])


def _fits(one: CompiledFill, value: str, trail: Trail, findings: FaultList) -> None:
    """A computed amount can be too large for its field although what it is made from is not."""
    try:
        one.node.convert(value)  # type: ignore[misc]
    except ValueWrong as wrong:
        findings.spoil(wrong.code, trail, one.node, **wrong.facts)
