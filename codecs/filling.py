"""Set what the system and the account's defaults know: after the walk, before anything is required."""

from __future__ import annotations

from typing import Any

from tongguan.codecs.compile import Compiled, CompiledFill
from tongguan.codecs.fields import Wrong
from tongguan.codecs.fill import Known
from tongguan.codecs.findings import Findings
from tongguan.codecs.tree import Row, Rows, Trail, at, place_rows


def fill_defaults(compiled: Compiled, content: Row, known: Known, findings: Findings) -> tuple[str, ...]:
    """Fill what the sender left out: first from the account's defaults of this type, then from what the account is.

    The paths that were filled are returned, for the status to list.
    """
    filled = []
    for path, value in known.account.defaults.get(compiled.profile.type, {}).items():
        if path in compiled.may_default and _default(compiled, content, path, value, findings):
            filled.append(path)
    for one in compiled.defaults:
        given = one.fill((content,), (), known)
        if given is not None and _default(compiled, content, one.node.field.path, given, findings):
            filled.append(one.node.field.path)
    return tuple(filled)


def _default(compiled: Compiled, content: Row, path: str, value: str, findings: Findings) -> bool:
    node, names = compiled.nodes[path], tuple(path.split("/"))
    if at(content, names) is not None or names in findings.unusable:
        return False
    try:
        _row(content, names[:-1])[names[-1]] = node.convert(value.strip())  # type: ignore[misc]
    except Wrong as wrong:
        findings.spoil(wrong.code, names, node, **wrong.facts)
    return True


def fill_system(compiled: Compiled, content: Row, known: Known, findings: Findings) -> None:
    """Set every system field; what the sender says otherwise is a fault that shows both."""
    for tables, fills in compiled.fills:
        for rows, trail in place_rows(content, tables):
            row = rows[-1]
            for one in fills:
                if one.groups:
                    _fill(one, (rows, trail), _row(row, one.groups), known, findings)
                else:
                    _fill(one, (rows, trail), row, known, findings)
                if one.groups and not row[one.groups[0]]:
                    _drop(row, one.groups)


def _fill(one: CompiledFill, seen: tuple[Rows, Trail], row: Row, known: Known, findings: Findings) -> None:
    rows, trail = seen
    name, given = one.node.name, row.get(one.node.name)
    right = one.fill(rows, trail, known)
    if right is not None:
        row[name] = right
    if given == right:
        return
    if given is not None:
        _other(one, (*trail, *one.groups, name), (given, right), known, findings)
        if right is None:
            del row[name]
    elif right is not None and one.computed:
        _fits(one, right, (*trail, *one.groups, name), findings)


def _other(one: CompiledFill, trail: Trail, values: tuple[Any, str | None], known: Known, findings: Findings) -> None:
    given, right = values
    if one.reads.isdisjoint(findings.unusable_paths) and not (one.also and given in one.also(known)):
        findings.add("GW-C19", trail, one.node, right=right or "（空）", value=given)


def _fits(one: CompiledFill, value: str, trail: Trail, findings: Findings) -> None:
    """A computed amount can be too large for its field although what it is made from is not."""
    try:
        one.node.convert(value)  # type: ignore[misc]
    except Wrong as wrong:
        findings.spoil(wrong.code, trail, one.node, **wrong.facts)


def _row(row: Row, groups: tuple[str, ...]) -> Row:
    for group in groups:
        row = row.setdefault(group, {})
    return row


def _drop(row: Row, groups: tuple[str, ...]) -> None:
    """A group in which nothing was set stays absent."""
    if len(groups) > 1:
        _drop(row[groups[0]], groups[1:])
    if not row[groups[0]]:
        del row[groups[0]]
