"""The plan of a form, as its layout says it: boxes and tables that name fields, not yet filled."""

from __future__ import annotations

from dataclasses import dataclass

from tongguan.gateway.profile.profile import NOTHING, Text
from tongguan.outbox.prints.sheet import UNITS

SHOWS = ("both", "name", "code")  #: of a code: code and name, its name alone, itself alone
ALIGNS = ("left", "right", "center")
WORDS = ("status", "key", "print.date", "time.created", "time.updated", "time.declared")


@dataclass(frozen=True, slots=True)
class BoxPlan:
    label: Text
    of: tuple[str, ...]  #: paths and words; the values stand one under the other
    width: int = UNITS
    lines: int = 1
    show: str = "both"
    text: Text = NOTHING  #: printed as it is, under the values


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    label: Text
    of: str
    width: int = 1
    align: str = "left"
    group: Text = NOTHING
    show: str = "both"
    total: bool = False


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """Boxes, or a table when `table` is set; with `each`, once for every row of that table."""

    heading: Text = NOTHING
    each: str = ""
    rows: tuple[tuple[BoxPlan, ...], ...] = ()
    table: str = ""
    columns: tuple[ColumnPlan, ...] = ()
    total: Text = NOTHING  #: label of the line of totals


@dataclass(frozen=True, slots=True)
class Layout:
    title: Text
    number: str  #: the word or path shown above the form, with its label
    landscape: bool
    note: Text
    blocks: tuple[BlockPlan, ...]
