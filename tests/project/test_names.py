"""Names: one for each thing, and the field's own; what is said otherwise stands in docs/glossary.md, fifteen words at most."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("codecs", "gateway", "inbox", "outbox", "routes", "signer")
SIDES = {"ours": OURS, "simulators": ("simulators",)}  #: the simulators are another program: they may have a `Card` of their own
MOST_WORDS = 15

#: words that a newcomer would have to be told, and for which the field has a usual one
DIALECT = {
    "errand": "request, operation",
    "hand": "batch",
    "pen": "file writer",
    "news": "snapshot",
    "board": "index",
    "surroundings": "context",
    "patience": "backoff",
    "telling": "status files",
    "told": "update",
    "bell": "event",
    "particulars": "lookups",
    "visitor": "client",
    "walk": "validation",
    "places": "locations",
    "words": "vocabulary",
    "filling": "defaults, form",
    "findings": "faults",
    "looking": "views, queries",
    "ordering": "orders",
    "shown": "output",
    "here": "context",
    "survey": "report",
    "fitness": "checks",
    "founding": "setup",
    "fitting": "check",
    "changing": "record",
    "timekeeping": "clock changes",
    "secrecy": "secrets check",
    "believing": "verification",
    "returning": "recovery",
    "clockwork": "scheduler",
    "counter": "http app",
    "play": "player",
    "letter": "message",
    "letters": "font",
    "paper": "pdf",
    "press": "pdf worker",
    "painting": "pdf output",
    "setting": "typesetting",
    "marks": "drawing",
    "usual": "default",
    "spans": "durations",
    "choices": "decision tables",
}


def _modules(*parts: str) -> list[str]:
    told = subprocess.run(
        ["git", "ls-files", "-z", "--", *(f"{part}/*.py" for part in parts)], cwd=ROOT, capture_output=True, check=True
    )
    return sorted(name.decode() for name in told.stdout.split(b"\0") if name and (ROOT / name.decode()).is_file())


def _types(name: str) -> Iterator[str]:
    """Classes of a module, and the types that it gives a name to; type variables are none."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
        if (
            isinstance(target, ast.Name)
            and re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", target.id)
            and "TypeVar(" not in ast.unparse(node)
        ):
            yield target.id


def _identifiers(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name.lstrip("_")) if not name.islower() else name.strip("_").split("_")


@pytest.mark.parametrize("side", SIDES)
def test_no_two_classes_have_one_name(side: str) -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for module in _modules(*SIDES[side]):
        for name in _types(module):
            named[name.lstrip("_")].append(module)

    assert {name: where for name, where in named.items() if len(where) > 1} == {}


def test_no_module_has_a_name_of_a_dialect() -> None:
    stems = {module: Path(module).stem for module in _modules(*OURS, "simulators")}

    wrong = {module: DIALECT[word] for module, stem in stems.items() for word in _words(stem) if word in DIALECT}

    assert wrong == {}


def test_no_class_has_a_name_of_a_dialect() -> None:
    every = {(module, name) for module in _modules(*OURS) for name in _types(module)}

    wrong = {f"{module}: {name}" for module, name in every for word in _words(name) if word.lower() in DIALECT}

    assert wrong == set()


def test_the_glossary_has_few_words_each_with_its_chinese_and_one_sentence() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]

    assert 0 < len(rows) <= MOST_WORDS
    assert [word for word, *_ in rows] == sorted({word for word, *_ in rows})
    assert [word for word, chinese, said in rows if not re.search(r"[一-鿿]", chinese) or len(said) < 20 or ". " in said] == []
    assert {word for word, *_ in rows} & set(DIALECT) == set()


def test_every_word_of_the_glossary_is_used_in_the_code() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    words = {line.split("|")[1].strip() for line in lines if line.startswith("| ")} - {"word"}
    used = {word.lower() for module in _modules(*OURS) for name in _identifiers(module) for word in _words(name)}

    assert {word for word in words if not {word, f"{word}s"} & used} == set()
