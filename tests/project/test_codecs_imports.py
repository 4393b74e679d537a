"""`codecs/` has no `__init__.py` (type checkers would take it for the standard library's), so import-linter does not see it."""

from __future__ import annotations

import ast
from pathlib import Path

import tongguan.gateway

ROOT = Path(tongguan.gateway.__path__[0]).resolve().parent
STATIONS = ("inbox", "signer", "outbox", "routes", "simulators")


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_codecs_know_the_kernel_and_nobody_else() -> None:
    strangers = {
        f"{file.name}: {name}"
        for file in (ROOT / "codecs").rglob("*.py")
        for name in imported(file)
        if name.startswith("tongguan.") and not name.startswith(("tongguan.codecs", "tongguan.gateway.kernel"))
    }

    assert strangers == set()


def test_no_other_station_and_not_the_kernel_knows_the_codecs() -> None:
    folders = [*(ROOT / station for station in STATIONS), ROOT / "gateway" / "kernel"]
    guests = {
        str(file.relative_to(ROOT))
        for folder in folders
        for file in folder.rglob("*.py")
        if any(name.startswith("tongguan.codecs") for name in imported(file))
    }

    assert guests == set()
