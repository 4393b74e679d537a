"""Put a document into its form: every value as a person reads it, codes with their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

from tongguan.gateway.document.changes import values_at
from tongguan.gateway.model.document import Document, Receipt
from tongguan.gateway.profile.profile import CodeTable, Field, Profile
from tongguan.gateway.system import times
from tongguan.outbox.prints.default_layout import SECRET
from tongguan.outbox.prints.plan import BlockPlan, BoxPlan, Layout
from tongguan.outbox.prints.sheet import Block, Box, Boxes, Grid, GridColumn, Sheet

FLAGS = {"zh": {"1": "是", "0": "否"}, "en": {"1": "yes", "0": "no"}}
PRINTED = {"zh": "打印时间", "en": "printed at"}
ENVIRONMENTS = {"production": ""}  #: what has no word is no production
TEST = "测试 TEST"
RowsByTable = Mapping[str, Mapping[str, Any]]  #: table path to the row that is being printed


@dataclass(frozen=True, slots=True)
class Subject:
    """What is printed, and for whom."""

    document: Document
    profile: Profile
    tables: Mapping[str, CodeTable]
    language: str
    environment: str
    at: int  #: when it is printed, by the business clock
    receipts: Sequence[Receipt] = field(default_factory=tuple)
    changed: Profile | None = None  #: the type of the document that this one changes


def sheet_of(layout: Layout, subject: Subject) -> Sheet:
    """The filled form. Tables without a row are left out; boxes without a value stay empty, as on paper."""
    values = _Values(subject, {f.path: f for f in subject.profile.fields})
    language = subject.language
    number = values.shown(layout.number, {})
    label = values.label(layout.number)
    return Sheet(
        title=layout.title[language],
        blocks=tuple(_blocks(layout.blocks, values)),
        number=f"{label} {number}".strip() if number else "",
        foot="  ".join(filter(None, (printed_at(subject.at, language), layout.note[language]))),
        environment=word_of(subject.environment),
        language=language,
        landscape=layout.landscape,
    )


def word_of(environment: str) -> str:
    """What stands across every page of a print that is none of production."""
    return ENVIRONMENTS.get(environment, TEST)


def printed_at(at: int, language: str) -> str:
    return f"{PRINTED[language]} {(times.show(at) or '')[:16].replace('T', ' ')}"


def _blocks(plans: Sequence[BlockPlan], values: _Values) -> Iterator[Block]:
    for each, together in groupby(plans, key=lambda plan: plan.each):
        blocks = list(together)
        if not each:
            yield from (block for plan in blocks for block in _block(plan, values, {}, 0))
            continue
        rows = values.rows(each, {})
        for n, row in enumerate(rows, 1):
            yield from (block for plan in blocks for block in _block(plan, values, {each: row}, n if len(rows) > 1 else 0))


def _block(plan: BlockPlan, values: _Values, rows: RowsByTable, no: int) -> Iterator[Block]:
    heading = plan.heading[values.language]
    if not plan.table:
        numbered = f"{heading} {no}" if no and heading else heading
        yield Boxes(numbered, tuple(tuple(_box(box, values, rows) for box in row) for row in plan.rows))
        return
    inside = [{**rows, plan.table: row} for row in values.rows(plan.table, rows)]
    if not inside:
        return
    cells = tuple(tuple(values.shown(c.of, row, c.show) for c in plan.columns) for row in inside)
    columns = tuple(GridColumn(c.label[values.language], c.width, c.align, c.group[values.language]) for c in plan.columns)
    yield Grid(heading, columns, cells, tuple(_totals(plan, values, inside)))


def _box(plan: BoxPlan, values: _Values, rows: RowsByTable) -> Box:
    shown = [values.shown(of, rows, plan.show, once=True) for of in plan.of]
    text = "\n".join(value for value in (*shown, plan.text[values.language]) if value)
    return Box(plan.label[values.language], text, plan.width, plan.lines)


def _totals(plan: BlockPlan, values: _Values, rows: Sequence[RowsByTable]) -> Iterator[str]:
    if not any(column.total for column in plan.columns):
        return
    for n, column in enumerate(plan.columns):
        if column.total:
            yield _sum([values.shown(column.of, row) for row in rows])
        else:
            yield plan.total[values.language] if n == 0 else ""


def _sum(texts: Sequence[str]) -> str:
    try:
        total = sum((Decimal(text) for text in texts if text), Decimal(0))
    except InvalidOperation:
        return ""
    return format(total.normalize(), "f") if total else "0"


@dataclass(frozen=True, slots=True)
class _Values:
    """Looks values up and says them as a person reads them."""

    subject: Subject
    fields: Mapping[str, Field]

    @property
    def language(self) -> str:
        return self.subject.language

    def rows(self, table: str, rows: RowsByTable) -> list[Mapping[str, Any]]:
        """The rows of a table, of the row in hand where the table is inside another's."""
        found, path = self._place(table, rows)
        for name in path.split("/"):
            found = found.get(name.removesuffix("[]"), {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, list) else []

    def shown(self, of: str, rows: RowsByTable, show: str = "both", *, once: bool = False) -> str:
        """The values at a path, side by side; `once`: the same is not said again."""
        if of not in self.fields:
            return self._word(of)
        field_, (content, path) = self.fields[of], self._place(of, rows)
        if field_.fill == "status":
            return self._word("status")
        said = [self._said(field_, value, show) for value in values_at(content, path)]
        if (place := self._place_beside(of)) and self.language == "en":
            said = [self._called(at, text) for at, text in zip(values_at(*self._place(place, rows)), said, strict=False)]
        return "; ".join(dict.fromkeys(said) if once else said)

    def _place_beside(self, of: str) -> str:
        """Where the place stands that a path calls by its Chinese label, as the document keeps it; nothing for any other path."""
        changes = self.subject.profile.changes
        return f"{changes.table}/{changes.place}" if changes is not None and of == f"{changes.table}/{changes.label}" else ""

    def _called(self, place: str, text: str) -> str:
        """What a place of the other document is called, in English."""
        path = re.sub(r"\[[0-9]+\]", "[]", place)
        fields = self.subject.changed.fields if self.subject.changed is not None else ()
        return next((each.label_en for each in fields if each.path == path), "") or text

    def label(self, of: str) -> str:
        kind, _, name = of.partition(".")
        if kind == "number":
            return self.subject.profile.numbers[name].label[self.language]
        known = self.fields.get(of)
        return (known.label_en if self.language == "en" else known.label) if known else ""

    def _place(self, path: str, rows: RowsByTable) -> tuple[Any, str]:
        """The row that a path begins in, and the rest of the path."""
        above = max((table for table in rows if path.startswith(f"{table}/")), key=len, default="")
        return (rows[above], path.removeprefix(f"{above}/")) if above else (self.subject.document.content, path)

    def _said(self, field_: Field, value: str, show: str) -> str:
        if field_.type == SECRET:
            return ""
        if field_.type == "flag":
            return FLAGS[self.language].get(value, value)
        if field_.type == "datetime":
            return value[:16].replace("T", " ")
        table = self.subject.tables.get(field_.code_table) if field_.type == "code" else None
        name = table.rows.get(value, {}).get(self.language, "") if table else ""
        return {"code": value, "name": name or value}.get(show, f"{value} {name}".strip())

    def _word(self, word: str) -> str:
        document, profile = self.subject.document, self.subject.profile
        kind, _, name = word.partition(".")
        match kind:
            case "status":
                status = profile.statuses.get(document.status)
                return status.text[self.language] if status else ""
            case "number":
                return document.numbers.get(name, "")
            case "mark":
                rule = profile.receipts.get(document.marks.get(name, ""))
                return rule.text[self.language] if rule else document.marks.get(name, "")
            case "receipt":
                at = max((r.issued_at for r in self.subject.receipts if r.code == name), default=None)
                return times.china_date(at) if at is not None else ""
            case "print":
                return times.china_date(self.subject.at)
            case "time":
                at = {"created": document.created_at, "updated": document.updated_at}.get(name, document.round_opened_at)
                return times.china_date(at) if at is not None else ""
        return document.key
