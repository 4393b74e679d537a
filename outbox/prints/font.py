"""The font of the prints: where it is, and a small TrueType font of the letters that are used.

Any font file will do: outlines of whatever kind are turned into TrueType ones, letter by letter, so that what is embedded is
small and every reader shows it. What the font does not have is shown as an empty square, and can be copied out all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from glob import glob
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from tongguan.gateway.model.errors import TongguanError

PACKAGE, FILE = "pylopdf_fonts_zh_cn", "NotoSerifSC-Regular.otf"
PLACES = (
    "/usr/share/fonts/**/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/**/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/**/wqy-microhei.ttc",
    "/usr/share/fonts/**/wqy-zenhei.ttc",
    "/usr/share/fonts/**/uming.ttc",
    "/System/Library/Fonts/Supplemental/Songti.ttc",
    "C:/Windows/Fonts/simsun.ttc",
)
_NAME = "TongguanPrint"
_MISSING = 0x25A1
_KEPT = 4096  #: outlines kept from print to print: drawing them is most of the time that a print takes
_ERROR = 1.0  #: of a curve's approximation, in units of the letter


class FontMissing(TongguanError):
    """There is no font that the prints could use."""


def find_font(chosen: str, home: Path) -> Path:
    """The font file: the site's own, else the installed package's, else one of the machine's; raises FontMissing."""
    if chosen:
        path = home / chosen
        if not path.is_file():
            raise FontMissing(f"prints.font：没有文件 {chosen}", f"prints.font: there is no file {chosen}")
        return path
    package = find_spec(PACKAGE)
    if package is not None and package.origin and (path := Path(package.origin).with_name(FILE)).is_file():
        return path
    found = next((file for place in PLACES for file in sorted(glob(place, recursive=True))), None)
    if found is None:
        raise FontMissing(
            "没有安装中文字体；请在设置 prints.font 中指定字体文件",
            "no Chinese font is installed; name a font file as prints.font in the settings",
        )
    return Path(found)


class Font:
    """An open font file."""

    def __init__(self, path: Path) -> None:
        """Raises FontMissing when the file is no font."""
        # Imported here: only the PDF process opens fonts, and its parent need not wait for this.
        from fontTools.ttLib import TTFont, TTLibError

        try:
            self._font: Any = TTFont(path, lazy=True, fontNumber=0)
            self._names: dict[int, str] = self._font.getBestCmap()
        except (TTLibError, OSError) as wrong:
            en = f"prints.font: {path.name} cannot be read as a font: {wrong}"
            raise FontMissing(f"prints.font：{path.name} 不能作为字体读取：{wrong}", en) from None
        weight = {"wght": 400} if "fvar" in self._font else None
        self._glyphs = self._font.getGlyphSet(location=weight)
        self._units = int(self._font["head"].unitsPerEm)
        self._outline = lru_cache(maxsize=_KEPT)(self._drawn)

    @cached_property
    def _square(self) -> str:
        return self._names.get(_MISSING, ".notdef")

    def cut(self, used: Iterable[str]) -> bytes:
        """A TrueType font of these letters alone; the same letters give the same bytes."""
        from fontTools.fontBuilder import FontBuilder

        names = {ord(letter): self._names.get(ord(letter), self._square) for letter in sorted(set(used))}
        order = list(dict.fromkeys([".notdef", *names.values()]))
        outlines = {name: self._outline(name) for name in order}
        made = FontBuilder(self._units, isTTF=True)
        made.setupGlyphOrder(order)
        made.setupCharacterMap(names)
        made.setupGlyf(outlines)
        made.setupHorizontalMetrics({n: (round(self._glyphs[n].width), getattr(outlines[n], "xMin", 0)) for n in order})
        head = self._font["hhea"]
        made.setupHorizontalHeader(ascent=head.ascent, descent=head.descent)
        made.setupNameTable({"familyName": _NAME, "styleName": "Regular", "psName": _NAME, "fullName": _NAME})
        made.setupOS2()
        made.setupPost()
        made.font["head"].created = made.font["head"].modified = 0
        made.font.recalcTimestamp = False
        target = BytesIO()
        made.save(target)
        return target.getvalue()

    def _drawn(self, name: str) -> Any:
        from fontTools.pens.cu2quPen import Cu2QuPen
        from fontTools.pens.recordingPen import DecomposingRecordingPen
        from fontTools.pens.ttGlyphPen import TTGlyphPen

        drawn = DecomposingRecordingPen(self._glyphs)
        self._glyphs[name].draw(drawn)
        pen = TTGlyphPen(None)
        drawn.replay(Cu2QuPen(pen, _ERROR, reverse_direction=True))
        return pen.glyph()
