"""A font of the letters that a paper uses, embedded in it: every machine shows and prints the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

PACKAGE, FILE = "pylopdf_fonts_zh_cn", "NotoSerifSC-Regular.otf"
_SQUARE = 0x25A1  #: shown for a letter that the font does not have


def embedded_font(used: Iterable[str]) -> str:
    """Make a font of these texts' letters known to reportlab, and give its name: the same letters, the same name."""
    letters = "".join(sorted({letter for text in used for letter in text} | {chr(_SQUARE), "…"}))
    return _registered(letters)


@lru_cache(maxsize=64)
def _registered(letters: str) -> str:
    from reportlab import rl_config
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    rl_config.useA85 = 0  # streams of a paper are bytes: a quarter shorter than in letters
    name = "Paper" + hashlib.sha256(letters.encode()).hexdigest()[:12]
    pdfmetrics.registerFont(TTFont(name, BytesIO(_cut(letters, name)), asciiReadable=0))
    return name


def _cut(letters: str, name: str) -> bytes:
    """A TrueType font of these letters, its outlines made of the installed font's."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    whole = _installed()
    known, shapes = whole.getBestCmap(), whole.getGlyphSet()
    chosen = {ord(letter): known.get(ord(letter), known[_SQUARE]) for letter in letters}
    order = list(dict.fromkeys([".notdef", *chosen.values()]))
    outlines = {}
    for glyph in order:
        pen = TTGlyphPen(None)
        shapes[glyph].draw(Cu2QuPen(pen, 1.0, reverse_direction=True))
        outlines[glyph] = pen.glyph()
    made = FontBuilder(whole["head"].unitsPerEm, isTTF=True)
    made.setupGlyphOrder(order)
    made.setupCharacterMap(chosen)
    made.setupGlyf(outlines)
    made.setupHorizontalMetrics({glyph: (round(shapes[glyph].width), getattr(outlines[glyph], "xMin", 0)) for glyph in order})
    made.setupHorizontalHeader(ascent=whole["hhea"].ascent, descent=whole["hhea"].descent)
    made.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name, "fullName": name})
    made.setupOS2()
    made.setupPost()
    made.font["head"].created = made.font["head"].modified = 0
    made.font.recalcTimestamp = False
    target = BytesIO()
    made.save(target)
    return target.getvalue()


@lru_cache(maxsize=1)
def _installed() -> Any:
    """The font that is installed with us. Raises FileNotFoundError when it is not."""
    from fontTools.ttLib import TTFont

    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise FileNotFoundError(FILE)
    return TTFont(Path(package.origin).with_name(FILE), lazy=True)
