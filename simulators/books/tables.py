"""Read the code tables that the profiles share, ``tables/<name>.csv``, when they are first looked into."""

from __future__ import annotations

import csv
from pathlib import Path

from tongguan.simulators.script.profile_folders import installed_profiles

TableRow = dict[str, str]


class Tables:
    """The tables beside the profile folders; a root without any uses the installed ones."""

    def __init__(self, root: Path | None = None) -> None:
        own = root / "tables" if root else None
        self._folder = own if own and own.is_dir() else installed_profiles() / "tables"
        self._read: dict[str, list[TableRow]] = {}
        self._names: dict[str, dict[str, str]] = {}

    def rows(self, name: str) -> list[TableRow]:
        """List the lines of a table. Raises ValueError when there is none of that name."""
        if name not in self._read:
            path = self._folder / f"{name}.csv"
            if not path.is_file():
                raise ValueError(f"no code table {name!r}")
            with path.open(encoding="utf-8-sig", newline="") as file:
                self._read[name] = [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file)]
        return self._read[name]

    def name_of(self, table: str, code: str) -> str:
        """Give the Chinese name that a table has for a code, the code itself where it has none."""
        if table not in self._names:
            self._names[table] = {row.get("code", ""): row.get("zh", "") for row in self.rows(table)}
        return self._names[table].get(code) or code
