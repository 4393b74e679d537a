"""What stands on a page, in points from its lower left corner, and the strips that fill it."""

from __future__ import annotations

from dataclasses import dataclass

MARGIN, PAD = 40.0, 3.0
LABEL, TEXT = 7.0, 9.0  #: sizes of letters
LEADING = 1.3


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text whose left end (turned: middle) is at x, y."""

    x: float
    y: float
    size: float
    text: str
    bold: bool = False
    grey: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Stroke:
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Ground:
    """A shaded rectangle."""

    x: float
    y: float
    width: float
    height: float
    grey: float


Mark = Words | Stroke | Ground


@dataclass(frozen=True, slots=True)
class Page:
    width: float
    height: float
    marks: tuple[Mark, ...]


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
