"""Break a text into lines: between Chinese characters anywhere, between words only, never before closing punctuation."""

from __future__ import annotations

import re
from collections.abc import Callable

Measure = Callable[[str], float]  #: how wide a text is, in its own size
_PIECES = re.compile(r"[\u0021-\u2e7f]+|[\s\u3000]+|.", re.DOTALL)
_NOT_FIRST = frozenset("，。、；：！？）》」』】〕％…”’")


def wrap(text: str, room: float, measure: Measure) -> tuple[str, ...]:
    """The lines of a text, none wider than `room` (in letters' sizes); an empty text is one empty line."""
    return tuple(line for paragraph in text.expandtabs(2).split("\n") for line in _wrapped(paragraph, room, measure))


def longest_word(text: str, room: float, measure: Measure) -> float:
    """How wide the widest piece of a text is that is not broken, where it is wider than `room`; 0 where none is."""
    if len(text) <= room:
        return 0.0
    longer = [
        piece for piece in _PIECES.findall(text) if len(piece) > room and not piece.isspace()
    ]  # no letter is wider than its size
    return max((width for piece in longer if (width := measure(piece)) > room), default=0.0)


def _wrapped(paragraph: str, room: float, measure: Measure) -> list[str]:
    lines: list[str] = []
    line: list[str] = []
    used = 0.0
    for piece in _PIECES.findall(paragraph):
        width = measure(piece)
        if used + width > room:
            carried = _carried(line) if piece in _NOT_FIRST else []
            lines += _ended(line[: len(line) - len(carried)])
            *whole, last = _cut("".join(carried) + ("" if piece.isspace() else piece), room, measure)
            lines += whole
            line, used = [last], measure(last)
        else:
            line.append(piece)
            used += width
    return [*lines, *(_ended(line) or ([] if lines else [""]))]


def _carried(line: list[str]) -> list[str]:
    """What goes down with a mark that must not begin a line: the piece before it, when there is another before that."""
    return line[-1:] if len(line) > 1 and not line[-1].isspace() else []


def _ended(line: list[str]) -> list[str]:
    text = "".join(line).rstrip()
    return [text] if text else []


def _cut(piece: str, room: float, measure: Measure) -> list[str]:
    """A piece in parts that fit: one that is longer than a line is cut where the line ends."""
    parts = [""]
    used = 0.0
    for letter in piece:
        width = measure(letter)
        if parts[-1] and used + width > room:
            parts.append("")
            used = 0.0
        parts[-1] += letter
        used += width
    return parts
