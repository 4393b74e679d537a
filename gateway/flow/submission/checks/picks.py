"""Rows of a document that an operation is about: all of them, or those that its message names; only ready ones will do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tongguan.gateway.document.changes import rows_of
from tongguan.gateway.model.document import Content
from tongguan.gateway.model.errors import Fault
from tongguan.gateway.model.faults import fault
from tongguan.gateway.model.record import record
from tongguan.gateway.profile.profile import CodeTable, PickedRows

_COMMAS = re.compile(r"[,，;；\s]+")


@record
class Picked:
    """The rows that a message is about: those that are ready, and those that are not."""

    ready: tuple[Content, ...] = ()
    others: tuple[Content, ...] = ()
    unknown: tuple[str, ...] = ()  #: numbers that it names and the document does not have

    @property
    def rows(self) -> tuple[Content, ...]:
        return (*self.ready, *self.others)


def picked(rules: PickedRows, content: Content, options: Mapping[str, str]) -> Picked:
    """What a message picks of a document; one that names nothing picks all."""
    rows = rows_of(content, rules.table)
    named = list(dict.fromkeys(part for part in _COMMAS.split(options.get(rules.named, "")) if part))
    known = {row.get(rules.key, ""): row for row in rows}
    chosen = [known[number] for number in named if number in known] if named else rows
    ready = tuple(row for row in chosen if row.get(rules.field) in rules.among)
    others = tuple(row for row in chosen if row.get(rules.field) not in rules.among)
    return Picked(ready, others, tuple(number for number in named if number not in known))


def content_picked(rules: PickedRows, content: Content, picks: Picked) -> Content:
    """The content with the rows alone that are asked for."""
    return {**content, rules.table.removesuffix("[]"): list(picks.ready)}


def pick_faults(rules: PickedRows, picks: Picked, states: CodeTable | None, place: str) -> list[Fault]:
    """Why rows cannot be had: not in the document, none ready, or some not, which a person confirms."""
    faults = [fault("GW-F98", value=number, path=place, label=rules.named) for number in picks.unknown]
    if picks.others and not picks.ready:
        return faults + [_not_ready(rules, row, states, place) for row in picks.others]
    if picks.others and not rules.rest:
        numbers = _numbers(rules, picks.others)
        says = rules.says
        faults.append(
            fault("GW-F30", zh=says.zh.format(numbers=numbers), en=says.en.format(numbers=numbers), path=place, label=rules.named)
        )
    return faults


def _not_ready(rules: PickedRows, row: Content, states: CodeTable | None, place: str) -> Fault:
    code = row.get(rules.field, "")
    known = states.rows.get(code) if states is not None else None
    words = (known["zh"], known["en"]) if known is not None else (code or "-", code or "-")
    return fault("GW-F99", value=row.get(rules.key, ""), status=words, path=place, label=rules.named)


def _numbers(rules: PickedRows, rows: Sequence[Content]) -> str:
    return "、".join(row.get(rules.key, "") for row in rows)
