"""Conditions: what a `when` of a profile asks of a document, made into functions once.

`{path, is|in|begins|present|between}` looks at the document itself; with `table` and `column` it looks at the row of a code table
whose code is what stands at `key` (default: at `path`), joined by `-`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from tongguan.codecs.checking.field_tree import Node, Rows, getter
from tongguan.codecs.checking.named_checks import Getter, See
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.profile.profile import CodeTable
from tongguan.gateway.profile.source import unknown

WORDS = ("is", "in", "begins", "present", "between")
Test = Callable[[Rows], bool]
Condition = Callable[[Content], bool]


class ConditionWrong(TongguanError, ValueError):
    """A condition asks for something that does not exist."""


def compile_conditions(
    owner: str, conditions: Sequence[Mapping[str, Any]], nodes: Mapping[str, Node], tables: Mapping[str, CodeTable]
) -> Condition:
    """Do all of these hold of a document's content? Raises ConditionWrong naming the `owner`."""

    def see(path: str) -> Getter:
        if path not in nodes:
            raise _wrong(owner, *unknown("field", path, nodes))
        return getter(path, ())

    tests = [compile_test(owner, condition, see, tables) for condition in conditions]
    return lambda content: all(test((content,)) for test in tests)


def compile_test(owner: str, condition: Mapping[str, Any], see: See, tables: Mapping[str, CodeTable]) -> Test:
    """One condition: true when a value that it looks at fulfils it; raises ConditionWrong naming the `owner`."""
    words = [word for word in condition if word not in ("path", "table", "key", "column")]
    if "path" not in condition or len(words) != 1 or words[0] not in WORDS:
        known, given = " ".join(WORDS), dict(condition)
        zh = f"条件要有 path 和 {known} 之一，而不是 {given}"
        raise _wrong(owner, zh, f"a condition has a path and one of {known}, not {given}")
    look = _look(owner, condition, see, tables)
    word, wanted = words[0], condition[words[0]]
    if word == "present":
        return lambda rows: bool(look(rows)) == wanted
    accepts = _accepts(word, wanted)

    def test(rows: Rows) -> bool:
        for value in look(rows):  # noqa: SIM110 - half the time of any()
            if accepts(value):
                return True
        return False

    return test


def _look(owner: str, condition: Mapping[str, Any], see: See, tables: Mapping[str, CodeTable]) -> Getter:
    """What the condition looks at: values of the document, or of the column of the table rows that these name."""
    look = see(condition["path"])
    if "table" not in condition:
        if strays := sorted({"key", "column"} & condition.keys()):
            zh = f"有 table 的条件才能有 {' 和 '.join(strays)}"
            raise _wrong(owner, zh, f"a condition has {' and '.join(strays)} only with a table")
        return look
    name, column = condition["table"], condition.get("column", "")
    if name not in tables:
        raise _wrong(owner, *unknown("code table", str(name), tables))
    if column not in tables[name].columns:
        raise _wrong(owner, *unknown("column", str(column), tables[name].columns, name))
    lookup = tables[name].rows
    key = [see(path) for path in condition["key"]] if "key" in condition else [look]

    def cells(rows: Rows) -> list[Any]:
        codes = ("-".join(parts) for parts in product(*(each(rows) for each in key)))
        return [cell for code in codes if code in lookup and (cell := lookup[code][column])]

    return cells


def _wrong(owner: str, zh: str, en: str) -> ConditionWrong:
    return ConditionWrong(f"{owner}：{zh}", f"{owner}: {en}")


def _accepts(word: str, wanted: Any) -> Callable[[str], bool]:
    if word == "begins":
        begins = tuple(wanted) if isinstance(wanted, list) else wanted
        return lambda value: value.startswith(begins)
    if word == "between":
        low, high = wanted
        if isinstance(low, str):
            return lambda value: low <= value <= high
        least, most = Decimal(str(low)), Decimal(str(high))
        return lambda value: least <= Decimal(value) <= most
    values = frozenset(wanted) if word == "in" else frozenset([wanted])
    return values.__contains__
