"""`[takes]`: what a document takes of the licence that it cites."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tongguan.gateway.profile.profile import Field, Profile, TakeRule
from tongguan.gateway.profile.source import TomlTable

MOST_PLACES = 5  #: decimals of a quantity that are taken exactly


def read_takes(part: TomlTable, fields: Mapping[str, Field], operations: Collection[str]) -> TakeRule:
    """Of each row of a table, or of the document as a whole: a commodity, a unit and a quantity."""
    words = {"table": [path for path, field in fields.items() if field.type == "table"], "at": operations}
    rule = part.made(TakeRule, words, ("licence", "commodity", "unit", "quantity", "at"))
    in_row = {key: rule.path_of(getattr(rule, key)) for key in ("commodity", "unit", "quantity")}
    for key, path in {"licence": rule.licence, **in_row}.items():
        field = fields.get(path)
        if field is None:
            part.file.complaints.unknown(part.place(key), "field", path, fields)
        elif key == "licence" and "[]" in path:
            part.complain(key, f"{path} 在表内：许可证属于整份单证", f"{path} is in a table: a licence is the whole document's")
        elif key == "quantity" and (field.type != "number" or field.precision > MOST_PLACES):
            zh, en = f"不是至多 {MOST_PLACES} 位小数的数", f"is no number of at most {MOST_PLACES} decimals"
            part.complain(key, f"{path} {zh}", f"{path} {en}")
    return rule


def look_at_takes(profile: Profile, whole_profile: TomlTable) -> None:
    """A message that takes leaves its document in between: so it is known what to give back where it comes to nothing."""
    for name in sorted(profile.takes.at) if profile.takes else ():
        operation = profile.operations.get(name)
        if operation is None:
            continue
        if operation.way != "message" or not operation.between or operation.splits or operation.pending:
            zh = f"操作 {name} 应以报文发出，有 between，没有 splits 和 pending"
            en = f"operation {name} must go by message and have a status between, and neither split nor be pending"
            whole_profile.file.part("takes").complain("at", zh, en)
