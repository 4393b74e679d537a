"""What a document of a type lives through: its numbers, its statuses, and the receipts that move it."""

from __future__ import annotations

from collections.abc import Collection

from tongguan.gateway.profile.profile import RESERVED, NumberRule, ReceiptRule, Status, Text
from tongguan.gateway.profile.source import TomlTable, both, text, truth, whole

_NOTHING = Text("", "")


def read_number(part: TomlTable, kind: str, paths: Collection[str]) -> NumberRule:
    rule = NumberRule(
        kind=kind,
        label=part.need("label", both, _NOTHING),
        pattern=part.take("pattern", text, ""),
        field=part.take("field", text, ""),
        given=part.take("given", text, ""),
    )
    if rule.field and rule.field not in paths:
        part.file.complaints.unknown(part.place("field"), "field", rule.field, paths)
    part.rest_is_unknown()
    return rule


def read_status(part: TomlTable, name: str) -> Status:
    zh, en = part.need("zh", text, ""), part.need("en", text, "")
    shown = Text(part.take("list_zh", text, zh), part.take("list_en", text, en))
    counted = Text(part.take("statistics_zh", text, zh), part.take("statistics_en", text, en))
    status = Status(name, part.need("code", text, ""), Text(zh, en), shown, counted)
    part.rest_is_unknown()
    return status


def read_receipts(
    part: TomlTable, statuses: Collection[str], operations: Collection[str], authorities: Collection[str]
) -> dict[str, ReceiptRule]:
    receipts: dict[str, ReceiptRule] = {}
    for n, _ in enumerate(part.rows("receipt")):
        row = part.file.part("receipt", n)
        rule = ReceiptRule(
            code=row.need("code", text, ""),
            text=Text(row.need("zh", text, ""), row.need("en", text, "")),
            status=row.one_of("status", statuses, ""),
            rank=row.take("rank", whole, 0),
            ends=row.one_of("ends", ("accepted", "rejected"), ""),
            marks=row.texts_by_name("marks"),
            releases=row.take("releases", truth, False),
            answers=row.one_of("answers", operations, ""),
            by=tuple(row.names("by", authorities, "authority")),
        )
        row.rest_is_unknown()
        if rule.code in RESERVED:
            row.complain(
                "code",
                f"回执代码 {rule.code!r} 在每个类型中都是技术回执或答复的代码",
                f"receipt code {rule.code!r} is that of a technical receipt or an answer, for every type",
            )
        if rule.code in receipts:
            row.complain("code", f"回执代码 {rule.code!r} 重复", f"receipt code {rule.code!r} stands twice")
        if rule.status and rule.rank < 1:
            zh, en = f"回执 {rule.code!r} 带来状态", f"receipt {rule.code!r} brings a status"
            row.complain("code", f"{zh}，所以 rank 至少为 1", f"{en}, so it needs a rank of 1 or more")
        receipts[rule.code] = rule
    return receipts
