"""A filled form: plain texts in boxes and tables, ready to be set on pages. It crosses to the PDF process as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

UNITS = 24  #: the width of a page, in the units of boxes


@dataclass(frozen=True, slots=True)
class Box:
    """One box of a form: a label over a value."""

    label: str
    value: str
    width: int = UNITS  #: of the row's units; what is left over goes to the last box of a row
    lines: int = 1  #: least height of the value, in lines


@dataclass(frozen=True, slots=True)
class Boxes:
    heading: str
    rows: tuple[tuple[Box, ...], ...]


@dataclass(frozen=True, slots=True)
class GridColumn:
    label: str
    width: int = 1  #: its share of the page
    align: str = "left"  #: left | right | center
    group: str = ""  #: stands over neighbours of the same group


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its labels are repeated on each page that it runs over."""

    heading: str
    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: tuple[str, ...] = ()


Block = Boxes | Grid


@dataclass(frozen=True, slots=True)
class Sheet:
    """One document on paper; its pages are counted by themselves."""

    title: str
    blocks: tuple[Block, ...]
    number: str = ""  #: over the form, at the right
    foot: str = ""
    environment: str = ""  #: word on every page that says that this is no real paper; empty in production
    language: str = "zh"
    landscape: bool = False


def to_bytes(sheets: Sequence[Sheet]) -> bytes:
    return orjson.dumps(sheets)


def from_bytes(raw: bytes) -> tuple[Sheet, ...]:
    """The sheets again; raises ValueError, KeyError or TypeError for anything else."""
    return tuple(_sheet(given) for given in orjson.loads(raw))


def _sheet(given: Mapping[str, Any]) -> Sheet:
    return Sheet(**{**given, "blocks": tuple(_block(block) for block in given["blocks"])})


def _block(given: Mapping[str, Any]) -> Block:
    if "columns" not in given:
        return Boxes(given["heading"], tuple(tuple(Box(**box) for box in row) for row in given["rows"]))
    columns = tuple(GridColumn(**column) for column in given["columns"])
    return Grid(given["heading"], columns, tuple(tuple(row) for row in given["rows"]), tuple(given["totals"]))
