"""`codecs/` has no `__init__.py` (type checkers would take it for the standard library's), so import-linter does not see it."""

from __future__ import annotations

import ast
from pathlib import Path

import tongguan.gateway

ROOT = Path(tongguan.gateway.__path__[0]).resolve().parent
STATIONS = ("inbox", "signer", "outbox", "routes", "simulators")
PARTS = ("model", "system", "settings", "profile", "document", "journal")  #: of the gateway, that the codecs may know


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_codecs_know_the_parts_below_the_sides_and_nobody_else() -> None:
    strangers = {
        f"{file.name}: {name}"
        for file in (ROOT / "codecs").rglob("*.py")
        for name in imported(file)
        if name.startswith("tongguan.")
        and not name.startswith(("tongguan.codecs", *(f"tongguan.gateway.{part}" for part in PARTS)))
    }

    assert strangers == set()


def test_no_other_side_and_no_part_below_the_flow_knows_the_codecs() -> None:
    places = [*STATIONS, *(f"gateway/{part}" for part in (*PARTS, "work"))]
    files = [file for place in places for file in (*ROOT.glob(f"{place}.py"), *ROOT.glob(f"{place}/**/*.py"))]
    assert ROOT / "gateway" / "settings.py" in files
    guests = {str(file.relative_to(ROOT)) for file in files if any(name.startswith("tongguan.codecs") for name in imported(file))}

    assert guests == set()
