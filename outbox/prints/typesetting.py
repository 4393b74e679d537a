"""Break a sheet's boxes and tables into strips, and fill pages with them: what does not fit goes on where it left off.

Pure: the same sheet and widths give the same pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest

from tongguan.outbox.prints.lines import Measure, longest_word, wrap
from tongguan.outbox.prints.sheet import UNITS, Box, Boxes, Grid, Sheet

PAD = 3.0  #: round a text, in points
LABEL, TEXT = 7.0, 9.0  #: sizes of letters
LEADING = 1.3
SHADE = 0.94
_MOST_OF_TABLE = 1 / 3  #: of its width is given to a column for the sake of a long word
_HAIR = 0.01
_SEAL_LINES = 3  #: a box with so much room is for a seal
AGAIN = {"zh": "（续）", "en": " (continued)"}


@dataclass(frozen=True, slots=True)
class Cell:
    x: float
    width: float
    lines: tuple[str, ...]
    label: tuple[str, ...] = ()
    align: str = "left"
    least: int = 1
    joined: str = ""  #: above | below: no line there

    @property
    def height(self) -> float:
        return 2 * PAD + (len(self.label) * LABEL + max(len(self.lines), self.least) * TEXT) * LEADING


@dataclass(frozen=True, slots=True)
class Strip:
    """Cells side by side, of one height. `keep`: not the last of a page; `running`: said again where it begins a page."""

    cells: tuple[Cell, ...]
    shade: float = 1.0
    keep: bool = False
    running: tuple[Strip, ...] = ()
    gap: float = 0.0

    @property
    def height(self) -> float:
        return max(cell.height for cell in self.cells)

    def is_longer_than(self, page: float) -> bool:
        """Whether no page holds it with its running labels."""
        return self.height > page - sum(label.height for label in self.running)


Page = list[tuple[float, Strip]]  #: strips, and how far their lower edges are below the page's top


def pages_of(sheet: Sheet, width: float, heights: tuple[float, float], measure: Measure) -> list[Page]:
    """The sheet's pages, `width` wide; `heights`: of the first, of every other."""
    pages: list[Page] = [[]]
    waiting = list(_with_seals(list(_strips(sheet, width, measure))))[::-1]
    while waiting:
        strip, page, most = waiting.pop(), pages[-1], heights[len(pages) > 1]
        used = page[-1][0] + strip.gap if page else 0.0
        needed = strip.height + (_kept_with(strip, waiting, heights[1]) if page else 0.0)
        if needed <= most - used:
            page.append((used + strip.height, strip))
            continue
        if not page or strip.is_longer_than(heights[1]):
            fits, strip = _split(strip, most - used, AGAIN[sheet.language])
            page += [(used + fits.height, fits)] if fits else []
        running = strip.running if len(page) > len(strip.running) else ()  # labels that leave no room are not said again
        pages.append([])
        waiting += [strip, *(replace(label, running=(), gap=0.0) for label in reversed(running))]
    return pages


def _with_seals(strips: Sequence[Strip]) -> Iterator[Strip]:
    """What stands above a seal stays with it, and so does what stands below it: nobody seals an empty page."""
    for strip, below in zip_longest(strips, strips[1:]):
        yield replace(strip, keep=strip.keep or (below is not None and (_has_seal(strip) or _has_seal(below))))


def _has_seal(strip: Strip) -> bool:
    return any(cell.least >= _SEAL_LINES for cell in strip.cells)


def _kept_with(strip: Strip, waiting: Sequence[Strip], most: float) -> float:
    """The height of what must stand on the same page, as a heading's first row; of one longer than a page, its first line."""
    total, n = 0.0, len(waiting)
    while strip.keep and n:
        n -= 1
        strip = waiting[n]
        total += strip.gap + (2 * PAD + TEXT * LEADING if strip.is_longer_than(most) else strip.height)
    return total


