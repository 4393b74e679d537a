"""Write a declaration as its form (报关单): header boxes, six lines of goods a page, and on demand a visible seal that signs it.

Its font is embedded, cut to the letters that it uses. What customs seals carries one signature over all pages; the seal stands on the first.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from lxml import etree
from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.textobject import PDFTextObject

from tongguan.simulators.customs.held_declarations import HeldDeclaration
from tongguan.simulators.messages.lettering import embedded_font
from tongguan.simulators.messages.markup import elements, first
from tongguan.simulators.messages.pdf import signed
from tongguan.simulators.server.office import Office

_WIDTH, _HEIGHT = landscape(A4)
_LEFT, _RIGHT, _TOP = 30.0, _WIDTH - 30, _HEIGHT - 62
_SEAL = (int(_RIGHT) - 190, 10, int(_RIGHT) - 20, 66)  #: left, bottom, right, top
_BOX, _LINE = 26.0, 44.0  #: heights of a row of boxes, and of a line of goods
_LINES_A_PAGE = 6
_TITLES = {"I": "中华人民共和国海关进口货物报关单", "E": "中华人民共和国海关出口货物报关单"}
#: rows of boxes of the head: label (import, export where it differs or has none), element, code table, share of the row
_NONE, _PAPERS = "-", "DecLicenseDocus/LicenseDocu"
_Box = tuple[str, str, str, str, int]
_BOXES: tuple[tuple[_Box, ...], ...] = (
    (
        ("境内收货人", "境内发货人", "TradeName", "", 5),
        ("进境关别", "出境关别", "IEPort", "customs", 3),
        ("进口日期", "出口日期", "IEDate", "", 3),
        ("申报日期", "", "declared", "", 3),
        ("备案号", "", "ManualNo", "", 3),
    ),
    (
        ("境外发货人", "境外收货人", "Overseas", "", 5),
        ("运输方式", "", "TrafMode", "transport_mode", 3),
        ("运输工具名称及航次号", "", "TrafName", "", 3),
        ("提运单号", "", "BillNo", "", 3),
        ("货物存放地点", _NONE, "GoodsPlace", "", 3),
    ),
    (
        ("消费使用单位", "生产销售单位", "OwnerName", "", 5),
        ("监管方式", "", "TradeMode", "trade_mode", 3),
        ("征免性质", "", "CutMode", "cut_mode", 3),
        ("许可证号", "", "LicenseNo", "", 3),
        ("启运港", _NONE, "DespPortCode", "port", 3),
    ),
    (
        ("合同协议号", "", "ContrNo", "", 5),
        ("贸易国（地区）", "", "TradeAreaCode", "country", 3),
        ("启运国（地区）", "运抵国（地区）", "TradeCountry", "country", 3),
        ("经停港", "指运港", "DistinatePort", "port", 3),
        ("入境口岸", "离境口岸", "EntyPortCode", "port", 3),
    ),
    (
        ("包装种类", "", "WrapType", "package_type", 5),
        ("件数", "", "PackNo", "", 2),
        ("毛重（千克）", "", "GrossWet", "", 2),
        ("净重（千克）", "", "NetWt", "", 2),
        ("成交方式", "", "TransMode", "transaction_mode", 2),
        ("运费", "", "FeeRate", "", 2),
        ("保费", "", "InsurRate", "", 2),
        ("杂费", "", "OtherRate", "", 2),
    ),
    (("随附单证及编号", "", _PAPERS, "", 19),),
    (("标记唛码及备注", "", "NoteS", "", 19),),
)
_COLUMNS = (
    ("项号", 32), ("商品编号", 66), ("商品名称及规格型号", 176), ("数量及单位", 96), ("单价/总价/币制", 96),
    ("原产国（地区）", 78), ("最终目的国（地区）", 88), ("境内目的地/货源地", 84), ("征免", 66),
)  # fmt: skip


def declaration_pdf(office: Office, held: HeldDeclaration, *, seals: bool) -> bytes:
    """Make the form of a declaration; sealed it verifies with any reader."""
    form = declaration_form(office, held, seals=seals)
    return signed(form, office.sealer, f"报关单 {held.entry}", _SEAL) if seals else form


def declaration_form(office: Office, held: HeldDeclaration, *, seals: bool) -> bytes:
    """Draw the form, with the seal in its place or without; nothing is signed."""
    seal = ("海关总署（模拟） 报关单证专用章", held.entry, f"{office.today()} 测试 TEST") if seals else ()
    return _FormWriter(office, held, seal).written()


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of text at its place; one that is longer than ``within`` is cut, and ends in a dot."""

    x: float
    y: float
    text: str
    size: int
    within: float = 0
    centred: bool = False

    def draw(self, text: PDFTextObject, font: str) -> None:
        shown = self.text
        while self.within and len(shown) > 1 and pdfmetrics.stringWidth(shown, font, self.size) > self.within:
            shown = shown[:-2] + "…"
        text.setFont(font, self.size)
        text.setTextOrigin(self.x - (pdfmetrics.stringWidth(shown, font, self.size) / 2 if self.centred else 0), self.y)
        text.textOut(shown)


