"""`tongguan documents`: what is left of licences, also of types that the home itself adds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journals import comes, document, open_journal, submission, written
from licence_types import LICENCE, LIST, NUMBER, write_types

from tongguan.gateway.model.outcome import Number, Take, TakenLine

IRON, COAL = "2601111000", "2701110000"
GOODS = [{"CodeTS": IRON, "Unit": "070", "Quantity": "100"}, {"CodeTS": COAL, "Unit": "070", "Quantity": "1"}]


@pytest.fixture
def filled(home: Path) -> Path:
    """A home with types of its own, whose list holds a part of a licence."""
    write_types(home / "profiles" / "mofcom")
    journal = open_journal(home)
    numbers = {"licence": NUMBER}
    approved = document("lic", type=LICENCE, status="approved", content={"Goods": GOODS}, numbers=numbers, counted_at=1)
    written(journal, comes(submission(), documents=(approved,), numbers=(Number(LICENCE, "licence", NUMBER, "lic", "demo"),)))
    takes = (Take("list", (TakenLine("lic", f"{IRON} 070", 3_050_000, None),)),)
    written(journal, comes(submission(), documents=(document("list", type=LIST, status="approved"),), takes=takes))
    journal.close()
    return home


def test_what_is_left_is_listed_with_what_this_gateways_documents_hold(filled: Path, tongguan: Callable[..., Any]) -> None:
    listed = tongguan("documents", "--remaining", "--json").json
    told = tongguan("documents", "--remaining").out

    assert [
        (line["licence"], line["document"], line["commodity"], line["approved"], line["taken"], line["left"]) for line in listed
    ] == [
        (NUMBER, "lic", IRON, "100", "30.5", "69.5"),
        (NUMBER, "lic", COAL, "1", "0", "1"),
    ]
    assert [NUMBER in line and "69.5" in line for line in told.splitlines() if IRON in line] == [True]


@pytest.mark.parametrize(("language", "word"), [("zh", "吨"), ("en", "tonne")])
def test_a_unit_is_called_by_its_name_for_readers_and_by_its_code_for_scripts(
    filled: Path, tongguan: Callable[..., Any], language: str, word: str
) -> None:
    told = tongguan("documents", "--remaining", "--lang", language).out
    scripts = tongguan("documents", "--remaining", "--lang", language, "--json").json

    assert [word in line.split() and "070" not in line.split() for line in told.splitlines() if IRON in line] == [True]
    assert {line["unit"] for line in scripts} == {"070"}


def test_only_licences_that_are_asked_for_are_listed(filled: Path, tongguan: Callable[..., Any]) -> None:
    assert tongguan("documents", "--remaining", "--type", "NA.application", "--json").json == []
    assert tongguan("documents", "--remaining", "--number", "other", "--json").json == []
    assert len(tongguan("documents", "--remaining", "--number", NUMBER, "--json").json) == 2


def test_a_documents_own_lines_tell_the_same(filled: Path, tongguan: Callable[..., Any]) -> None:
    (licence,) = tongguan("documents", "--type", LICENCE, "--json").json

    assert licence["business_status"]["text"] == "复审通过"
    assert [(line["taken"], line["left"]) for line in licence["quantities"]] == [("30.5", "69.5"), ("0", "1")]
