"""Numbers as people list them: with commas, or in a file that a spreadsheet or an editor has written.

Promises: a number is taken only as it was typed. What a spreadsheet has rounded, calculated or made a date of is refused with its cell and
the reason, and so is whatever looks like such a number and is none; words beside the numbers are left alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tongguan.codecs.reading.faults import fault
from tongguan.codecs.reading.formats.sheet import SheetCell, read_sheet
from tongguan.gateway.model.errors import Refused
from tongguan.gateway.profile.profile import Text

MOST_BYTES = 1_000_000  #: of a file that lists numbers
_MOST_UNPACKED = 5_000_000  #: bytes of a workbook
_MOST_ROWS = 5_000
_SEPARATORS = re.compile(r"[,，;；、\s]+")
_SCIENTIFIC = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE][+\-]?[0-9]+")
_LEAST_DIGITS = 12  #: a cell of so many digits is meant as a number of a document; fewer count lines, pieces or years
_RUN = re.compile(rf"(?<![0-9A-Za-z])\d{{{_LEAST_DIGITS},}}")  #: behind a word: `报关单号：530120…`
_QUOTES = "='\"‘’“”＇＂`"  #: by which people keep a spreadsheet from taking a text for a number
_MOST_TOLD = 20
"".encode("gb18030")  # loaded here: whoever decides touches no file


@dataclass(frozen=True, slots=True)
class NumberForm:
    """What such a number looks like, and how that is said."""

    pattern: re.Pattern[str]
    says: Text


@dataclass(frozen=True, slots=True)
class ListedNumber:
    """A number, and where it stands: `B3` of a file, `2` of a text."""

    place: str
    number: str


@dataclass(frozen=True, slots=True)
class UnusableNumber:
    """What stands where a number should, and why it cannot be taken, in both languages."""

    place: str
    text: str
    zh: str
    en: str


TypedNumber = ListedNumber | UnusableNumber


def numbers_in_text(text: str, form: NumberForm) -> list[TypedNumber]:
    """The numbers of a text with commas, half or full width, blanks or line ends between them: everything there must be one."""
    parts = [part for part in _SEPARATORS.split(text) if part]
    return [_number(str(n), part, form) for n, part in enumerate(parts, 1)]


def numbers_in_file(content: bytes, name: str, form: NumberForm) -> list[TypedNumber]:
    """The numbers of a .txt, .csv or .xlsx file, of a workbook those of its first sheet; raises Refused for a file that cannot be read."""
    if len(content) > MOST_BYTES:
        raise Refused([fault("GW-E05", name=name, size=len(content), most=MOST_BYTES)])
    rows = read_sheet(content, name, most_rows=_MOST_ROWS, most_unpacked=_MOST_UNPACKED)
    _, first = next(groupby(rows, key=lambda row: row.sheet), ("", ()))
    return [found for row in first for cell in row.cells for found in _of_cell(cell, form)]


def _of_cell(cell: SheetCell, form: NumberForm) -> Iterator[TypedNumber]:
    digits = sum(letter.isdigit() for letter in cell.text)
    match cell.kind:
        case "formula":
            yield UnusableNumber(cell.place, cell.text, "是公式，请改为文本", "is a formula: make it a text")
        case "date":
            yield UnusableNumber(cell.place, cell.text, "是日期，不是编号", "is a date, and no number of a document")
        case "error":
            yield UnusableNumber(cell.place, cell.text, "是错误值", "is an error value")
        case "number" if digits >= _LEAST_DIGITS or _SCIENTIFIC.fullmatch(cell.text):
            yield UnusableNumber(
                cell.place,
                cell.text,
                "是数值单元格：电子表格只保留 15 位数字，请改为文本后重新输入",
                "is a number cell: spreadsheets keep 15 digits of it; make the cell a text and type the number again",
            )
        case "text":
            for part in _SEPARATORS.split(cell.text):
                bare = part.strip(_QUOTES)
                if bare and (form.pattern.fullmatch(bare) or _meant_as_number(bare)):
                    yield _number(cell.place, bare, form)


def _meant_as_number(part: str) -> bool:
    digits = sum(letter.isdigit() for letter in part)
    begins = digits >= _LEAST_DIGITS and part[0].isdigit()
    return bool(_SCIENTIFIC.fullmatch(part)) or begins or _RUN.search(part) is not None


def _number(place: str, part: str, form: NumberForm) -> TypedNumber:
    if form.pattern.fullmatch(part):
        return ListedNumber(place, part)
    if _SCIENTIFIC.fullmatch(part):
        return UnusableNumber(
            place,
            part,
            "是科学记数，尾数已丢失：请改为文本后重新输入",
            "is in scientific notation and has lost its last digits: type it as a text",
        )
    if form.pattern.fullmatch(unicodedata.normalize("NFKC", part)):
        return UnusableNumber(place, part, "含全角数字，请改为半角", "has full-width digits: type them half-width")
    length = len(part)
    return UnusableNumber(place, part, f"有 {length} 位；{form.says.zh}", f"has {length} letters; {form.says.en}")


def unusable(found: Sequence[TypedNumber], known: Sequence[str], *, most: int) -> list[UnusableNumber]:
    """What is wrong with numbers that were listed: each by itself, twice, too many. `known`: numbers that stand in the message besides."""
    wrong = [one for one in found if isinstance(one, UnusableNumber)]
    seen = dict.fromkeys(known, "Entry")
    for one in found:
        if not isinstance(one, ListedNumber):
            continue
        if one.number in seen:
            before = seen[one.number]
            wrong.append(UnusableNumber(one.place, one.number, f"重复，已见于 {before}", f"stands twice, before at {before}"))
        elif len(seen) == most:
            wrong.append(UnusableNumber(one.place, one.number, f"超过 {most} 个", f"is one too many: at most {most}"))
            break
        seen.setdefault(one.number, one.place)
    return wrong[:_MOST_TOLD]
