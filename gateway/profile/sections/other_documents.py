"""`[needs.<name>]` and `[filed.<name>]`: what a profile says of documents of other types.

What another type must have for it is looked at when all types are read (`look_across`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tongguan.gateway.profile.profile import Field, FiledSource, Need, Party, Profile
from tongguan.gateway.profile.source import Complaints, TomlTable

DEFAULT = "default:"  #: before any fill: it holds only where the sender says nothing
FILED = "filed:"  #: how a fill begins that takes its value from another document
CODES = ("uscc", "customs_code", "mofcom_code")  #: by which enterprises are named


def read_needs(whole_profile: TomlTable, operations: Collection[str], fields: Sequence[Field]) -> dict[str, Need]:
    """The other documents that must be there."""
    needs = {}
    plain = _plain(fields)
    for name, part in whole_profile.parts("needs").items():
        words = {"at": operations, "names": plain, "same": plain}
        need = part.made(Need, words, ("type", "says"), name=name, place=part.place())
        _known_paths(part, "reserved", need.reserved, plain)
        _known_paths(part, "each", need.each, [f.path for f in fields if f.path.count("/") == 1 and "[]/" in f.path])
        if need.names and need.reserved:
            part.complain("reserved", "names 和 reserved 只能有一个", "it has names or reserved, not both")
        for key in ("number", "each"):
            if getattr(need, key) and not need.names:
                part.complain(key, f"有 names 才能有 {key}", f"{key} goes with names only")
        for key in ("same", "wait", "until"):
            if getattr(need, key) and not need.certain:
                part.complain(key, f"有 names 或 reserved 才能有 {key}", f"{key} goes with names or reserved only")
        for status in sorted(need.status & need.wait):
            part.complain("wait", f"状态 {status!r} 既可用又要等", f"status {status!r} is both good and waited in")
        needs[name] = need
    return needs


def read_filed(whole_profile: TomlTable, fields: Sequence[Field]) -> dict[str, FiledSource]:
    """The other documents that fields are filled from."""
    filed = {}
    for name, part in whole_profile.parts("filed").items():
        source = part.made(FiledSource, {"names": _plain(fields)}, ("types", "names"), name=name, place=part.place())
        if bool(source.table) != bool(source.key):
            part.complain("key", "有 table 就要有 key，没有就不要有", "a key goes with a table, and a table with a key")
        if source.unless and not source.table:
            part.complain("unless", "有 table 才能有 unless", "unless goes with a table only")
        filed[name] = source
    return filed


def read_party(part: TomlTable, fields: Collection[str], needs: Mapping[str, Any]) -> Party:
    """Whom a document is for. `needs`: of the type, as they are given."""
    named = [name for name, need in needs.items() if isinstance(need, dict) and need.get("names")]
    party = part.made(Party, {"names": fields, "by": CODES, "need": named})
    if bool(party.names) == bool(party.need):
        part.complain("names", "names 和 need 须有且只有一个", "it has names or need, and not both")
    if party.need and (party.by or party.others):
        part.complain("need", "by 和 others 只与 names 同用", "by and others go with names only")
    return party


def look_at_reserve(profile: Profile, whole_profile: TomlTable) -> None:
    """What operations reserve are paths, and needs that name a document; one that may wait says as what."""
    plain, certain = _plain(profile.fields), {name for name, need in profile.needs.items() if need.certain}
    for name, operation in profile.operations.items():
        part = whole_profile.file.part("operation", name)
        for expression in operation.reserve:
            if expression.startswith("@") and expression[1:] not in certain:
                part.file.complaints.unknown(part.place("reserve"), "need", expression[1:], certain)
            elif not expression.startswith("@"):
                _known_paths(part, "reserve", expression, plain)
        if not operation.waiting and any(need.wait and name in need.at for need in profile.needs.values()):
            part.complain(
                "waiting",
                f"操作 {name} 会等待另一单证，却没有 waiting",
                f"operation {name} may wait for another document, but has no status for it (waiting)",
            )


def look_across(profile: Profile, profiles: Mapping[str, Profile], complaints: Complaints) -> None:
    """Do the other types have what this one says of them?"""
    for need in profile.needs.values():
        if need.type in profiles:
            _look_at_need(profile, need, profiles[need.type], complaints)
        else:
            complaints.unknown(need.place, "document type", need.type, profiles, f"needs.{need.name}")
    for source in profile.filed.values():
        for type_ in source.types:
            if type_ not in profiles:
                complaints.unknown(source.place, "document type", type_, profiles, f"filed.{source.name}")
        others = [profiles[type_] for type_ in source.types if type_ in profiles]
        _look_at_source(profile, source, others, complaints)


def _look_at_need(profile: Profile, need: Need, other: Profile, complaints: Complaints) -> None:
    for status in sorted((need.status | need.wait) - other.statuses.keys()):
        complaints.unknown(need.place, "status", status, other.statuses, need.type)
    if need.number and need.number not in other.numbers:
        complaints.unknown(need.place, "number", need.number, other.numbers, need.type)
    types = {field.path: field.type for field in other.fields}
    for path in (*need.same, *([need.until] if need.until else [])):
        if path not in types:
            complaints.unknown(need.place, "field", path, types, need.type)
    if types.get(need.until, "date") != "date":
        zh, en = f"{need.type} 的 {need.until} 不是日期", f"{need.until} of {need.type} is no date"
        complaints.add(need.place, zh, en)
    known = {expression for operation in other.operations.values() for expression in operation.reserve}
    if need.reserved and need.reserved not in known:
        zh, en = f"{need.type} 不保留 {need.reserved!r}", f"{need.type} never reserves {need.reserved!r}"
        complaints.add(need.place, zh, en)


def _look_at_source(profile: Profile, source: FiledSource, others: Sequence[Profile], complaints: Complaints) -> None:
    """Tables and keys are in each of the other types; what is filled, and the flag, in one of them at least."""
    for other in others:
        paths = [field.path for field in other.fields]
        wanted = [source.table, *(f"{source.table}/{column}" for column in source.key.values())] if source.table else []
        for path in (path for path in wanted if path not in paths):
            complaints.unknown(source.place, "field", path, paths, other.type)
    every = {field.path for other in others for field in other.fields}
    columns = [(column, field.place) for field, column in _filled_from(profile, source.name)]
    for column, place in [*columns, *([(source.unless, source.place)] if source.unless else [])]:
        path = f"{source.table}/{column}" if source.table else column
        if others and path not in every:
            complaints.unknown(place, "field", path, every, " ".join(source.types))


def _filled_from(profile: Profile, name: str) -> Iterator[tuple[Field, str]]:
    """The fields that are filled from this source, and the columns that they have."""
    for field in profile.fields:
        source, _, column = field.fill.removeprefix(DEFAULT).removeprefix(FILED).partition(".")
        if field.fill.removeprefix(DEFAULT).startswith(FILED) and source == name:
            yield field, column


def _plain(fields: Sequence[Field]) -> list[str]:
    """Paths of fields that stand in no table and hold a value."""
    return [field.path for field in fields if "[]" not in field.path and field.type != "group"]


def _known_paths(part: TomlTable, key: str, expression: str, paths: Collection[str]) -> None:
    """Every part of an expression (`A+B`) is one of the paths."""
    for path in expression.split("+") if expression else ():
        if path not in paths:
            part.file.complaints.unknown(part.place(key), "field", path, paths)
