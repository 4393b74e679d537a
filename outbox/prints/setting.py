"""Break a sheet's boxes and tables into strips: lines of text that fit their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tongguan.outbox.prints.lines import Measure, wrap
from tongguan.outbox.prints.marks import LABEL, MARGIN, PAD, TEXT, Cell, Strip
from tongguan.outbox.prints.sheet import UNITS, Box, Boxes, Grid, Sheet

SHADE = 0.94


def strips_of(sheet: Sheet, width: float, measure: Measure) -> Iterator[Strip]:
    """The strips of all blocks, in order, for a page that is `width` wide between its margins."""
    for block in sheet.blocks:
        if block.heading:
            lines = wrap(block.heading, (width - 2 * PAD) / TEXT, measure)
            yield Strip((Cell(MARGIN, width, lines),), shade=SHADE, keep=True, gap=2 * PAD)
        yield from _of_boxes(block, width, measure) if isinstance(block, Boxes) else _of_grid(block, width, measure)


def _of_boxes(block: Boxes, width: float, measure: Measure) -> Iterator[Strip]:
    for row in block.rows:
        yield Strip(tuple(_boxed(row, width / UNITS, measure)))


def _boxed(row: Sequence[Box], unit: float, measure: Measure) -> Iterator[Cell]:
    used = 0
    for n, box in enumerate(row, 1):
        units = box.width if n < len(row) else UNITS - used
        room = units * unit - 2 * PAD
        label, lines = wrap(box.label, room / LABEL, measure), wrap(box.value, room / TEXT, measure)
        yield Cell(MARGIN + used * unit, units * unit, lines, label, least=box.lines)
        used += units


def _of_grid(grid: Grid, width: float, measure: Measure) -> Iterator[Strip]:
    unit = width / sum(column.width for column in grid.columns)
    widths = [column.width * unit for column in grid.columns]
    aligns = [column.align for column in grid.columns]
    head = tuple(_labels(grid, widths, measure))
    yield from head
    for row in grid.rows:
        yield Strip(tuple(_row(row, widths, aligns, measure)), running=head)
    if grid.totals:
        yield Strip(tuple(_row(grid.totals, widths, aligns, measure)), shade=SHADE, running=head)


def _row(texts: Sequence[str], widths: Sequence[float], aligns: Sequence[str], measure: Measure) -> Iterator[Cell]:
    x = MARGIN
    for text, width, align in zip(texts, widths, aligns, strict=True):
        yield Cell(x, width, wrap(text, (width - 2 * PAD) / TEXT, measure), align=align)
        x += width


def _labels(grid: Grid, widths: Sequence[float], measure: Measure) -> Iterator[Strip]:
    """The labels; where columns have groups, these in a strip of their own above."""
    labels = tuple(_row([column.label for column in grid.columns], widths, ["center"] * len(widths), measure))
    grouped = [bool(column.group) for column in grid.columns]
    if any(grouped):
        yield Strip(tuple(_groups(grid, widths, measure)), shade=SHADE, keep=True)
        labels = tuple(cell if has else replace(cell, joined="above") for cell, has in zip(labels, grouped, strict=True))
    yield Strip(labels, shade=SHADE, keep=True)


def _groups(grid: Grid, widths: Sequence[float], measure: Measure) -> Iterator[Cell]:
    x, n = MARGIN, 0
    while n < len(widths):
        group = grid.columns[n].group
        last = n + 1
        while group and last < len(widths) and grid.columns[last].group == group:
            last += 1
        width = sum(widths[n:last])
        lines = wrap(group, (width - 2 * PAD) / TEXT, measure)
        yield Cell(x, width, lines, align="center", joined="" if group else "below")
        x, n = x + width, last
