"""Sheets to a PDF: the font embedded, its text copyable, the same sheets the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO

from reportlab import rl_config
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tongguan.outbox.prints.font import Font
from tongguan.outbox.prints.lines import Measure
from tongguan.outbox.prints.sheet import Sheet, to_bytes
from tongguan.outbox.prints.typesetting import AGAIN, LABEL, LEADING, PAD, TEXT, Cell, Strip, pages_of

SHORT_SIDE, LONG_SIDE = 595.0, 842.0  #: A4
MARGIN = 40.0
TITLE, SMALL = 17.0, 8.0
TOP, TOP_AGAIN, BOTTOM = 26.0, 18.0, 20.0  #: room for the title, for the title of later pages, for the foot
COUNT = {"zh": "第 {page} 页 共 {pages} 页", "en": "page {page} of {pages}"}
_FREE = {"left": 0.0, "center": 0.5, "right": 1.0}  #: how much of the room that is left over stands before a line
_FONT = "print"
_STROKE, _BOLD = 0.5, 0.02  #: width of lines in points, of a bold letter's edge in its size

rl_config.useA85 = 0  # streams as they are, a fifth smaller than as text


def paint(sheets: Sequence[Sheet], letters: Font) -> bytes:
    """One PDF of all sheets, in order, each with its own page count."""
    said = "".join((to_bytes(sheets).decode(), *COUNT.values(), *AGAIN.values(), "0123456789"))
    font = TTFont(_FONT, BytesIO(letters.cut(said)), asciiReadable=0)
    pdfmetrics.registerFont(font)
    try:
        target = BytesIO()
        canvas = Canvas(target, invariant=1, pageCompression=1, initialFontName=_FONT)
        canvas.setTitle(sheets[0].title if sheets else "")
        canvas.setCreator("Tongguan")
        for sheet in sheets:
            _paint(canvas, sheet, partial(font.stringWidth, size=1))
        canvas.save()
        return target.getvalue()
    finally:
        font.unregister()  # the registry keeps the first font of a name and of a face


def _paint(canvas: Canvas, sheet: Sheet, measure: Measure) -> None:
    size = width, height = (LONG_SIDE, SHORT_SIDE) if sheet.landscape else (SHORT_SIDE, LONG_SIDE)
    tops = height - MARGIN - TOP - (SMALL * LEADING + PAD if sheet.number else 0), height - MARGIN - TOP_AGAIN
    pages = pages_of(sheet, width - 2 * MARGIN, (tops[0] - MARGIN - BOTTOM, tops[1] - MARGIN - BOTTOM), measure)
    for n, page in enumerate(pages, 1):
        canvas.setPageSize(size)
        _frame(canvas, sheet, size, first=n == 1)
        canvas.drawRightString(width - MARGIN, MARGIN, COUNT[sheet.language].format(page=n, pages=len(pages)))
        canvas.translate(MARGIN, tops[n > 1])
        for below, strip in page:
            _strip(canvas, strip, -below)
        canvas.showPage()


def _frame(canvas: Canvas, sheet: Sheet, size: tuple[float, float], *, first: bool) -> None:
    """What stands round the body of a page, and outside production the environment's word across it."""
    width, height = size
    if sheet.environment:
        canvas.saveState()
        canvas.translate(width / 2, height / 2)
        canvas.rotate(40)
        canvas.setFillGray(0.9)
        canvas.setFont(_FONT, 0.75 * min(size) / max(canvas.stringWidth(sheet.environment, _FONT, 1), 1))
        canvas.drawCentredString(0, 0, sheet.environment)
        canvas.restoreState()
        canvas.setFont(_FONT, TEXT + 1)
        canvas.drawCentredString(width / 2, MARGIN, sheet.environment)
    title = TITLE if first else TEXT
    y = height - MARGIN - title
    beside = 0.0 if first else 2 * (canvas.stringWidth(sheet.number, _FONT, SMALL) + PAD)  # the number, and as much at the left
    canvas.setFont(_FONT, min(title, (width - 2 * MARGIN - beside) / max(canvas.stringWidth(sheet.title, _FONT, 1), 1)))
    canvas.setLineWidth(_BOLD * title)
    canvas.drawCentredString(width / 2, y, sheet.title, mode=2 if first else 0)
    canvas.setLineWidth(_STROKE)
    canvas.setFont(_FONT, SMALL)
    canvas.drawRightString(width - MARGIN, height - MARGIN - TOP - SMALL if first else y, sheet.number)
    canvas.drawString(MARGIN, MARGIN, sheet.foot)


def _strip(canvas: Canvas, strip: Strip, bottom: float) -> None:
    height = strip.height
    for cell in strip.cells:
        left, right, top = cell.x, cell.x + cell.width, bottom + height
        if strip.shade < 1:
            canvas.setFillGray(strip.shade)
            canvas.rect(left, bottom, cell.width, height, stroke=0, fill=1)
            canvas.setFillGray(0)
        if cell.joined:
            y = bottom if cell.joined == "above" else top
            canvas.lines([(left, y, right, y), (left, bottom, left, top), (right, bottom, right, top)])
        else:
            canvas.rect(left, bottom, cell.width, height)
        _texts(canvas, cell, top - PAD)


def _texts(canvas: Canvas, cell: Cell, y: float) -> None:
    """The label, and below it the lines of the value."""
    text = canvas.beginText()
    for size, lines, align in ((LABEL, cell.label, "left"), (TEXT, cell.lines, cell.align)):
        text.setFont(_FONT, size)
        for line in lines:
            y -= size * LEADING
            free = cell.width - 2 * PAD - canvas.stringWidth(line, _FONT, size)
            text.setTextOrigin(cell.x + PAD + _FREE[align] * free, y + 0.3 * size)
            text.textOut(line)
    canvas.drawText(text)