def _split(strip: Strip, room: float, again: str) -> tuple[Strip | None, Strip]:
    """What of a strip fits, and the rest; nothing fits where there is no room for a line."""
    labels = max(len(cell.label) for cell in strip.cells)
    most = int((room - 2 * PAD - labels * LABEL * LEADING) / (TEXT * LEADING))
    if most < 1:
        return None, strip
    first = replace(strip, cells=tuple(replace(cell, lines=cell.lines[:most], least=1) for cell in strip.cells))
    return first, replace(strip, cells=tuple(_rest(cell, most, again) for cell in strip.cells), gap=0.0)


def _rest(cell: Cell, used: int, again: str) -> Cell:
    label = (*cell.label[:-1], cell.label[-1].removesuffix(again) + again) if cell.label else ()
    return replace(cell, lines=cell.lines[used:], label=label, least=1)


def _strips(sheet: Sheet, width: float, measure: Measure) -> Iterator[Strip]:
    for block in sheet.blocks:
        if block.heading:
            lines = wrap(block.heading, (width - 2 * PAD) / TEXT, measure)
            yield Strip((Cell(0.0, width, lines),), shade=SHADE, keep=True, gap=2 * PAD)
        if isinstance(block, Boxes):
            yield from (Strip(tuple(_boxed(row, width / UNITS, measure))) for row in block.rows)
        else:
            yield from _of_grid(block, width, measure)


def _boxed(row: Sequence[Box], unit: float, measure: Measure) -> Iterator[Cell]:
    used = 0
    for n, box in enumerate(row, 1):
        units = box.width if n < len(row) else UNITS - used
        room = units * unit - 2 * PAD
        label, lines = wrap(box.label, room / LABEL, measure), wrap(box.value, room / TEXT, measure)
        yield Cell(used * unit, units * unit, lines, label, least=box.lines)
        used += units


def _of_grid(grid: Grid, width: float, measure: Measure) -> Iterator[Strip]:
    widths = _widths(grid, width, measure)
    aligns = [column.align for column in grid.columns]
    head = tuple(_labels(grid, widths, measure))
    yield from head
    for row in grid.rows:
        yield Strip(tuple(_row(row, widths, aligns, measure)), running=head)
    if grid.totals:
        yield Strip(tuple(_row(grid.totals, widths, aligns, measure)), shade=SHADE, running=head)


def _widths(grid: Grid, width: float, measure: Measure) -> list[float]:
    """How wide the columns are: as the form has them, but that no word or number is broken while another column has room to give."""
    unit = width / sum(column.width for column in grid.columns)
    fair = [column.width * unit for column in grid.columns]
    texts = [(column.label, *(row[n] for row in grid.rows)) for n, column in enumerate(grid.columns)]
    if not any(
        longest_word(text, (has - 2 * PAD) / TEXT, measure) for has, each in zip(fair, texts, strict=True) for text in each
    ):
        return fair
    words = [max(longest_word(text, 0.0, measure) for text in each) * TEXT + 2 * PAD + _HAIR for each in texts]
    needs = [min(need, width * _MOST_OF_TABLE) for need in words]
    lack = sum(max(0.0, need - has) for need, has in zip(needs, fair, strict=True))
    spare = sum(max(0.0, has - need) for need, has in zip(needs, fair, strict=True))
    if not lack or not spare:
        return fair
    given, taken = min(1.0, spare / lack), min(1.0, lack / spare)
    return [has + (need - has) * (given if need > has else taken) for need, has in zip(needs, fair, strict=True)]


def _row(texts: Sequence[str], widths: Sequence[float], aligns: Sequence[str], measure: Measure) -> Iterator[Cell]:
    x = 0.0
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
    x = 0.0
    for group, together in groupby(range(len(widths)), key=lambda n: grid.columns[n].group or n):
        width, text = sum(widths[n] for n in together), group if isinstance(group, str) else ""
        lines = wrap(text, (width - 2 * PAD) / TEXT, measure)
        yield Cell(x, width, lines, align="center", joined="" if text else "below")
        x += width
