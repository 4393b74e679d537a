"""Draw an electronic licence: its number and holder, what it allows and for how long, its goods line by line, and the issuer's seal.

What is drawn is what customs will hold a declaration against: the same reading of the document, so the same last day.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

from tongguan.simulators.books.store import Document
from tongguan.simulators.customs.forwarding import handed_over
from tongguan.simulators.customs.ledger import Permit
from tongguan.simulators.customs.permits import Unfit, read_permit
from tongguan.simulators.messages.lettering import embedded_font
from tongguan.simulators.messages.markup import elements, parse, values
from tongguan.simulators.messages.pdf import signed
from tongguan.simulators.script.script import Query
from tongguan.simulators.server.office import Office

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, _WIDTH - 48, _HEIGHT - 60, 130.0
_SIZE, _SMALL, _LEADING = 9.5, 7.5, 13.0
_SEAL = (int(_RIGHT) - 190, 48, int(_RIGHT), 108)
_COLUMNS = (
    ("序号", 30),
    ("商品编号", 66),
    ("商品名称", 0),
    ("规格型号", 92),
    ("数量及单位", 78),
    ("单价", 62),
    ("总值", 66),
    ("币制", 40),
)
_SAMPLE = "样张 SAMPLE：由模拟机关制作，无法律效力"
_ISSUERS = {"mofcom": "商务部", "customs": "海关总署", "ministries": "主管部门"}

Cells = tuple[str, ...]


@dataclass(frozen=True)
class LicenceSheet:
    """What stands on the paper: its boxes two by two, its goods a row each."""

    title: str
    number: str
    boxes: tuple[tuple[str, str], ...]
    goods: tuple[Cells, ...]
    seal: tuple[str, ...]

    def texts(self) -> Iterator[str]:
        yield from (self.title, self.number, _SAMPLE, "许可证号 页 第共 0123456789/")
        yield from (text for box in self.boxes for text in box)
        yield from (text for row in (tuple(name for name, _ in _COLUMNS), *self.goods, self.seal) for text in row)


def licence_pdf(office: Office, query: Query, document: Document, number: str) -> bytes:
    """Make the signed paper of an issued licence; one that is no licence by its terms has no paper. Raises Unfit."""
    sheet = _sheet(office, query, document, number)
    return signed(_Painter(sheet).painted(), office.sealer, query.title, _SEAL)


def _sheet(office: Office, query: Query, document: Document, number: str) -> LicenceSheet:
    script, body = office.scripts[document.type], parse(document.body)
    if script.licence is None:
        raise Unfit(f"{document.type} 没有许可证条款")
    permit = read_permit(office.settings, script, handed_over(office, document, document.facts.get("reference", "")))
    said = tuple(
        (label, "、".join(_named(office, table, text) for text in values(body, path)))
        for label, path, table in map(_line, query.lines)
    )
    validity = f"{permit.valid_from} 至 {permit.valid_until}"
    times = "一批一证" if permit.batch == "one" else "非一批一证" + (f"（不超过 {permit.uses} 次）" if permit.uses else "")
    boxes = (
        ("持证企业", permit.trader_name),
        ("申请编号", permit.application),
        *said,
        ("监管证件代码", "、".join(permit.codes)),
        ("批次", times),
        ("有效期", validity),
        ("发证日期", permit.issued),
    )
    issuer = _ISSUERS.get(office.authority, office.authority)
    seal = (f"{issuer}（模拟）许可证专用章", number, f"{permit.issued} 测试 TEST")
    goods = elements(body, script.licence.goods) if script.licence.goods else [body]
    lines = tuple(_goods(office, permit, place, row) for place, row in enumerate(goods, 1))
    return LicenceSheet(query.title, number, boxes, lines, seal)


def _line(text: str) -> tuple[str, str, str]:
    """``label=path`` or ``label=path:table``."""
    label, _, where = text.partition("=")
    path, _, table = where.partition(":")
    return label, path, table


def _goods(office: Office, permit: Permit, place: int, row: etree._Element) -> Cells:
    line = next(one for one in permit.lines if one.line == place)
    quantity = "" if line.approved is None else f"{line.approved:f} {_named(office, 'unit', line.unit)}"
    said = ["；".join(values(row, path)) for path in ("Spec/Model", "Spec/UnitPrice", "TotalAmount")]
    return str(place), line.code, line.name, said[0], quantity, *said[1:], _named(office, "currency", line.currency)


def _named(office: Office, table: str, code: str) -> str:
    return office.tables.name_of(table, code) if table and code else code


class _Painter:
    """A paper in the making: nothing leaves its box, and what has no room on a page goes to the next."""

    def __init__(self, sheet: LicenceSheet) -> None:
        self._sheet = sheet
        self._font = embedded_font(sheet.texts())
        self._bytes = io.BytesIO()
        self._canvas = Canvas(self._bytes, pagesize=A4, invariant=1, initialFontName=self._font)
        self._canvas.setTitle(f"{sheet.title} {sheet.number}")

    def painted(self) -> bytes:
        rows = [[self._folded(text, width) for text, width in zip(row, self._widths(), strict=True)] for row in self._sheet.goods]
        y = self._boxes(self._head(1))
        y = self._row([[name] for name, _ in _COLUMNS], y)
        page = 1
        for row in rows:
            if y - self._high(row) < _BOTTOM:
                self._foot()
                self._canvas.showPage()
                page += 1
                y = self._row([[name] for name, _ in _COLUMNS], self._head(page))
            y = self._row(row, y)
        self._foot()
        self._canvas.showPage()
        self._canvas.save()
        return self._bytes.getvalue()

    def _widths(self) -> list[float]:
        rest = _RIGHT - _LEFT - sum(width for _, width in _COLUMNS)
        return [width or rest for _, width in _COLUMNS]

    def _folded(self, text: str, width: float) -> list[str]:
        return [
            part for line in simpleSplit(text, self._font, _SIZE, width - 6) or [""] for part in self._broken(line, width - 6)
        ]

    def _broken(self, line: str, width: float) -> Iterator[str]:
        """Chinese has no blanks to be split at: letter by letter."""
        part = ""
        for letter in line:
            if part and self._canvas.stringWidth(part + letter, self._font, _SIZE) > width:
                yield part
                part = ""
            part += letter
        yield part

    @staticmethod
    def _high(row: Sequence[Sequence[str]]) -> float:
        return _LEADING * max(len(cell) for cell in row) + 6

    def _head(self, page: int) -> float:
        self._write((_LEFT + _RIGHT) / 2, _TOP, self._sheet.title, 17, centred=True)
        self._write(_LEFT, _TOP - 24, f"许可证号 {self._sheet.number}", 11)
        self._write(_RIGHT - 40, _TOP - 24, f"第 {page} 页", _SMALL)
        return float(_TOP - 34)

    def _boxes(self, y: float) -> float:
        half = (_RIGHT - _LEFT) / 2
        boxes = self._sheet.boxes
        for pair in (boxes[n : n + 2] for n in range(0, len(boxes), 2)):
            folded = [self._folded(text, half) for _, text in pair]
            high = self._high(folded) + 9
            for n, ((label, _), lines) in enumerate(zip(pair, folded, strict=True)):
                x = _LEFT + n * half
                self._canvas.rect(x, y - high, half if len(pair) == 2 else 2 * half, high)
                self._write(x + 3, y - 9, label, _SMALL)
                for at, line in enumerate(lines):
                    self._write(x + 3, y - 21 - at * _LEADING, line, _SIZE)
            y -= high
        return y - 8

    def _row(self, cells: Sequence[Sequence[str]], y: float) -> float:
        high, x = self._high(cells), _LEFT
        for lines, width in zip(cells, self._widths(), strict=True):
            self._canvas.rect(x, y - high, width, high)
            for at, line in enumerate(lines):
                self._write(x + 3, y - 12 - at * _LEADING, line, _SIZE)
            x += width
        return float(y - high)

    def _foot(self) -> None:
        left, bottom, right, top = _SEAL
        self._canvas.setFillColorRGB(0.8, 0, 0)
        self._canvas.setStrokeColorRGB(0.8, 0, 0)
        self._canvas.rect(left, bottom, right - left, top - bottom)
        self._canvas.setStrokeColorRGB(0, 0, 0)
        for at, line in enumerate(self._sheet.seal):
            self._write(left + 10, top - 20 - at * 16, line, _SIZE)
        self._write(_LEFT, bottom, _SAMPLE, _SIZE)
        self._canvas.setFillColorRGB(0, 0, 0)

    def _write(self, x: float, y: float, text: str, size: float, *, centred: bool = False) -> None:
        self._canvas.setFont(self._font, size)
        (self._canvas.drawCentredString if centred else self._canvas.drawString)(x, y, text)
