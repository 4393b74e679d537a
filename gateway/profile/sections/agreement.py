"""What of a profile holds only once an authority agrees: pending content, statuses and values that receipts bring, `[changes]`.

What another type must have for it is looked at when all types are read (`look_at_changed`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tongguan.gateway.profile.profile import ISSUED_DATE, Changes, Field, Operation, Profile, ReceiptRows, ReceiptRule
from tongguan.gateway.profile.sections.other_documents import DEFAULT
from tongguan.gateway.profile.source import Complaints, TomlTable

CHANGES = "changes"  #: the fill of what is known of the other document
RECEIPT = "receipt"  #: the fill of what receipts tell
_LEAF = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(/[A-Za-z_][A-Za-z0-9_.-]*)*")


def read_changes(part: TomlTable, needs: Collection[str], fields: Mapping[str, Field]) -> Changes:
    """How the type's documents change those of another type."""
    tables = [path for path, field in fields.items() if field.type == "table" and "/" not in path]
    plain = [path for path in fields if "[]" not in path]
    words = {"need": needs, "table": tables, "version": plain}
    changes = part.made(Changes, words, ("need", "table", "place", "label", "old", "new"))
    for key, path in _named(changes).items():
        if path not in fields or "/" in getattr(changes, key):
            part.file.complaints.unknown(part.place(key), "field", path, fields)
        elif (fields[path].fill == CHANGES) != (key in ("label", "old", "version")):
            fill = fields[path].fill
            part.complain(
                key,
                f"{path} 的 fill 为 {fill!r}：label、old、version 由系统填写，fill 应为 changes，其他不填",
                f"{path} has the fill {fill!r}: label, old and version are filled by the system (changes), the others are not",
            )
    if bool(changes.cancels) != bool(changes.cancelled):
        part.complain("cancels", "cancels 与 cancelled 须同时有", "cancels goes with cancelled, and cancelled with cancels")
    if changes.cancelled and changes.rank < 1:
        part.complain("rank", "带来状态，所以 rank 至少为 1", "it brings a status, so it needs a rank of 1 or more")
    return changes


def _named(changes: Changes) -> Mapping[str, str]:
    """The fields that it names, by key."""
    columns = {key: f"{changes.table}/{getattr(changes, key)}" for key in ("place", "label", "old", "new")}
    return {**columns, "version": changes.version} if changes.version else columns


def look_at_agreement(profile: Profile, whole_profile: TomlTable) -> None:
    """Do operations, receipts and fields fit together?"""
    for name, operation in profile.operations.items():
        _look_at_operation(profile, operation, whole_profile.file.part("operation", name))
    for row in whole_profile.rows("receipt"):
        rule = profile.receipts.get(str(row.given.get("code")))
        if rule is not None:
            _look_at_receipt(profile, rule, row)
    need = profile.needs.get(profile.changes.need) if profile.changes is not None else None
    if need is not None and not need.names:
        place = whole_profile.file.place("changes", "need")
        zh, en = f"needs.{need.name} 没有 names", f"needs.{need.name} has no names"
        whole_profile.file.complaints.add(
            place, f"{zh}：被修改的单证须以编号指明", f"{en}: the document that is changed is named"
        )
    if profile.changes is not None and not any(rule.changes for rule in profile.receipts.values()):
        whole_profile.complain("changes", "没有回执带有 changes = true", "no receipt carries it out (changes = true)")


def _look_at_operation(profile: Profile, operation: Operation, part: TomlTable) -> None:
    for code, status in operation.brings.items():
        if code not in profile.receipts:
            part.file.complaints.unknown(part.place("brings"), "receipt", code, profile.receipts)
        if status not in profile.statuses:
            part.file.complaints.unknown(part.place("brings"), "status", status, profile.statuses)
    for key, said in (("pending", operation.pending), ("brings", bool(operation.brings))):
        if said and not (operation.way == "message" and operation.between and operation.opens_round):
            part.complain(
                key,
                f"有 {key} 的操作以报文发出，须有 between 和 opens_round",
                f"an operation with {key} goes by message, has a status between and opens a round",
            )
    if operation.pending and "" in operation.allowed:
        part.complain("allowed", "变更须已有单证", "there must be a document that is changed: it has none to begin with")
    if operation.pending and not any(rule.pending == "applies" for rule in profile.receipts.values()):
        part.complain("pending", '没有回执带有 pending = "applies"', 'no receipt agrees to it (pending = "applies")')


