"""Rows that a message does not carry one by one: it lists their numbers in one element, or in the files that come with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tongguan.codecs.checking.compile import Compiled
from tongguan.codecs.checking.fault_list import FaultList
from tongguan.codecs.reading.faults import ATTACHMENT, fault
from tongguan.codecs.reading.number_lists import ListedNumber, NumberForm, TypedNumber, numbers_in_file, numbers_in_text, unusable
from tongguan.gateway.document.changes import rows_of, value_at
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Fault, Refused
from tongguan.gateway.profile.profile import ListedRows, Operation

NO_FILES: Mapping[str, bytes] = {}


def with_listed(
    compiled: Compiled, asked: Operation, content: Content, files: Mapping[str, bytes], findings: FaultList
) -> tuple[Content, list[Fault]]:
    """The content with a row for each number that is listed, and what is wrong with files; of the text that is among the findings.

    Afterwards the element has all numbers of the table, whichever way they came, with commas: by it lists find the document.
    """
    rules = asked.listed
    if rules is None:
        return content, []
    table, node = compiled.nodes[rules.table], compiled.nodes[rules.field]
    most, form = int(table.field.occurs.rpartition("..")[2]), NumberForm(re.compile(rules.pattern, re.ASCII), rules.says)
    own = [row.get(rules.column, "") for row in rows_of(content, rules.table)]
    text = value_at(content, rules.field)
    found = numbers_in_text(text, form) if text != ",".join(own) else []
    for one in unusable(found, own, most=most):
        findings.add("GW-C60", (rules.field,), node, place=one.place, value=one.text, why=one.zh, why_en=one.en)
    taken, faults = _numbers(found), list[Fault]()
    for name, raw in files.items():
        numbers, wrong = _of_file(name, raw, [*own, *taken], most, form)
        taken, faults = [*taken, *numbers], [*faults, *wrong]
    if findings.found or faults:
        findings.unusable.add((table.name,))
        findings.unusable_paths.add(rules.table)
    return _with_rows(rules, content, own, taken), faults


def _of_file(name: str, raw: bytes, known: Sequence[str], most: int, form: NumberForm) -> tuple[list[str], list[Fault]]:
    """The numbers of a file, and what is wrong with it."""
    try:
        found = numbers_in_file(raw, name, form)
    except Refused as refused:
        return [], [*refused.faults]
    wrong = [
        _fault("GW-S20", name=name, place=one.place, value=one.text, why=one.zh, why_en=one.en)
        for one in unusable(found, known, most=most)
    ]
    return _numbers(found), wrong if found else [_fault("GW-S21", name=name)]


def _numbers(found: Sequence[TypedNumber]) -> list[str]:
    return [one.number for one in found if isinstance(one, ListedNumber)]


def _with_rows(rules: ListedRows, content: Content, own: Sequence[str], taken: Sequence[str]) -> Content:
    every = [number for number in (*own, *taken) if number]
    if not every:
        return content
    rows = [*rows_of(content, rules.table), *({rules.column: number} for number in taken)]
    return {**content, rules.table.removesuffix("[]"): rows, rules.field: ",".join(every)}


def _fault(code: str, **facts: str) -> Fault:
    return fault(code, path="Attachments", **ATTACHMENT, **facts)  # type: ignore[arg-type]
