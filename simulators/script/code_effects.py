"""Read what a code does beside being told: the days that it tells, the document that it changes, the licences that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class DayTerms:
    """A day told in the receipt's content: ``months`` after the one told before, or after that of the receipt.

    No later than the text at one of ``at``. With ``kind`` it is what was told of the document of that type which the text at
    ``named`` names. A marker of the name ``marker`` says another day, in eight digits.
    """

    months: int = 0
    at: tuple[str, ...] = ()
    kind: str = ""
    named: str = ""
    marker: str = ""


@dataclass(frozen=True)
class ChangeTerms:
    """How a document changes another: where it names it, and its rows of place, old and new text.

    ``cancels`` (``choice=value``): such documents cancel it, which makes ``cancelled`` its status. ``checks`` is the word by
    which checks of the other type say that what is changed is held against them.
    """

    kind: str
    named: str
    rows: str
    place: str = "Place"
    old: str = "Old"
    new: str = "New"
    cancels: str = ""
    cancelled: str = ""
    checks: str = "change"


@dataclass(frozen=True)
class CitingTerms:
    """Where a document cites licences, and for what; below ``goods`` the paths of a line. ``number``: whose use it is."""

    goods: str
    number: str
    direction: str
    port: str
    trader: tuple[str, ...]
    licence: tuple[str, ...] = ()
    line_licence: str = ""
    trader_name: tuple[str, ...] = ()
    trade_mode: tuple[str, ...] = ()
    trade_country: tuple[str, ...] = ()
    bill_no: tuple[str, ...] = ()
    contract_no: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    code: str = "CodeTS"
    name: str = "GName"
    model: str = "GModel"
    unit: str = "GUnit"
    quantity: str = "GQty"
    price: str = "DeclPrice"
    currency: str = "TradeCurr"
    only: str = ""  #: ``choice=value``: other documents use none


@dataclass(frozen=True)
class CollectTerms:
    """The documents of ``kind`` that a declaration collects: where it names them, whose they are, and what must add up.

    ``Here=There`` each: ``head`` is the same in all, ``sums`` are added, of rows those with the same ``key`` are added as
    ``row_sums``. ``straight`` belongs to the key, or, where ``swaps`` (``path=value``) holds, ``swapped``. ``marked``
    (``path=value Here=There``): added where the declaration has that value there, and else the same in all.
    """

    kind: str
    named: tuple[str, ...]
    owner: str
    number: str
    rows: str
    there: str
    key: tuple[str, ...]
    row_sums: tuple[str, ...]
    head: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    straight: tuple[str, ...] = ()
    swapped: tuple[str, ...] = ()
    swaps: str = ""
    marked: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldTerms:
    """Which documents are declarations that customs holds: of what kind, whose, under which of their numbers, and when cleared."""

    kind: str = ""
    trader: str = ""
    number: str = "entry"
    own: str = "seq"
    cleared: tuple[str, ...] = ()


@dataclass(frozen=True)
class MakeTerms:
    """What is made for each row of a request: ``what`` (print, export), and the states that its receipts tell.

    ``sealed``: at which path a text ``is`` what asks for a seal, and the state of what is ``made`` so. What is made is kept for
    so many ``months``; a declaration older than ``keeps`` months is none any more. The request ends as ``done``, ``partly`` or
    ``failed``.
    """

    what: str
    rows: str
    key: str
    making: str
    made: str
    unfinished: str
    old: str
    done: str
    partly: str
    failed: str
    failed_state: str = ""
    sealed: Mapping[str, str] = field(default_factory=dict)
    months: int = 1
    keeps: int = 36
    held: HeldTerms = field(default_factory=HeldTerms)


def read_make_terms(raw: dict[str, Any]) -> MakeTerms:
    """Read ``[makes]`` with its ``[makes.held]``. Raises as ``read_terms_of``."""
    held = read_terms_of(HeldTerms, "makes.held", raw.get("held", {}))
    return read_terms_of(MakeTerms, "makes", {**raw, "held": held})


def read_terms_of(kind: type[T], section: str, raw: dict[str, Any]) -> T:
    """Read a section. Raises ValueError for an unknown key, TypeError for a missing one."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(raw) - known):
        raise ValueError(f"unknown key {unknown[0]!r} in [{section}]")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})
