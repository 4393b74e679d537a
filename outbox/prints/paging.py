"""Fill pages with strips: what does not fit goes on where it left off, under its running labels.

Pure: the same sheet and widths give the same marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tongguan.outbox.prints.lines import Measure
from tongguan.outbox.prints.marks import LABEL, LEADING, MARGIN, PAD, TEXT, Cell, Ground, Mark, Page, Strip, Stroke, Words
from tongguan.outbox.prints.setting import strips_of
from tongguan.outbox.prints.sheet import Sheet

SHORT_SIDE, LONG_SIDE = 595.0, 842.0  #: A4
TITLE, SMALL = 17.0, 8.0
TOP, TOP_AGAIN, BOTTOM = 26.0, 18.0, 20.0  #: room for the title, for the title of later pages, for the foot
WORDS = {
    "zh": {"page": "第 {page} 页 共 {pages} 页", "again": "（续）"},
    "en": {"page": "page {page} of {pages}", "again": " (continued)"},
}


def pages_of(sheet: Sheet, measure: Measure) -> list[Page]:
    """The sheet's pages, each with title, foot, count and, outside production, the environment's word across it."""
    width, height = (LONG_SIDE, SHORT_SIDE) if sheet.landscape else (SHORT_SIDE, LONG_SIDE)
    frame = _Frame(sheet, width, height, measure)
    bodies = list(_filled(list(strips_of(sheet, width - 2 * MARGIN, measure)), frame))
    return [
        Page(width, height, (*frame.ground(), *frame.head(n), *body, *frame.foot(n, len(bodies))))
        for n, body in enumerate(bodies, 1)
    ]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the body of each page."""

    sheet: Sheet
    width: float
    height: float
    measure: Measure

    def top(self, page: int) -> float:
        """Where the body begins."""
        if page > 1:
            return self.height - MARGIN - TOP_AGAIN
        lines = len(self.sheet.head) + bool(self.sheet.number)
        return self.height - MARGIN - TOP - lines * SMALL * LEADING - (PAD if lines else 0)

    def head(self, page: int) -> Iterator[Mark]:
        size = TITLE if page == 1 else TEXT
        y = self.height - MARGIN - size
        size = min(size, (self.width - 2 * MARGIN) / max(self.measure(self.sheet.title), 1))
        yield self._middle(y, size, self.sheet.title, bold=page == 1)
        if page > 1:
            yield self._right(y, SMALL, self.sheet.number)
            return
        y = self.height - MARGIN - TOP - SMALL
        for line in self.sheet.head:
            yield self._middle(y, SMALL, line)
            y -= SMALL * LEADING
        if self.sheet.number:
            yield self._right(y, SMALL, self.sheet.number)

    def foot(self, page: int, pages: int) -> Iterator[Mark]:
        y = MARGIN
        yield Words(MARGIN, y, SMALL, self.sheet.foot)
        yield self._right(y, SMALL, WORDS[self.sheet.language]["page"].format(page=page, pages=pages))
        if self.sheet.environment:
            yield self._middle(y, TEXT + 1, self.sheet.environment)

    def ground(self) -> Iterator[Mark]:
        word = self.sheet.environment
        if word:
            size = 0.75 * min(self.width, self.height) / max(self.measure(word), 1)
            yield Words(self.width / 2, self.height / 2, size, word, grey=0.9, turn=40.0)

    def _middle(self, y: float, size: float, text: str, *, bold: bool = False) -> Words:
        return Words((self.width - size * self.measure(text)) / 2, y, size, text, bold=bold)

    def _right(self, y: float, size: float, text: str) -> Words:
        return Words(self.width - MARGIN - size * self.measure(text), y, size, text)


@dataclass(slots=True)
class _Body:
    """The page being filled: its marks, and how far down it is full."""

    frame: _Frame
    page: int = 1
    y: float = 0.0
    begun: bool = False

    def __post_init__(self) -> None:
        self.y = self.frame.top(self.page)

    @property
    def room(self) -> float:
        return self.y - MARGIN - BOTTOM

    def turned(self) -> _Body:
        return _Body(self.frame, self.page + 1)

    def put(self, strip: Strip) -> list[Mark]:
        """Draw a strip where the page is free."""
        self.y -= strip.gap if self.begun else 0
        height = strip.height
        self.y -= height
        self.begun = True
        return [mark for cell in strip.cells for mark in _drawn(cell, self.y, height, strip.shade, self.frame.measure)]


def _filled(strips: Sequence[Strip], frame: _Frame) -> Iterator[list[Mark]]:
    """The marks of each page's body."""
    body, marks = _Body(frame), []
    again = WORDS[frame.sheet.language]["again"]
    waiting = list(reversed(strips))
    while waiting:
        strip = waiting.pop()
        needed = strip.gap + strip.height + _kept_with(strip, waiting)
        if needed <= body.room or (not body.begun and strip.height <= body.room):
            marks += body.put(strip)
            continue
        if not body.begun or strip.height > _Body(frame, 2).room - sum(label.height for label in strip.running):
            fits, rest = _split(strip, body.room - strip.gap, again)
            marks += body.put(fits) if fits else []
            strip = rest
        yield marks
        body, marks = body.turned(), []
        waiting.append(strip)
        waiting += [replace(label, running=(), gap=0.0) for label in reversed(strip.running)]
    yield marks


def _kept_with(strip: Strip, waiting: Sequence[Strip]) -> float:
    """The height of what must stand on the same page, as a heading's first row."""
    total, n = 0.0, len(waiting)
    while strip.keep and n:
        n -= 1
        strip = waiting[n]
        total += strip.gap + strip.height
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


def _drawn(cell: Cell, bottom: float, height: float, shade: float, measure: Measure) -> Iterator[Mark]:
    top, right = bottom + height, cell.x + cell.width
    if shade < 1:
        yield Ground(cell.x, bottom, cell.width, height, shade)
    if cell.joined != "above":
        yield Stroke(cell.x, top, right, top)
    if cell.joined != "below":
        yield Stroke(cell.x, bottom, right, bottom)
    yield Stroke(cell.x, bottom, cell.x, top)
    yield Stroke(right, bottom, right, top)
    y = top - PAD
    for size, lines, align in ((LABEL, cell.label, "left"), (TEXT, cell.lines, cell.align)):
        for line in lines:
            y -= size * LEADING
            yield Words(_left(cell, size * measure(line), align), y + 0.3 * size, size, line)


def _left(cell: Cell, width: float, align: str) -> float:
    free = cell.width - 2 * PAD - width
    return cell.x + PAD + {"left": 0.0, "center": free / 2, "right": free}[align]