def _look_at_receipt(profile: Profile, rule: ReceiptRule, row: TomlTable) -> None:
    if (rule.pending or rule.sets or rule.changes) and rule.rank < 1:
        zh, en = f"回执 {rule.code!r} 带有 pending、sets 或 changes", f"receipt {rule.code!r} has pending, sets or changes"
        row.complain("code", f"{zh}，所以 rank 至少为 1", f"{en}, so it needs a rank of 1 or more")
    if rule.pending and not any(operation.pending for operation in profile.operations.values()):
        row.complain("pending", "没有操作带有 pending = true", "no operation has pending = true")
    if rule.pending == "drops" and rule.ends == "rejected":
        _look_at_refusal(profile, rule, row)
    if rule.changes and profile.changes is None:
        row.complain("changes", "没有表 [changes]", "there is no table [changes]")
    fields = {field.path: field for field in profile.fields}
    if rule.rows is not None:
        _look_at_rows(profile, rule.rows, row)
    for path, leaf in rule.sets.items():
        if path not in fields:
            row.file.complaints.unknown(row.place("sets"), "field", path, fields)
        elif fields[path].fill.removeprefix(DEFAULT) != RECEIPT or "[]" in path:
            row.complain(
                "sets",
                f"{path} 应为表外的字段，fill 应为 receipt 或 default:receipt",
                f"{path} must be a field of no table with the fill receipt or default:receipt",
            )
        _look_at_leaf(row, "sets", leaf)


def _look_at_leaf(row: TomlTable, key: str, leaf: str) -> None:
    if leaf != ISSUED_DATE and not _LEAF.fullmatch(leaf):
        row.complain(key, f"{leaf!r} 既非元素路径也非 {ISSUED_DATE}", f"{leaf!r} is neither a path of elements nor {ISSUED_DATE}")


def _look_at_rows(profile: Profile, rows: ReceiptRows, row: TomlTable) -> None:
    """Are there such a table of the top and such columns, and do all receipts that speak of it say the same ones?"""
    fields = {field.path: field for field in profile.fields}
    tables = [path for path, field in fields.items() if field.type == "table" and "/" not in path]
    if rows.table not in tables:
        row.file.complaints.unknown(row.place("rows"), "table", rows.table, tables)
        return
    for column in (rows.key, rows.at, *rows.sets):
        path, told = f"{rows.table}/{column}", column != rows.key
        if path not in fields or "/" in column:
            row.file.complaints.unknown(row.place("rows"), "field", path, fields)
        elif (fields[path].fill == RECEIPT) != told:
            zh, en = ("应为 receipt", "must be receipt") if told else ("不能为 receipt", "must not be receipt: it names the row")
            row.complain("rows", f"{path} 的 fill {zh}", f"the fill of {path} {en}")
        elif column == rows.at and fields[path].type != "datetime":
            row.complain("rows", f"{path} 应为 datetime：何时告知", f"{path} must be a datetime: when the row was told")
    for leaf in rows.sets.values():
        _look_at_leaf(row, "rows", leaf)
    first = profile.told_in(rows.table)
    if first is not None and (first.key, first.at, set(first.sets)) != (rows.key, rows.at, set(rows.sets)):
        row.complain(
            "rows",
            f"告知 {rows.table} 的各回执须有同样的 key、at 和 sets 的列",
            f"all receipts that tell of {rows.table} must have the same key, at and columns in sets",
        )


def _look_at_refusal(profile: Profile, rule: ReceiptRule, row: TomlTable) -> None:
    """What was agreed to holds for good: a refusal that outranks it would have to bring back what is gone."""
    for other in profile.receipts.values():
        if other.pending == "applies" and other.rank < rule.rank:
            row.complain(
                "rank",
                f"拒绝变更的回执 {rule.code!r} 不能高于同意的回执 {other.code!r}（rank {other.rank}）",
                f"receipt {rule.code!r} refuses a change, so it must not outrank {other.code!r}, which agrees (rank {other.rank})",
            )


def look_at_changed(profile: Profile, profiles: Mapping[str, Profile], complaints: Complaints) -> None:
    """Does the type that is changed have what `[changes]` says of it?"""
    changes = profile.changes
    need = profile.needs.get(changes.need) if changes is not None else None
    if changes is None or need is None or need.type not in profiles:
        return
    other, place = profiles[need.type], f"{profile.folder}/profile.toml:1"
    paths = {field.path for field in other.fields}
    for path in sorted(changes.never - paths):
        complaints.unknown(place, "field", path, paths, other.type)
    if changes.cancelled and changes.cancelled not in other.statuses:
        complaints.unknown(place, "status", changes.cancelled, other.statuses, other.type)
