"""The layout of a form: which boxes and tables in which order. Data of a profile's folder, read once, at start.

Promises: a layout that is read names only fields, numbers and words that exist; all that is wrong is told with file and line.
A form without a layout gets one from the fields alone: every field in order, groups and tables under their labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tongguan.gateway.profile.profile import NOTHING, PrintForm, Profile, Text
from tongguan.gateway.profile.source import Complaints, TomlFile, TomlTable, both, lines_of, tables_of, text, texts, whole
from tongguan.outbox.prints.default_layout import own_number, usual_layout
from tongguan.outbox.prints.plan import ALIGNS, SHOWS, WORDS, BlockPlan, BoxPlan, ColumnPlan, Layout
from tongguan.outbox.prints.sheet import UNITS


def read_layouts(profile: Profile, complaints: Complaints) -> dict[str, Layout]:
    """Every form of a document type; what is wrong with them is complained about."""
    return {name: _layout(profile, form, complaints) for name, form in profile.prints.items()}


def _layout(profile: Profile, form: PrintForm, complaints: Complaints) -> Layout:
    if not form.layout:
        return usual_layout(profile, form.title)
    part = TomlFile(profile.folder / form.layout, complaints).part()
    known = _LayoutScope(profile, {f.path: Text(f.label, f.label_en) for f in profile.fields})
    return part.made(
        Layout,
        title=part.take("title", both, form.title),
        note=part.take("note", both, NOTHING),
        number=known.of(part, "number", part.take("number", text, own_number(profile))),
        blocks=tuple(known.block(block) for block in part.rows("block")),
    )


@dataclass(frozen=True, slots=True)
class _LayoutScope:
    """What a layout may name."""

    profile: Profile
    labels: Mapping[str, Text]

    def block(self, part: TomlTable) -> BlockPlan:
        table = part.one_of("table", self.labels, "")
        block = part.made(
            BlockPlan,
            {"each": self.labels},
            heading=part.take("heading", both, self.labels.get(table, NOTHING)),
            rows=tuple(tuple(self.box(_inner(part, box)) for box in row) for row in part.take("rows", lines_of, list[Any]())),
            table=table,
            columns=tuple(self.column(_inner(part, column), table) for column in part.take("columns", tables_of, list[Any]())),
        )
        for row in block.rows:
            if (used := sum(box.width for box in row[:-1])) >= UNITS:
                part.complain(
                    "rows",
                    f"一行宽 {UNITS}，最后一格之前的各格已占 {used}",
                    f"a row is {UNITS} wide, and its boxes before the last take {used} of it",
                )
        return block

    def box(self, part: TomlTable) -> BoxPlan:
        of = part.take("of", _one_or_more, tuple[str, ...]())
        no = part.take("no", whole, 0)
        label = self.label(part, of[0] if of else "")
        return part.made(
            BoxPlan,
            {"show": SHOWS},
            label=Text(f"{no}. {label.zh}", f"{no}. {label.en}") if no else label,
            of=tuple(self.of(part, "of", word) for word in of),
        )

    def column(self, part: TomlTable, table: str) -> ColumnPlan:
        of = _joined(table, part.need("of", text, ""))
        label, words = self.label(part, of), {"align": ALIGNS, "show": SHOWS}
        return part.made(ColumnPlan, words, label=label, of=self.of(part, "of", of))

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
