"""Read the code tables that the profiles share, ``tables/<name>.csv``, when they are first looked into."""

from __future__ import annotations

import csv
from pathlib import Path

from tongguan.simulators.script.profile_folders import installed_profiles

TableRow = dict[str, str]


class Tables:
    """The tables beside the profile folders, with a home's ``own`` rows in the place of those of their codes; a root without any uses the installed ones."""

    def __init__(self, root: Path | None = None, own: Path | None = None) -> None:
        beside = root / "tables" if root else None
        self._folders = [beside if beside and beside.is_dir() else installed_profiles() / "tables"]
        self._folders += [own / "tables"] if own else []
        self._read: dict[str, list[TableRow]] = {}
        self._names: dict[str, dict[str, str]] = {}

    def rows(self, name: str) -> list[TableRow]:
        """List the lines of a table. Raises ValueError when there is none of that name."""
        if name not in self._read:
            paths = [path for folder in self._folders if (path := folder / f"{name}.csv").is_file()]
            if not paths:
                raise ValueError(f"no code table {name!r}")
            self._read[name] = list({row.get("code", ""): row for path in paths for row in _rows(path)}.values())
        return self._read[name]

    def name_of(self, table: str, code: str) -> str:
        """Give the Chinese name that a table has for a code, the code itself where it has none."""
        return self._codes(table).get(code) or code

    def has(self, table: str, code: str) -> bool:
        """Say whether a table has a code."""
        return code in self._codes(table)

    def _codes(self, table: str) -> dict[str, str]:
        if table not in self._names:
            self._names[table] = {row.get("code", ""): row.get("zh", "") for row in self.rows(table)}
        return self._names[table]


def _rows(path: Path) -> list[TableRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file)]
