"""What a fault calls its place is said in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHINESE = re.compile(r"[\u4e00-\u9fff]")

pytestmark = pytest.mark.requirement("GW-03")


def in_one_language(module: ast.AST) -> Iterator[int]:
    """Lines on which the label of a fault is Chinese alone: a text, or a field's `label` without its `label_en` beside it."""
    set_ = [node for node in ast.walk(module) if isinstance(node, ast.Assign)]
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "fault":
            for said in (each.value for each in call.keywords if each.arg == "label"):
                named = [each.value for each in set_ if ast.unparse(each.targets[0]) == ast.unparse(said)]
                yield from (part.lineno for part in named or [said] if _alone(part))


def _alone(said: ast.expr) -> bool:
    text = ast.unparse(said)
    return (isinstance(said, ast.Constant) and bool(CHINESE.search(text))) or (".label" in text and "label_en" not in text)


def test_the_label_of_a_fault_is_never_chinese_alone() -> None:
    found = {
        str(file.relative_to(ROOT)): lines
        for file in (ROOT / "gateway" / "flow").rglob("*.py")
        if "model.faults import" in (text := file.read_text("utf-8"))
        if (lines := sorted(in_one_language(ast.parse(text))))
    }

    assert found == {}
