"""The layout of a form: which boxes and tables in which order. Data of a profile's folder, read once, at start.

Promises: a layout that is read names only fields, numbers and words that exist; all that is wrong is told with file and line.
A form without a layout gets one from the fields alone: every field in order, groups and tables under their labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tongguan.gateway.profile.profile import PrintForm, Profile, Text
from tongguan.gateway.profile.source import Complaints, TomlFile, TomlTable, both, text, texts, truth, whole
from tongguan.outbox.prints.default_layout import own_number, usual_layout
from tongguan.outbox.prints.plan import ALIGNS, NOTHING, SHOWS, WORDS, BlockPlan, BoxPlan, ColumnPlan, Layout
from tongguan.outbox.prints.sheet import UNITS


def read_layouts(profile: Profile, complaints: Complaints) -> dict[str, Layout]:
    """Every form of a document type; what is wrong with them is complained about."""
    return {name: _layout(profile, form, complaints) for name, form in profile.prints.items()}


def _layout(profile: Profile, form: PrintForm, complaints: Complaints) -> Layout:
    if not form.layout:
        return usual_layout(profile, form.title)
    part = TomlFile(profile.folder / form.layout, complaints).part()
    known = _LayoutScope(profile, {f.path: Text(f.label, f.label_en) for f in profile.fields})
    layout = Layout(
        title=part.take("title", both, form.title),
        number=known.of(part, "number", part.take("number", text, own_number(profile))),
        landscape=part.take("landscape", truth, False),
        blocks=tuple(known.block(part.file.part("block", n)) for n, _ in enumerate(part.rows("block"))),
    )
    part.rest_is_unknown()
    return layout


@dataclass(frozen=True, slots=True)
class _LayoutScope:
    """What a layout may name."""

    profile: Profile
    labels: Mapping[str, Text]

    def block(self, part: TomlTable) -> BlockPlan:
        table = part.one_of("table", self.labels, "")
        block = BlockPlan(
            heading=part.take("heading", both, self.labels.get(table, NOTHING)),
            each=part.one_of("each", self.labels, ""),
            rows=tuple(tuple(self.box(_inner(part, box)) for box in row) for row in part.lines("rows")),
            table=table,
            columns=tuple(self.column(_inner(part, column), table) for column in part.rows("columns")),
            total=part.take("total", both, NOTHING),
        )
        part.rest_is_unknown()
        for row in block.rows:
            if (used := sum(box.width for box in row[:-1])) >= UNITS:
                part.complain(
                    "rows",
                    f"一行宽 {UNITS}，最后一格之前的各格已占 {used}",
                    f"a row is {UNITS} wide, and its boxes before the last take {used} of it",
                )
        return block

    def box(self, part: TomlTable) -> BoxPlan:
        nothing: tuple[str, ...] = ()
        of = part.take("of", _one_or_more, nothing)
        no = part.take("no", whole, 0)
        label = self.label(part, of[0] if of else "")
        box = BoxPlan(
            label=Text(f"{no}. {label.zh}", f"{no}. {label.en}") if no else label,
            of=tuple(self.of(part, "of", word) for word in of),
            width=part.take("width", whole, UNITS),
            lines=part.take("lines", whole, 1),
            show=part.one_of("show", SHOWS, "both"),
            text=part.take("text", both, NOTHING),
        )
        part.rest_is_unknown()
        return box

    def column(self, part: TomlTable, table: str) -> ColumnPlan:
        of = _joined(table, part.need("of", text, ""))
        column = ColumnPlan(
            label=self.label(part, of),
            of=self.of(part, "of", of),
            width=part.take("width", whole, 1),
            align=part.one_of("align", ALIGNS, "left"),
            group=part.take("group", both, NOTHING),
            show=part.one_of("show", SHOWS, "both"),
            total=part.take("total", truth, False),
        )
        part.rest_is_unknown()
        return column

    def label(self, part: TomlTable, of: str) -> Text:
        """What the layout says, else the field's own label."""
        own = self.labels.get(of) or self._number(of)
        return Text(part.take("zh", text, own.zh), part.take("en", text, own.en))

    def _number(self, of: str) -> Text:
        rule = self.profile.numbers.get(of.removeprefix("number."))
        return rule.label if rule and of.startswith("number.") else NOTHING

    def of(self, part: TomlTable, key: str, word: str) -> str:
        kind, _, rest = word.partition(".")
        known = word in self.labels or word in WORDS or (kind == "number" and rest in self.profile.numbers)
        known = known or (kind == "receipt" and rest in self.profile.receipts) or (kind == "mark" and bool(rest))
        if not known:
            words = [*self.labels, *WORDS, *(f"number.{n}" for n in self.profile.numbers)]
            words += [f"receipt.{code}" for code in self.profile.receipts]
            part.file.complaints.unknown(part.place(key), "field", word, words)
        return word


def _joined(table: str, path: str) -> str:
    """A path as seen from a table's row: `../` is the row that the table is in."""
    while path.startswith("../"):
        table, path = table.rpartition("/")[0], path.removeprefix("../")
    return f"{table}/{path}"


def _inner(part: TomlTable, given: Any) -> TomlTable:
    """A box or column inside a block: its place is the block's."""
    return TomlTable(given, part.file, part.keys)


def _one_or_more(value: Any) -> tuple[str, ...]:
    return (text(value),) if isinstance(value, str) else texts(value)
