"""Pages to a PDF: the font embedded, its text copyable, the same pages the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import cos, radians, sin

from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfgen.canvas import Canvas

from tongguan.outbox.prints.letters import Letters
from tongguan.outbox.prints.marks import Ground, Mark, Page, Stroke, Words
from tongguan.outbox.prints.paging import pages_of
from tongguan.outbox.prints.sheet import Sheet

_FONT = "print"
_STROKE, _BOLD = 0.5, 0.02  #: width of lines in points, of a bold letter's edge in its size


def paint(sheets: Sequence[Sheet], letters: Letters) -> bytes:
    """One PDF of all sheets, in order."""
    pages = [page for sheet in sheets for page in pages_of(sheet, letters.width)]
    used = {letter for page in pages for mark in page.marks if isinstance(mark, Words) for letter in mark.text}
    _register(ttfonts.TTFont(_FONT, BytesIO(letters.cut(used | {" "}))))
    target = BytesIO()
    canvas = Canvas(target, invariant=1, pageCompression=1, initialFontName=_FONT)
    canvas.setTitle(sheets[0].title if sheets else "")
    canvas.setCreator("Tongguan")
    for page in pages:
        _page(canvas, page)
    canvas.save()
    return target.getvalue()


def _register(font: ttfonts.TTFont) -> None:
    """Make it the font of the prints. The registry keeps the first of a name, and of a face, for ever: so both go first."""
    pdfmetrics._fonts.pop(_FONT, None)
    pdfmetrics._dynFaceNames.pop(font.face.name, None)
    pdfmetrics.registerFont(font)


def _page(canvas: Canvas, page: Page) -> None:
    canvas.setPageSize((page.width, page.height))
    canvas.setLineWidth(_STROKE)
    for mark in page.marks:
        _mark(canvas, mark)
    canvas.showPage()


def _mark(canvas: Canvas, mark: Mark) -> None:
    match mark:
        case Stroke():
            canvas.line(mark.x1, mark.y1, mark.x2, mark.y2)
        case Ground():
            canvas.setFillGray(mark.grey)
            canvas.rect(mark.x, mark.y, mark.width, mark.height, stroke=0, fill=1)
        case Words() if mark.text:
            _words(canvas, mark)


def _words(canvas: Canvas, words: Words) -> None:
    text = canvas.beginText()
    text.setFont(_FONT, words.size)
    text.setFillGray(words.grey)
    if words.turn:
        turned, half = radians(words.turn), canvas.stringWidth(words.text, _FONT, words.size) / 2
        across, along = cos(turned), sin(turned)
        text.setTextTransform(across, along, -along, across, words.x - half * across, words.y - half * along)
    else:
        text.setTextOrigin(words.x, words.y)
    if words.bold:
        text.setTextRenderMode(2)
        canvas.setLineWidth(_BOLD * words.size)
    text.textOut(words.text)
    if words.bold:
        text.setTextRenderMode(0)
    canvas.drawText(text)
    if words.bold:
        canvas.setLineWidth(_STROKE)
