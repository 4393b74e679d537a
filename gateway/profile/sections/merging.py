"""`[merge]`: how documents of one type become documents of another, month by month.

What the two other types must have for it is looked at when all types are read (`look_at_merge`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tongguan.gateway.profile.profile import CodeTable, Field, MergeCase, MergeRule, Profile
from tongguan.gateway.profile.source import Complaints, TomlTable

_NEEDED = (
    "merges", "ready", "taken", "merged", "rank", "underway", "makes", "operation", "lines_at", "declared", "chosen", "month", "first",
    "last", "agent", "agent_name", "agents", "offer", "working", "made", "partly", "none",
)  # fmt: skip
#: where a field of what is made comes from: of the merged ones the first's, all of them, or what the merge says
WAYS = ("same", "is", "span", "joined", "common", "month", "agent")
AGENT = ("code", "name")
_OF_FIELDS = ("same", "span", "joined", "common")


def read_merge(
    part: TomlTable, statuses: Collection[str], fields: Mapping[str, Field], tables: Mapping[str, CodeTable]
) -> MergeRule:
    """What a merge of this type is of, and what becomes of it."""
    plain = [path for path in fields if "[]" not in path]
    cells = [path for path in fields if "[]/" in path]
    words: Mapping[str, Collection[str]] = {
        **dict.fromkeys(("working", "made", "partly", "none"), statuses),
        **dict.fromkeys(("month", "first", "last", "agent", "agent_name"), plain),
        "chosen": cells,
        "agents": tables,
        "rates": tables,
    }
    cases = tuple(row.made(MergeCase, {}, ("of",)) for row in part.rows("case"))
    rule = part.made(MergeRule, words, _NEEDED, cases=cases)
    for path in [*rule.filters, *(path for case in cases for path in case.of)]:
        if path not in plain:
            part.file.complaints.unknown(part.place("filters"), "field", path, plain)
    for word, way in _ways(rule):
        kind, _, argument = way.partition(":")
        if way and (kind not in WAYS or not argument or (kind == "agent" and argument not in AGENT)):
            zh, en = f"{word} 的 {way!r} 应为 {'、'.join(WAYS)} 之一加冒号和参数", f"{word} comes from {way!r}"
            part.complain("head", zh, f"{en}: it must be one of {', '.join(WAYS)}, a colon and what it is about")
    return rule


def _ways(rule: MergeRule) -> Iterator[tuple[str, str]]:
    said: tuple[MergeRule | MergeCase, ...] = (rule, *rule.cases)
    for each in said:
        yield from each.head.items()
        yield from each.line.items()


def look_at_merge(profile: Profile, profiles: Mapping[str, Profile], complaints: Complaints) -> None:
    """Do the type that is merged and the one that is made have what `[merge]` says of them?"""
    rule, place = profile.merge, f"{profile.folder}/profile.toml:1"
    if rule is None:
        return
    for type_ in (rule.merges, rule.makes):
        if type_ not in profiles:
            complaints.unknown(place, "document type", type_, profiles, "merge")
            return
    merged, made = profiles[rule.merges], profiles[rule.makes]
    for status in (rule.ready, rule.taken, rule.merged, *rule.underway):
        if status not in merged.statuses:
            complaints.unknown(place, "status", status, merged.statuses, merged.type)
    for status in sorted(rule.declared):
        if status not in made.statuses:
            complaints.unknown(place, "status", status, made.statuses, made.type)
    for operation in (rule.operation, rule.declares):
        if operation and operation not in made.operations:
            complaints.unknown(place, "operation", operation, made.operations, made.type)
    if rule.offer not in profile.queries:
        complaints.add(place, f"merge：没有查询 {rule.offer!r}", f"merge: there is no query {rule.offer!r}")
    if merged.lines is None:
        complaints.add(place, f"merge：{merged.type} 没有 [lines]", f"merge: {merged.type} has no [lines]")
        return
    own = {field.path for field in profile.fields}
    for path in merged.lines.pool:
        if path not in own:
            complaints.unknown(place, "field", path, own, f"{merged.type} [lines] pool")
    for path in sorted({path for case in rule.cases for path in case.of} - set(merged.lines.pool)):
        complaints.unknown(place, "field", path, merged.lines.pool, f"{merged.type} [lines] pool")
    found = {field.path for field in merged.fields if field.find}
    for path in rule.filters.values():
        if path not in found:
            complaints.unknown(place, "field", path, found, merged.type)
    _known_fields(rule, merged, made, place, complaints)


def _known_fields(rule: MergeRule, merged: Profile, made: Profile, place: str, complaints: Complaints) -> None:
    """Fields that are filled, and those that they are filled from."""
    table = merged.lines.table if merged.lines is not None else ""
    there = {field.path for field in made.fields}
    origins = {field.path for field in merged.fields}
    for path in (rule.head_at, rule.lines_at, rule.parts):
        if path and path not in there:
            complaints.unknown(place, "field", path, there, made.type)
    if bool(rule.parts) != (rule.parts_by in merged.numbers):
        complaints.unknown(place, "number", rule.parts_by, merged.numbers, merged.type)
    head_at = f"{rule.head_at}/" if rule.head_at else ""
    said: tuple[MergeRule | MergeCase, ...] = (rule, *rule.cases)
    for each in said:
        for before, origin, ways in ((head_at, "", each.head), (f"{rule.lines_at}/", f"{table}/", each.line)):
            for name, way in ways.items():
                if before + name not in there:
                    complaints.unknown(place, "field", before + name, there, made.type)
                kind, _, argument = way.partition(":")
                if kind in _OF_FIELDS and origin + argument not in origins:
                    complaints.unknown(place, "field", origin + argument, origins, merged.type)
