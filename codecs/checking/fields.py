"""Texts as senders write them to texts in canonical form: one small function for each field, made once.

Canonical: code as in its table, date `2026-11-20`, time with +08:00, number without superfluous zeros or sign, flag `1` or `0`.
A canonical text stays as it is, and no number ever passes through a binary fraction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from tongguan.codecs.checking.hints import MeantCodes
from tongguan.codecs.checking.secrets import is_reference
from tongguan.gateway.profile.profile import CodeTable, Field
from tongguan.gateway.system.times import CHINA

Convert = Callable[[str], str]
EXACT = Context(prec=200, rounding=ROUND_HALF_UP)  #: products and sums of any two amounts fit
FLAGS = {"true": "1", "1": "1", "是": "1", "false": "0", "0": "0", "否": "0"}
_UNITS = [Decimal(1).scaleb(-places, EXACT) for places in range(31)]
_NUMBER = re.compile(r"[+-]?[0-9]{1,60}(?:\.[0-9]{1,60})?")
_PLAIN = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")
#: what dates and times look like, in words that a schema reads too
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+\-][0-9]{2}:[0-9]{2})?"
_is_date, _is_time = re.compile(DATE).fullmatch, re.compile(TIME).fullmatch


class ValueWrong(Exception):
    """A text that its field does not take: fault code and what fills the blanks of its sentence."""

    def __init__(self, code: str, **facts: object) -> None:
        self.code, self.facts = code, facts
        super().__init__(code)


def converter(field: Field, tables: Mapping[str, CodeTable]) -> Convert:
    """The function that takes this field's text (blanks around it already gone) or raises Wrong."""
    match field.type:
        case "number":
            convert = _number(field)
        case "date":
            convert = _date
        case "datetime":
            convert = _time
        case "flag":
            convert = _flag
        case "secret":
            convert = _secret
        case "code" if field.code_table:
            convert = _code(tables[field.code_table])
        case _:
            convert = _text(field)
    return _formed(convert, field.pattern) if field.pattern else convert


def _text(field: Field) -> Convert:
    most, least = field.length or 1_000_000, int(field.least or 0)

    def convert(text: str) -> str:
        if least <= len(text) <= most and "\r" not in text:
            return text
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) > most:
            raise ValueWrong("GW-C04", most=most, count=len(text))
        if len(text) < least:
            raise ValueWrong("GW-C16", least=least, value=text)
        return text

    return convert


def _formed(convert: Convert, pattern: str) -> Convert:
    whole = re.compile(pattern).fullmatch

    def convert_and_look(text: str) -> str:
        value = convert(text)
        if whole(value):
            return value
        raise ValueWrong("GW-C05", value=text)

    return convert_and_look


class _Codes(dict[str, str]):
    """Each text that a field takes, to its canonical form."""

    def __init__(self, texts: Mapping[str, str], code: str, /, **facts: object) -> None:
        super().__init__(texts)
        self._wrong = code, facts

    def __missing__(self, text: str) -> str:
        code, facts = self._wrong
        raise ValueWrong(code, value=text, **facts)


class _SampleCodes(_Codes):
    """The same of a table that is a sample: what looks like a code is taken as one, and warned of where it stands."""

    is_code: Callable[[str], object]

    def __missing__(self, text: str) -> str:
        return text if self.is_code(text) else super().__missing__(text)


def _code(table: CodeTable) -> Convert:
    known = {**table.codes, **{code: code for code in table.rows}}  # a code goes before a name of the same letters
    if not table.sample:
        return _Codes(known, "GW-C14", table=table.name, meant=MeantCodes(table.rows)).__getitem__
    codes = _SampleCodes(known, "GW-C14", table=table.name, meant=MeantCodes(table.rows))
    codes.is_code = re.compile(table.sample, re.ASCII).fullmatch
    return codes.__getitem__


_COMPUTED = ("sum:", "product:", "usd:")


def canonical_number(text: str) -> str:
    """A plain number without superfluous zeros or sign; ValueError when it is none."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    sign = "-" if text[0] == "-" else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    bare = f"{whole}.{fraction}" if fraction else whole
    return bare if bare == "0" else sign + bare


def _number(field: Field) -> Convert:
    digits, places = field.length or 120, field.precision
    least = Decimal(field.least) if field.least else None
    most = Decimal(field.most) if field.most else None
    bounded = most is not None or (least is not None and least > _UNITS[places])
    no_zero = "" if least is None or least <= 0 else r"(?!0\Z)"
    computed = field.fill.startswith(_COMPUTED)  # what differs from the right figure is told with it
    whole_most = max(digits - places, 1)
    fraction_form = rf"(?:\.[0-9]{{0,{places - 1}}}[1-9])?" if places else ""
    # no bound but the digits' can be passed
    surely = re.compile(rf"{no_zero}(?:0|[1-9][0-9]{{0,{whole_most - 1}}}){fraction_form}").fullmatch

    def convert(text: str) -> str:
        if not bounded and surely(text):
            return text
        if not _PLAIN.fullmatch(text):
            try:
                text = canonical_number(text)
            except ValueError:
                raise ValueWrong("GW-C06", value=text) from None
        whole, _, fraction = text.lstrip("-").partition(".")
        if len(fraction) > places and not computed:
            raise ValueWrong("GW-C07", most=places, value=text)
        if (len(whole) if whole != "0" else 0) + len(fraction) > digits:
            raise ValueWrong("GW-C08", most=digits, value=text)
        if least is not None and Decimal(text) < least:
            raise ValueWrong("GW-C09", least=field.least, value=text)
        if most is not None and Decimal(text) > most:
            raise ValueWrong("GW-C10", most=field.most, value=text)
        return text

    return convert


def rounded(value: Decimal, places: int) -> str:
    """A computed amount, half-up to the field's decimals, in canonical form."""
    exact = value.quantize(_UNITS[places], ROUND_HALF_UP, EXACT)
    text = str(exact) if places < 6 else format(exact, "f")  # no exponent is written before the seventh decimal
    if places:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def parse_date(text: str) -> str | None:
    """`2026-11-20` of itself or of `20261120`; None for what is no day of the calendar."""
    if _is_date(text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
    return None


@lru_cache(maxsize=8192)
def _date(text: str) -> str:
    day = parse_date(text)
    if day is None:
        raise ValueWrong("GW-C11", value=text)
    return day


def _time(text: str) -> str:
    if _is_time(text):
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=CHINA) if moment.tzinfo is None else moment.astimezone(CHINA)
            return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
        except (ValueError, OverflowError):
            pass
    raise ValueWrong("GW-C12", value=text)


def _secret(text: str) -> str:
    """Where the secret is; whatever else stands there is never shown."""
    if not is_reference(text):
        raise ValueWrong("GW-C29")
    return text


_flag = _Codes(FLAGS, "GW-C13").__getitem__
