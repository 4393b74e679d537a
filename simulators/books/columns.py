"""Read the words of a query that is answered by rows: books, columns, filters. What is wrong is told when the script is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COLUMN = re.compile(r"([A-Za-z_][\w.-]*)=(?:'([^']*)'|([^@']+?)(?:@(\w+))?)")

_PERMIT = [
    "application",
    "licence",
    "applied",
    "issued",
    "valid_from",
    "valid_until",
    "batch",
    "state",
    "trader_name",
    "owner_name",
]
_ENTRY = [
    "entry",
    "licence",
    "application",
    "contract",
    "bill",
    "trader_name",
    "owner_name",
    "trade_mode",
    "country",
    "port",
    "district",
    "packages",
    "date",
    "declared",
    "released",
    "cleared",
    "state",
]
_GOODS = ["line", "licence", "code", "name", "model", "quantity", "unit", "price", "currency"]
_LINE = ["line", "code", "name", "unit", "price", "currency", "approved", "remaining", "used", "uses"]
_USE = ["entry", "quantity", "over", "unit", "date", "state", "released", "cleared"]
#: book -> the names of its columns, and those of its inner rows by their name; nothing: any name
BOOKS: Mapping[str, tuple[frozenset[str], Mapping[str, frozenset[str]]] | None] = {
    "remaining": (frozenset(_PERMIT + _LINE), {"uses": frozenset(_USE)}),
    "writeoffs": (frozenset(_ENTRY), {"goods": frozenset(_GOODS)}),
    "clearances": (frozenset(_ENTRY), {"goods": frozenset(_GOODS)}),
    "declarations": (frozenset({"entry", "direction", "customs", "declared", "cleared", "lines"}), {}),
    "documents": None,
    "steps": None,
    "opinions": None,
    "table": None,
    "records": None,
}


@dataclass(frozen=True)
class Shown:
    """A column: its element, and where its text comes from. ``text`` wins; ``table`` gives names for codes."""

    element: str
    name: str
    table: str = ""
    text: str | None = None


@dataclass(frozen=True)
class Filter:
    """What an element of the question asks for; ``loose``: the column contains the text."""

    name: str
    loose: bool = False


def shown(text: str) -> Shown:
    """Read ``Element=name``, ``Element=name@table`` or ``Element='text'``. Raises ValueError."""
    if not (match := _COLUMN.fullmatch(text)):
        raise ValueError(f"column {text!r}: write Element=name, Element=name@table or Element='text'")
    element, fixed, name, table = match.groups()
    return Shown(element, name or "", table or "", fixed)


def asked(text: str) -> Filter:
    """Read ``name`` or ``~name``."""
    return Filter(text.removeprefix("~"), text.startswith("~"))


def check_rows(book: str, columns: Sequence[str], named: Sequence[str], inner: Mapping[str, Any]) -> None:
    """Check the words of a query; ``named`` are its filters and restrictions. Raises ValueError or KeyError."""
    if book not in BOOKS:
        raise ValueError(f"of = {book!r} is no book: {', '.join(BOOKS)}")
    names = [shown(column).name for column in columns] + [asked(text).name for text in named]
    inside = [shown(column).name for column in inner["columns"]] if inner else []
    if inner and (not inner["element"] or not inner["of"]):
        raise ValueError("inner rows want element, of and columns")
    if (known := BOOKS[book]) is None:
        return
    below = known[1].get(inner["of"], frozenset()) if inner else frozenset()
    if unknown := sorted({name for name in names if name} - known[0]) + sorted({name for name in inside if name} - below):
        raise ValueError(f"{book} has no column {unknown[0]!r}")
