"""Read the code tables that the profiles share, ``tables/<name>.csv``, when they are first looked into."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

from tongguan.simulators.script.profile_folders import installed_profiles

TableRow = dict[str, str]


class Tables:
    """The tables beside the profile folders, or the ``whole`` ones of a home in their place, with a home's ``own`` rows in the place of those of their codes; a root without any uses the installed ones."""

    def __init__(self, root: Path | None = None, own: Path | None = None, whole: Path | None = None) -> None:
        beside = root / "tables" if root else None
        self._installed = beside if beside and beside.is_dir() else installed_profiles() / "tables"
        self._whole = whole
        self._own = own / "tables" if own else None
        self._samples = _samples(self._installed / "samples.toml")
        self._read: dict[str, list[TableRow]] = {}
        self._names: dict[str, dict[str, str]] = {}

    def rows(self, name: str) -> list[TableRow]:
        """List the lines of a table. Raises ValueError when there is none of that name."""
        if name not in self._read:
            paths = [path for folder in (self._base(name), self._own) if folder and (path := folder / f"{name}.csv").is_file()]
            if not paths:
                raise ValueError(f"no code table {name!r}")
            self._read[name] = list({row.get("code", ""): row for path in paths for row in _rows(path)}.values())
        return self._read[name]

    def name_of(self, table: str, code: str) -> str:
        """Give the Chinese name that a table has for a code, the code itself where it has none."""
        return self._codes(table).get(code) or code

    def has(self, table: str, code: str) -> bool:
        """Say whether a table has a code; of a table that is a sample, whether the whole one may have it."""
        return code in self._codes(table) or self._may_have(table, code)

    def _may_have(self, table: str, code: str) -> bool:
        form = self._samples.get(table) if self._base(table) == self._installed else None
        return form is not None and re.fullmatch(form, code, re.ASCII) is not None

    def _base(self, name: str) -> Path:
        return self._whole if self._whole and (self._whole / f"{name}.csv").is_file() else self._installed

    def _codes(self, table: str) -> dict[str, str]:
        if table not in self._names:
            self._names[table] = {row.get("code", ""): row.get("zh", "") for row in self.rows(table)}
        return self._names[table]


def _samples(path: Path) -> dict[str, str]:
    return dict(tomllib.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _rows(path: Path) -> list[TableRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file)]
