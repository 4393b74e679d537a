"""Where a field is said to come from: a manual, or (ours); with the manuals at hand, that they name it and say that it is required."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

PROFILES = Path(str(files("tongguan"))) / "gateway" / "profiles"
MANUALS = Path(__file__).parents[2].parent / "shared" / "seeds"
FOLDERS = sorted(path.parent for path in PROFILES.glob("*/*/fields.csv"))
OURS = re.compile(r"(?:^|.+ )\((?:([a-z0-9 ,]+): )?ours\)$")
MANUAL = re.compile(r"(00[0-4]) ")
#: said of the whole page: 其他项为必填项
ALL_REQUIRED = "重农信息备案"

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
with_manuals = pytest.mark.skipif(not MANUALS.is_dir(), reason="the manuals are not here")


def fields(folder: Path) -> list[dict[str, str]]:
    with (folder / "fields.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def ours(source: str) -> str | None:
    """What of a field is ours, as its source says it; empty: all; None: nothing."""
    found = OURS.fullmatch(source)
    return None if found is None else found[1] or ""


def plain(text: str) -> str:
    return re.sub(r"[\s/]+", "", text.replace("（", "(").replace("）", ")"))


@cache
def manual(number: str) -> str:
    (path,) = MANUALS.glob(f"{number}_*.txt")
    return plain(path.read_text("utf-8"))


def is_named(text: str, label: str) -> bool:
    """Does a manual name the field: by its label, or by what is left without remarks in brackets and the digit of several alike?"""
    bare = re.sub(r"\(.*?\)|[0-9]+$", "", plain(label))
    return plain(label) in text or (len(bare) > 1 and bare in text)


def is_required(text: str, label: str) -> bool:
    word = re.escape(plain(label))
    return re.search(rf"(?<!非){word}[:：]?为?必填|\*{word}|\(如[^)]*{word}[^)]*\)为必填", text) is not None


@each_folder
def test_a_source_says_what_of_it_is_ours_in_one_way(folder: Path) -> None:
    assert [row["path"] for row in fields(folder) if "ours" in row["source"] and ours(row["source"]) is None] == []


@with_manuals
@each_folder
def test_what_no_manual_names_or_requires_is_marked_as_ours(folder: Path) -> None:
    wrong = []
    for row in fields(folder):
        cited, own = MANUAL.match(row["source"]), ours(row["source"])
        if cited is None or own == "":
            continue
        text = manual(cited[1])
        if row["type"] != "group" and not is_named(text, row["label"]) and "name" not in (own or ""):
            wrong.append((row["path"], "not named", row["source"]))
        said = ALL_REQUIRED in row["source"] or is_required(text, row["label"])
        if row["required_at"] and not said and "required" not in (own or ""):
            wrong.append((row["path"], "not required", row["source"]))

    assert wrong == []


@with_manuals
@each_folder
def test_what_a_source_cites_stands_in_its_manual(folder: Path) -> None:
    """Its words are headings and fields of the manual's page."""
    missing = []
    for row in fields(folder):
        for part in row["source"].split("; "):
            if cited := MANUAL.match(part):
                words = re.sub(r" \(.*\)$", "", part).split(" ")[1:]
                missing += [(row["path"], word) for word in words if plain(word) not in manual(cited[1])]

    assert missing == []
