"""Hold a document against the fields of its type: which elements there are, which must be, and what each text looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from lxml import etree

from tongguan.simulators.books.tables import Tables
from tongguan.simulators.messages.markup import ENCLOSED, local
from tongguan.simulators.script.field_rules import FieldRule, FieldRules

_BESIDE = ("Attachment", ENCLOSED)  #: what is no part of the form
_NUMBER = re.compile(r"-?\d{1,60}(\.\d{1,60})?")
_INNER = ("group", "table")
Wrong = tuple[str, str, str]  #: place, label, what is wrong


def wrong_fields(tables: Tables, rules: FieldRules, operation: str, document: etree._Element) -> Iterator[Wrong]:
    """List what is wrong with the form of a document that comes with this operation."""
    yield from _below(_Reading(tables, rules, operation), document, "", "")


@dataclass(frozen=True)
class _Reading:
    """What a document is held against."""

    tables: Tables
    rules: FieldRules
    operation: str


def _below(reading: _Reading, element: etree._Element, path: str, place: str) -> Iterator[Wrong]:
    """Read the children of an element; ``path`` and ``place`` are those of the element, with a slash behind."""
    seen: dict[str, int] = {}
    for child in element.iterchildren("{*}*"):
        name = local(child)
        if not path and name in _BESIDE:
            continue
        seen[name] = seen.get(name, 0) + 1
        rule = reading.rules.get(path + name)
        if rule is None:
            yield place + name, name, "没有这一栏"
        elif seen[name] > rule.occurs:
            yield place + name, rule.label, f"最多 {rule.occurs} 项"
        elif rule.type in _INNER:
            inside = f"{place}{name}[{seen[name]}]" if rule.type == "table" else place + name
            yield from _below(reading, child, f"{path}{name}/", f"{inside}/")
        elif not (text := (child.text or "").strip()):
            seen[name] -= 1
        elif wrong := _wrong(reading.tables, rule, text):
            yield place + name, rule.label, wrong
    for rule in reading.rules.values():
        parent, _, name = rule.path.rpartition("/")
        if parent == path.rstrip("/") and reading.operation in rule.required_at and not seen.get(name):
            yield place + name, rule.label, "必填"


def _wrong(tables: Tables, rule: FieldRule, text: str) -> str:
    """Say what is wrong with a text, or nothing."""
    wrong = _KINDS.get(rule.type, _text)(tables, rule, text)
    if not wrong and rule.pattern and not re.fullmatch(rule.pattern, text):
        wrong = f"格式不正确: {text}"
    return wrong


def _text(_: Tables, rule: FieldRule, text: str) -> str:
    if rule.length and len(text) > rule.length:
        return f"长度 {len(text)}，最多 {rule.length}"
    return ""


def _number(_: Tables, rule: FieldRule, text: str) -> str:
    if not _NUMBER.fullmatch(text):
        return f"不是数字: {text}"
    whole, _dot, fraction = text.lstrip("-").partition(".")
    if len(fraction) > rule.precision or (rule.length and len(whole.lstrip("0")) + len(fraction) > rule.length):
        return f"最多 {rule.length} 位，其中小数 {rule.precision} 位: {text}"
    if rule.least and Decimal(text) < Decimal(rule.least):
        return f"不得小于 {rule.least}: {text}"
    if rule.most and Decimal(text) > Decimal(rule.most):
        return f"不得大于 {rule.most}: {text}"
    return ""


def _date(_: Tables, __: FieldRule, text: str) -> str:
    try:
        return "" if date.fromisoformat(text).isoformat() == text else f"日期应写成 2026-11-20: {text}"
    except ValueError:
        return f"不是日期: {text}"


def _day(_: Tables, __: FieldRule, text: str) -> str:
    """A day as eight digits."""
    try:
        return "" if date.fromisoformat(text).strftime("%Y%m%d") == text else f"日期应写成 20261120: {text}"
    except ValueError:
        return f"不是日期: {text}"


def _moment(_: Tables, __: FieldRule, text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return f"不是时间: {text}"
    return ""


def _flag(_: Tables, __: FieldRule, text: str) -> str:
    return "" if text in ("0", "1") else f"应为 1 或 0: {text}"


def _code(tables: Tables, rule: FieldRule, text: str) -> str:
    if not rule.table or tables.has(rule.table, text):
        return ""
    return f"代码表中没有 {text}"


_KINDS = {"number": _number, "date": _date, "day": _day, "datetime": _moment, "flag": _flag, "code": _code}