_Rectangle = tuple[float, float, float, float]
"""Left, bottom, width, height."""


class _FormWriter:
    """A form in the making: what stands on its pages is gathered first, as its font has the letters of all of them."""

    def __init__(self, office: Office, held: HeldDeclaration, seal: Sequence[str]) -> None:
        self._office, self._held, self._seal = office, held, seal
        self._texts: list[_Text] = []  #: of the page in hand
        self._rectangles: list[_Rectangle] = []

    def written(self) -> bytes:
        """Gather, then draw."""
        lines = elements(self._held.message, "DecLists/DecList")
        parts = [lines[n : n + _LINES_A_PAGE] for n in range(0, len(lines), _LINES_A_PAGE)] or [[]]
        pages = [self._gathered(self._page, rows, number, len(parts)) for number, rows in enumerate(parts, 1)]
        stamp = self._gathered(self._stamp)
        font, target = embedded_font(one.text for texts, _ in (*pages, stamp) for one in texts), io.BytesIO()
        canvas = Canvas(target, pagesize=(_WIDTH, _HEIGHT), invariant=1, initialFontName=font)
        canvas.setTitle(f"报关单 {self._held.entry}")
        for number, page in enumerate(pages, 1):
            _draw(canvas, font, *page)
            if number == 1 and self._seal:
                canvas.setStrokeColorRGB(0.8, 0, 0)
                canvas.setFillColorRGB(0.8, 0, 0)
                _draw(canvas, font, *stamp)
            canvas.showPage()
        canvas.save()
        return target.getvalue()

    def _gathered(self, write: Callable[..., None], *about: Any) -> tuple[list[_Text], list[_Rectangle]]:
        self._texts, self._rectangles = [], []
        write(*about)
        return self._texts, self._rectangles

    def _stamp(self) -> None:
        left, bottom, right, top = _SEAL
        self._rectangles.append((left, bottom, right - left, top - bottom))
        for at, line in enumerate(self._seal):
            self._text(left + 8, top - 18 - 17 * at, line, 9)

    def _page(self, rows: Sequence[etree._Element], number: int, of: int) -> None:
        held = self._held
        self._text(_WIDTH / 2, _HEIGHT - 34, _TITLES[held.direction], 16, centred=True)
        top = _HEIGHT - 52
        self._text(_LEFT, top, f"预录入编号：{self._head('SeqNo')}", 9)
        self._text(_WIDTH / 2 - 90, top, f"海关编号：{held.entry}（{self._named('customs', self._head('CustomMaster'))}）", 9)
        self._text(_RIGHT - 120, top, f"页码/页数：{number}/{of}", 9)
        y = _TOP
        for boxes in _BOXES:
            y = self._boxes(boxes, y)
        y = self._heading(y)
        for row in rows:
            y = self._goods(row, y)
        self._text(_LEFT, 52, f"申报单位：{self._head('AgentName') or self._head('AgentCode')}", 9)
        self._text(_LEFT, 38, "兹申明对以上内容承担如实申报、依法纳税之法律责任", 9)
        self._text(_LEFT, 24, "测试 TEST：由模拟海关制作，无法律效力", 9)

    def _boxes(self, boxes: Sequence[_Box], y: float) -> float:
        shown = [box for box in boxes if self._held.direction == "I" or box[1] != _NONE]
        whole, x = sum(share for *_, share in shown), _LEFT
        for label, other, name, table, share in shown:
            width = (_RIGHT - _LEFT) * share / whole
            self._rectangles.append((x, y - _BOX, width, _BOX))
            self._text(x + 3, y - 9, other if other and self._held.direction == "E" else label, 7)
            self._text(x + 3, y - 21, self._value(name, table), 9, within=width - 6)
            x += width
        return y - _BOX

    def _heading(self, y: float) -> float:
        x = _LEFT
        for title, width in _COLUMNS:
            self._rectangles.append((x, y - 16, width, 16))
            self._text(x + 3, y - 11, title, 8, within=width - 6)
            x += width
        return y - 16

    def _goods(self, row: etree._Element, y: float) -> float:
        said = {one: first(row, [one]) for one in ("GNo", "CodeTS", "GName", "GModel", "DeclPrice", "DeclTotal", "DistrictCode")}
        amounts = [
            f"{first(row, [quantity])}{self._named('unit', first(row, [unit]))}"
            for quantity, unit in (("FirstQty", "FirstUnit"), ("SecondQty", "SecondUnit"), ("GQty", "GUnit"))
            if first(row, [quantity])
        ]
        cells = (
            [said["GNo"]],
            [said["CodeTS"]],
            [said["GName"], *_in_two(said["GModel"], dict(_COLUMNS)["商品名称及规格型号"] / 8 - 1)],
            amounts,
            [said["DeclPrice"], said["DeclTotal"], self._named("currency", first(row, ["TradeCurr"]))],
            [self._named("country", first(row, ["OriginCountry"]))],
            [self._named("country", first(row, ["DestinationCountry"]))],
            [said["DistrictCode"]],
            [self._named("duty_mode", first(row, ["DutyMode"]))],
        )
        x = _LEFT
        for (_, width), texts in zip(_COLUMNS, cells, strict=True):
            self._rectangles.append((x, y - _LINE, width, _LINE))
            for n, text in enumerate(texts[:3]):
                self._text(x + 3, y - 11 - 13 * n, text, 8, within=width - 6)
            x += width
        return y - _LINE

    def _value(self, name: str, table: str) -> str:
        if name == "declared":
            return self._held.declared.replace("-", "")
        if name == _PAPERS:
            papers = elements(self._held.message, name)
            return "；".join(f"{first(one, ['DocuCode'])}:{first(one, ['CertCode'])}" for one in papers)
        if name == "Overseas":
            return self._head("OverseasConsignorEname") or self._head("OverseasConsigneeEname")
        text = self._head(name)
        return self._named(table, text) if table else text

    def _head(self, name: str) -> str:
        return first(self._held.message, [f"DecHead/{name}"])

    def _named(self, table: str, code: str) -> str:
        name = self._office.tables.name_of(table, code) if code else ""
        return f"{name}({code})" if name and name != code else code

    def _text(self, x: float, y: float, text: str, size: int, *, within: float = 0, centred: bool = False) -> None:
        if text:
            self._texts.append(_Text(x, y, text, size, within, centred))


def _in_two(text: str, ems: float) -> tuple[str, str]:
    """What fits into so many ems, and the rest: a Chinese letter is as wide as it is high, others about half of that."""
    widths = accumulate(1.0 if letter >= "⺀" else 0.58 for letter in text)
    fits = sum(width <= ems for width in widths)
    return text[:fits], text[fits:]


def _draw(canvas: Canvas, font: str, texts: Sequence[_Text], boxes: Sequence[_Rectangle]) -> None:
    for box in boxes:
        canvas.rect(*box)
    drawn = canvas.beginText()
    for one in texts:
        one.draw(drawn, font)
    canvas.drawText(drawn)
