"""Read ``fields.csv`` of a type as an authority reads it: which elements a document may have, and what each must look like."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

FIELDS = "fields.csv"
_INDEX = re.compile(r"\[\d*\]")


@dataclass(frozen=True)
class FieldRule:
    """One element. ``occurs``: so many of it at most; ``length`` 0: any."""

    path: str
    label: str
    type: str
    length: int
    precision: int
    least: str
    most: str
    pattern: str
    occurs: int
    table: str
    required_at: frozenset[str]


FieldRules = Mapping[str, FieldRule]


def read_field_rules(*folders: Path) -> FieldRules:
    """Read the fields of a type, by path without brackets; a later folder's stand for those of the same path before."""
    found: dict[str, FieldRule] = {}
    for path in (folder / FIELDS for folder in folders):
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                found |= {bare_path(row["path"]): _rule(row) for row in csv.DictReader(file)}
    return found


def as_written(rules: FieldRules, without: Sequence[str], *, compact_days: bool) -> FieldRules:
    """Give the rules of an authority's own format: without what that does not have, and days in its shape."""
    gone = tuple(bare_path(path) for path in without)
    kept = {path: rule for path, rule in rules.items() if not any(path == one or path.startswith(f"{one}/") for one in gone)}
    return {path: replace(rule, type="day") if compact_days and rule.type == "date" else rule for path, rule in kept.items()}


def bare_path(place: str) -> str:
    """Give the path of a place: without the numbers of its rows."""
    return _INDEX.sub("", place)


def label_at(rules: FieldRules, place: str) -> str:
    """Give the label of the field at a place, its name where it has none."""
    rule = rules.get(bare_path(place))
    return rule.label if rule else place.rpartition("/")[2]


def canonical(rules: FieldRules, path: str, text: str) -> str:
    """Give a text as it is compared: numbers by their worth, days without hyphens."""
    rule = rules.get(path)
    if rule and rule.type == "number" and re.fullmatch(r"\d+(\.\d+)?", text):
        whole, _, fraction = text.partition(".")
        return f"{whole.lstrip('0') or '0'}.{fraction.rstrip('0')}"
    return text.replace("-", "") if rule and rule.type in ("date", "day") else text


def _rule(row: Mapping[str, str]) -> FieldRule:
    most = row["occurs"].rpartition("..")[2] or "1"
    return FieldRule(
        path=bare_path(row["path"]),
        label=row["label"],
        type=row["type"],
        length=int(row["length"] or 0),
        precision=int(row["precision"] or 0),
        least=row["least"],
        most=row["most"],
        pattern=row["pattern"],
        occurs=sys.maxsize if most == "n" else int(most),
        table=row["code_table"],
        required_at=frozenset(row["required_at"].split()),
    )
