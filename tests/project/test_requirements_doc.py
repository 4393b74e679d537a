"""docs/requirements.md names every row of the requirements once, and calls none done without a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "requirements.md"
LIST = ROOT.parent / "shared" / "domain" / "requirements.md"
ROW = re.compile(r"^\| ([A-Z]{2}-\d{2}) \|.*\| (done|not yet) \|$", re.MULTILINE)
ANY_ROW = re.compile(r"^\| ([A-Z]{2}-\d{2}) ", re.MULTILINE)
MARK = re.compile(r"pytest\.mark\.requirement\(([^)]*)\)")
ID = re.compile(r"[\"']([A-Z]{2}-\d{2})[\"']")


def _states() -> dict[str, str]:
    return dict(ROW.findall(PAGE.read_text(encoding="utf-8")))


def _marked() -> set[str]:
    sources = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    marks = (mark for path in sources for mark in MARK.findall(path.read_text(encoding="utf-8")))
    return {id_ for mark in marks for id_ in ID.findall(mark)}


def test_every_row_of_the_page_has_a_state_and_stands_there_once() -> None:
    rows = ANY_ROW.findall(PAGE.read_text(encoding="utf-8"))

    assert len(rows) == len(set(rows))
    assert set(rows) == set(_states())


def test_the_page_has_exactly_the_ids_of_the_requirements() -> None:
    if not LIST.is_file():
        pytest.skip(f"the requirements {LIST} are not here")

    assert sorted(_states()) == sorted(ANY_ROW.findall(LIST.read_text(encoding="utf-8")))


def test_every_row_called_done_has_a_test_marked_with_its_id() -> None:
    done = {id_ for id_, state in _states().items() if state == "done"}

    assert sorted(done - _marked()) == []


def test_no_test_is_marked_with_an_id_that_does_not_exist() -> None:
    assert sorted(_marked() - set(_states())) == []
