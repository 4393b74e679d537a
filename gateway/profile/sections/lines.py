"""`[lines]`, and the columns `line`, `key` and `sum` of fields.csv: what documents are merged by, and what is added up when they are.

`line` stands at the table whose rows are lines. `key` and `sum` say `head` or `line`, then words joined by `:`: `bare` (of a key: hyphens do
not count), and `PATH=value,value` or `PATH!=value,value`: only where that field of the head has one of these values, or none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tongguan.gateway.profile.profile import (
    MOST_HEAD_SUMS,
    MOST_LINE_SUMS,
    Field,
    HeadCondition,
    KeyPart,
    LinesRule,
    SumPart,
)
from tongguan.gateway.profile.source import Complaints, TomlTable, table_of

LINE = "line"  #: what stands in the column of that name
MOST_ROWS = 255  #: of that table: a place of a line is told by a byte
_HEAD = "head"
_BARE = "bare"
_NO_VALUES = ("table", "group", "secret")


def read_lines(whole_profile: TomlTable, statuses: Collection[str], fields: Mapping[str, Field]) -> LinesRule | None:
    """What the columns say, with what `[lines]` says of it; None where neither says anything. Each needs the other."""
    given = whole_profile.take("lines", table_of, dict[str, Any]())
    complaints = whole_profile.file.complaints
    said = [field for field in fields.values() if field.line or field.key or field.sum]
    if not given:
        for field in said[:1]:
            complaints.add(field.place, "line、key、sum 须有 [lines]", "line, key and sum need [lines]")
        return None
    part = whole_profile.file.part("lines")
    table = _table(part, fields, complaints)
    reader = _Columns(table, fields, complaints)
    sums = {where: tuple(one for f in said if (one := reader.sum(f, where)) is not None) for where in (_HEAD, LINE)}
    plain = [path for path, field in fields.items() if "[]" not in path and field.type not in _NO_VALUES]
    rule = part.made(
        LinesRule,
        {"status": statuses, "pool": plain, "day": plain, "rates": plain},
        ("status", "day", "pool"),
        table=table,
        head_key=tuple(key for f in said if (key := reader.key(f, _HEAD)) is not None),
        line_key=tuple(key for f in said if (key := reader.key(f, LINE)) is not None),
        head_sums=sums[_HEAD],
        line_sums=sums[LINE],
    )
    for word, path in (("day", rule.day), ("rates", rule.rates)):
        if path in fields and fields[path].type != "date":
            part.complain(word, f"{path} 不是日期", f"{path} is no date")
    for path in rule.pool:
        if path in fields and fields[path].type != "code":
            part.complain("pool", f"{path} 不是代码", f"{path} is no code")
    for where, most in ((_HEAD, MOST_HEAD_SUMS), (LINE, MOST_LINE_SUMS)):
        if len(sums[where]) > most:
            part.complain("table", f"sum 为 {where} 的字段至多 {most} 个", f"at most {most} fields may have the sum {where}")
    if not (rule.head_key and rule.line_key and rule.line_sums):
        zh, en = (
            "key 应有 head 和 line，sum 应有 line（fields.csv）",
            "there must be keys of head and of line, and a sum of line (fields.csv)",
        )
        part.complain("status", zh, en)
    return rule


def _table(part: TomlTable, fields: Mapping[str, Field], complaints: Complaints) -> str:
    """The table at which `line` stands."""
    found = ""
    for field in (field for field in fields.values() if field.line):
        if field.line != LINE or field.type != "table" or "/" in field.path:
            zh, en = (
                f"{field.path}：line 只写在顶层的表，值为 line",
                f"{field.path}: line stands at a table of the top only, as `line`",
            )
            complaints.add(field.place, zh, en)
        elif found:
            complaints.add(field.place, "只能有一个表有 line", "only one table may have line")
        else:
            found = field.path
    if not found:
        part.complain("status", "没有表有 line（fields.csv）", "no table has line (fields.csv)")
    elif not 0 < _most_rows(fields[found]) <= MOST_ROWS:
        zh, en = f"{found} 的行数应至多 {MOST_ROWS}", f"{found} may have {MOST_ROWS} rows at most"
        complaints.add(fields[found].place, zh, en)
    return found


def _most_rows(table: Field) -> int:
    most = table.occurs.rpartition("..")[2]
    return int(most) if most.isdecimal() else 0


class _Columns:
    """What `key` and `sum` of a row of fields.csv say; what is wrong is complained about once, where its own column is read."""

    def __init__(self, table: str, fields: Mapping[str, Field], complaints: Complaints) -> None:
        self._table, self._fields, self._complaints = table, fields, complaints

    def key(self, field: Field, where: str) -> KeyPart | None:
        if not self._is(field, field.key, where):
            return None
        if field.type in _NO_VALUES:
            self._complain(field, "key", "没有可比较的值", "it has no value to be compared")
        words = field.key.split(":")[1:]
        only = self._only(field, "key", [word for word in words if word != _BARE])
        return KeyPart(field.name, field.type == "number", _BARE in words, only)

    def sum(self, field: Field, where: str) -> SumPart | None:
        if not self._is(field, field.sum, where):
            return None
        if field.type != "number" or not field.length:
            self._complain(field, "sum", "不是有位数的数", "it is no number with a count of digits")
        return SumPart(field.name, field.precision, self._only(field, "sum", field.sum.split(":")[1:]))

    def _is(self, field: Field, said: str, where: str) -> bool:
        """Does it speak of this half of the document? One that speaks of neither, or not of its own, is complained about."""
        if not said:
            return False
        parent = field.path.rpartition("/")[0]
        own = {"": _HEAD, self._table: LINE}.get(parent, "")
        if said.split(":")[0] != own and where == _HEAD:
            zh, en = f"{said!r} 应以 {own or 'head 或 line'} 开始", f"{said!r} must begin with {own or 'head or line'}"
            self._complain(field, "key" if said == field.key else "sum", zh, en)
        return own == where

    def _only(self, field: Field, column: str, words: list[str]) -> HeadCondition | None:
        if not words:
            return None
        path, equals, values = words[0].partition("=")
        no = path.endswith("!")
        path = path.removesuffix("!")
        if len(words) > 1 or not equals or not values:
            self._complain(field, column, f"看不懂 {':'.join(words)!r}", f"{':'.join(words)!r} is not understood")
        elif path not in self._fields or "/" in path or self._fields[path].type in _NO_VALUES:
            plain = [p for p, f in self._fields.items() if "/" not in p and f.type not in _NO_VALUES]
            self._complaints.unknown(field.place, "field", path, plain, f"{field.path} {column}")
        return HeadCondition(path, tuple(values.split(",")), no)

    def _complain(self, field: Field, column: str, zh: str, en: str) -> None:
        self._complaints.add(field.place, f"{field.path} 的 {column}：{zh}", f"{column} of {field.path}: {en}")
