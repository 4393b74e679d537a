"""What a planned whole says: the fields of what is made from those of the documents that went into it.

Promises: what must be equal is the first document's, what is added up the plan's sum; nothing is computed anew from anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tongguan.codecs.checking.compile import Compiled
from tongguan.gateway.document.changes import value_at
from tongguan.gateway.document.counting import number_of
from tongguan.gateway.document.lines import holds
from tongguan.gateway.flow.merging.plan import SumField, WholeLimits
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.model.document import Content, Document
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import SumPart


@record
class WholeToMake:
    """One thing to make: its documents in their order, and of each of its lines the first (document, row) with its sums."""

    documents: tuple[Document, ...]
    lines: tuple[tuple[int, int, tuple[int, ...]], ...]
    sums: tuple[int, ...]
    agent: tuple[str, str]  #: code and name of who declares instead; empty: nobody does


def limits_of(types: MergeTypes) -> WholeLimits:
    """What fits into one whole: the fields of the type that is made say it."""
    rule, lines = types.rule, types.merged.lines
    assert lines is not None
    head_at = f"{rule.head_at}/" if rule.head_at else ""

    def fields(parts: Sequence[SumPart], at: str) -> tuple[SumField, ...]:
        return tuple(_field(types.made, at + part.name, part) for part in parts)

    return WholeLimits(rule.most_lines, fields(lines.head_sums, head_at), fields(lines.line_sums, f"{rule.lines_at}/"))


def _field(made: Compiled, path: str, part: SumPart) -> SumField:
    node = made.nodes.get(path)
    return SumField(part.places, node.field.length, node.field.precision) if node else SumField(part.places, 38, part.places)


def content_of(types: MergeTypes, merge: Content, whole: WholeToMake) -> Content:
    """The body of the message by which it is made."""
    rule, lines = types.rule, types.merged.lines
    assert lines is not None
    cases = types.cases_of(merge)
    contents = [document.content for document in whole.documents]
    first, table = contents[0], lines.table.removesuffix("[]")
    names = {path.rpartition("/")[2] for path in types.made.nodes if path.startswith(rule.head_at) and "[]" not in path}
    keys = [part.name for part in lines.head_key if part.only is None or holds(part.only, first)]
    head = {name: first[name] for name in keys if name in first and name in names}
    head |= _added(lines.head_sums, whole.sums, first)
    ways = dict(rule.head) | {name: way for case in cases for name, way in case.head.items()}
    month = f"{whole.documents[0].content.get(lines.day, '')}"[:7]
    _put(head, ways, lambda way: _of_all(way, contents, whole.agent, month))
    line_ways = dict(rule.line) | {name: way for case in cases for name, way in case.line.items()}
    columns = {path.rpartition("/")[2] for path in types.made.nodes if path.startswith(f"{rule.lines_at}/")}
    rows = []
    for at, number, sums in whole.lines:
        origin, above = contents[at][table][number], contents[at]
        keys = [part.name for part in lines.line_key if part.only is None or holds(part.only, above)]
        row = {name: origin[name] for name in keys if name in origin and name in columns}
        row |= {name: value for name, value in _added(lines.line_sums, sums, above).items() if name in origin}
        _put(row, line_ways, lambda way, origin=origin: _of_all(way, [origin], whole.agent, month))  # type: ignore[misc]
        rows.append(row)
    return _laid_out(types, head, rows, whole.documents)


def _added(parts: Sequence[SumPart], sums: Sequence[int], first: Content) -> dict[str, str]:
    """The sums of fields that are added up here."""
    kept = zip(parts, sums, strict=True)
    return {
        part.name: number_of(value, part.places)
        for part, value in kept
        if (part.only is None and (value or part.name in first)) or (part.only is not None and holds(part.only, first))
    }


def _put(row: dict[str, str], ways: Mapping[str, str], say: Callable[[str], str]) -> None:
    """Every field that comes another way; one without a value is left out."""
    said = {name: say(way) if way else "" for name, way in ways.items()}
    for name, value in said.items():
        if value:
            row[name] = value
        else:
            row.pop(name, None)


def _of_all(way: str, contents: Sequence[Mapping[str, Any]], agent: tuple[str, str], month: str) -> str:
    """What a way of `[merge]` comes to."""
    kind, _, argument = way.partition(":")
    values = [value_at(dict(content), argument) for content in contents]
    said = list(dict.fromkeys(value for value in values if value))
    match kind:
        case "same":
            return values[0]
        case "is":
            return argument
        case "span":
            return "".join(each.replace("-", "") for each in (min(said), max(said))) if said else ""
        case "joined":
            return ";".join(said)
        case "common":
            return said[0] if len(said) == 1 and all(values) else ""
        case "month":
            return argument + month
        case _:
            return agent[0] if argument == "code" else agent[1]


def _laid_out(types: MergeTypes, head: dict[str, str], rows: list[dict[str, str]], documents: Sequence[Document]) -> Content:
    """Head, lines and parts at their places, each text no longer than its field."""
    rule, nodes = types.rule, types.made.nodes
    before = f"{rule.head_at}/" if rule.head_at else ""
    for name, value in head.items():
        node = nodes.get(before + name)
        if node is not None and node.field.type == "text" and node.field.length:
            head[name] = value[: node.field.length]
    content: Content = {}
    _set(content, rule.head_at, head)
    _set(content, rule.lines_at, rows)
    if rule.parts:
        table, _, column = rule.parts.rpartition("/")
        own = types.merged.own_number
        numbers = [d.numbers.get(rule.parts_by) or d.numbers.get(own) or d.key for d in documents]
        _set(content, table, [{column: number} for number in numbers])
    return content


def _set(content: Content, path: str, value: Any) -> None:
    """At a path of groups; the fields of the head at the top where it has no group."""
    if not path:
        content.update(value)
        return
    *groups, name = path.removesuffix("[]").split("/")
    for group in groups:
        content = content.setdefault(group, {})
    content[name] = value
