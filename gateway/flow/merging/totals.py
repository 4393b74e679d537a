"""What is added up on both sides of a merge, each by itself: before from what is kept of the documents, afterwards from what is made."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tongguan.gateway.document.changes import values_at
from tongguan.gateway.document.counting import number_of
from tongguan.gateway.flow.merging.selection import MergeTypes
from tongguan.gateway.journal.reading.keyed import KeyedWithLines
from tongguan.gateway.model.document import Content


class Totals:
    """Sums by field; `kept`: as they were shown after an earlier portion."""

    def __init__(self, types: MergeTypes, kept: Mapping[str, str] | None = None) -> None:
        lines = types.merged.lines
        assert lines is not None
        self._head, self._line, self._rule = lines.head_sums, lines.line_sums, types.rule
        self._sums = dict.fromkeys((part.name for part in (*self._head, *self._line)), Decimal())
        self._sums |= {name: Decimal(value) for name, value in (kept or {}).items()}
        self.named = dict[str, tuple[str, str]]()  #: of documents that have passed: number and day

    def passes(self, one: KeyedWithLines) -> KeyedWithLines:
        """A document that is to be merged."""
        self.named[one.head.id] = one.head.number, one.head.day
        for part, value in zip(self._head, one.head.sums, strict=True):
            self._sums[part.name] += Decimal(number_of(value, part.places))
        for n, part in enumerate(self._line):
            value = one.head.totals[n]
            self._sums[part.name] += Decimal(number_of(value, part.places))
        return one

    def add(self, content: Content) -> None:
        """Something that is made. What is equal in all that went into it, and added up elsewhere only, is none of the sums."""
        at = f"{self._rule.head_at}/" if self._rule.head_at else ""
        for before, parts in ((at, self._head), (f"{self._rule.lines_at}/", self._line)):
            for part in parts:
                only = part.only
                if only is None or (next(iter(values_at(content, at + only.path)), "") in only.values) is not only.no:
                    self._sums[part.name] += sum(map(Decimal, values_at(content, before + part.name)), Decimal())

    def shown(self) -> dict[str, str]:
        """By field, as canonical numbers."""
        return {name: f"{value.normalize():f}" if value else "0" for name, value in self._sums.items()}
