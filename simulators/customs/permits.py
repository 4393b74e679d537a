"""Read a licence that was handed over, as ``[licence]`` of its type's script says, into what customs keeps of it."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from lxml import etree

from tongguan.simulators.customs.ledger import Line, Permit
from tongguan.simulators.messages.markup import elements, first, values
from tongguan.simulators.script.decision_tables import chosen
from tongguan.simulators.script.licence_terms import CHOICE, Terms
from tongguan.simulators.script.script import Replies
from tongguan.simulators.settings import Settings

QUANTITY = re.compile(r"\d{1,18}(\.\d{1,6})?")


class Unfit(Exception):
    """What was handed over does not make a licence; the text says why."""


def read_permit(settings: Settings, script: Replies, root: etree._Element) -> Permit:
    """Read a handed over document. ``root`` is the ``Licence`` element around it. Raises Unfit."""
    terms, document = script.licence, next(iter(root.iterchildren("{*}" + script.type)), None)
    if terms is None or document is None:
        raise Unfit(f"没有 {script.type} 单证")
    sender, account, issued = script.authority, root.get("account") or "", root.get("issued_on") or ""
    applicant = codes_like(settings, [account])
    traders = codes_like(settings, [text for path in terms.trader for text in values(document, path)]) or applicant
    batch = _said(script, document, terms.batch)
    valid_from, valid_until = _validity(terms, document, issued)
    return Permit(
        number=root.get(terms.number) or "",
        sender=sender,
        type=script.type,
        account=account,
        application=first(document, terms.application or script.number) or root.get("number") or "",
        applied=root.get("applied_on") or issued,
        issued=issued,
        valid_from=valid_from,
        valid_until=valid_until,
        codes=tuple(_said(script, document, code) for code in terms.codes),
        direction=_said(script, document, terms.direction),
        batch=batch,
        uses=1 if batch == "one" else terms.uses,
        regions=tuple(sorted({text[:2] for path in terms.ports for text in values(document, path)})),
        traders=traders,
        holders=tuple(dict.fromkeys(applicant + traders)),
        trader_name=first(document, terms.trader_name) or _name(settings, traders),
        owner_name=first(document, terms.owner_name),
        lines=tuple(_line(script, terms, place, line) for place, line in enumerate(_goods(terms, document), 1)),
    )


def own_permits(settings: Settings, sender: str) -> list[Permit]:
    """Read the licences of the book ``permit``, which stand in the settings and were never handed over. Raises ValueError."""
    return [_own(settings, sender, number, row) for number, row in settings.records.get("permit", {}).items()]


def _own(settings: Settings, sender: str, number: str, row: Mapping[str, Any]) -> Permit:
    traders = codes_like(settings, [str(row["trader"])])
    since = str(row.get("valid_from", "2026-01-01"))
    return Permit(
        number=number,
        sender=sender,
        type="",
        account=str(row["trader"]),
        application=number,
        applied=since,
        issued=since,
        valid_from=since,
        valid_until=str(row.get("valid_until", "9999-12-31")),
        codes=tuple(row["codes"]),
        direction=str(row["direction"]),
        batch="one" if row.get("uses") == 1 else "several",
        uses=int(row.get("uses", 0)),
        regions=tuple(str(text)[:2] for text in row.get("ports", ())),
        traders=traders,
        holders=traders,
        trader_name=_name(settings, traders),
        owner_name="",
        lines=tuple(
            Line(n, goods["code"], goods.get("name", ""), goods["unit"], Decimal(goods["quantity"]), Decimal(0), "", "")
            for n, goods in enumerate(row["goods"], 1)
        ),
    )


def codes_like(settings: Settings, codes: list[str]) -> tuple[str, ...]:
    """List every code of the enterprises that have one of these, and the codes themselves."""
    known = [one for one in settings.enterprises if {one.uscc, *one.codes.values()} & set(codes)]
    return tuple(dict.fromkeys([*codes, *(code for one in known for code in (one.uscc, *one.codes.values()))]))


def _name(settings: Settings, codes: tuple[str, ...]) -> str:
    return next((one.name for one in settings.enterprises if {one.uscc, *one.codes.values()} & set(codes)), "")


def _said(script: Replies, element: etree._Element, text: str) -> str:
    return chosen(script.choices[text.removeprefix(CHOICE)], element) if text.startswith(CHOICE) else text


def _goods(terms: Terms, document: etree._Element) -> list[etree._Element]:
    return elements(document, terms.goods) if terms.goods else [document]


def _line(script: Replies, terms: Terms, place: int, line: etree._Element) -> Line:
    quantity = first(line, [terms.quantity]) if terms.quantity else ""
    if quantity and not QUANTITY.fullmatch(quantity):
        raise Unfit(f"数量 {quantity} 不正确")
    over, code = _said(script, line, terms.over), first(line, [terms.code])
    return Line(
        line=place,
        code=code,
        name=first(line, [terms.name]),
        unit=first(line, [terms.unit]),
        approved=Decimal(quantity or 0) if terms.quantity and code else None,
        over=Decimal(over),
        price=first(line, [terms.price]) if terms.price else "",
        currency=first(line, [terms.currency]) if terms.currency else "",
    )


def _validity(terms: Terms, document: etree._Element, issued: str) -> tuple[str, str]:
    """Give first and last day: as the document says, but no longer than the terms allow."""
    given = first(document, terms.valid_until)
    since = first(document, terms.valid_from) or issued
    try:
        day = date.fromisoformat(issued)
        limits = [date.fromisoformat(given)] if given else []
        date.fromisoformat(since)
    except ValueError as error:
        raise Unfit(f"日期不正确: {error}") from error
    if terms.months:
        limits.append(_months_later(day, terms.months))
    if terms.within_year:
        limits.append(date(day.year, 12, 31))
    return since, min(limits).isoformat() if limits else "9999-12-31"


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
