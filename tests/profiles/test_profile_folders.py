"""What every profile folder must hold beside what its loader demands: examples, texts in both languages, sources."""

from __future__ import annotations

import csv
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

PROFILES = Path(str(files("tongguan"))) / "gateway" / "profiles"
FOLDERS = sorted(path.parent for path in PROFILES.glob("*/*/profile.toml"))
FORMS = sorted(path.parent for path in PROFILES.glob("*/*/form.toml"))
COLUMNS = [
    "path",
    "name",
    "label",
    "label_en",
    "type",
    "length",
    "precision",
    "least",
    "most",
    "pattern",
    "occurs",
    "code_table",
    "unit",
    "required_at",
    "changeable_by",
    "fill",
    "find",
    "line",
    "key",
    "sum",
    "sign_order",
    "source",
]

each_type = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda folder: folder.name)
each_folder = pytest.mark.parametrize("folder", FOLDERS + FORMS, ids=lambda folder: folder.name)


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _rules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "rules.toml"
    return list(_toml(path).get("rule", [])) if path.is_file() else []


def _fields(folder: Path) -> list[dict[str, str]]:
    if not (folder / "fields.csv").is_file():
        return []
    with (folder / "fields.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _layers(folder: Path) -> list[Path]:
    """The folder of the type's form, where it has one, and its own."""
    path = folder / "profile.toml"
    form = _toml(path).get("form") if path.is_file() else None
    return [(folder / form).resolve(), folder] if form else [folder]


def _said(folder: Path, key: str) -> list[Any]:
    """A list of tables of a type's profile, its form's first."""
    files = [layer / name for layer in _layers(folder) for name in ("form.toml", "profile.toml")]
    return [row for file in files if file.is_file() for row in _toml(file).get(key, [])]


def _scripts(folder: Path) -> list[dict[str, Any]]:
    return [_toml(layer / "replies.toml") for layer in _layers(folder) if (layer / "replies.toml").is_file()]


def _examples(folder: Path, kind: str) -> set[str]:
    return {path.name for path in (folder / "examples").glob(f"{kind}-*")}


def _elsewhere(after: str) -> str:
    """Where an example of another type, `TYPE/name`, lies below the profiles."""
    type_, _, name = after.partition("/")
    return next(
        (f"{folder.parent.name}/{type_}/examples/{name}" for folder in FOLDERS if name and folder.name == type_), "no-such"
    )


def test_there_are_folders() -> None:
    assert {"NA.application", "EW.declaration", "EW.other", "GW.message"} <= {folder.name for folder in FOLDERS}


@each_type
def test_every_rule_has_exactly_one_example_that_breaks_it(folder: Path) -> None:
    own = {f"bad-{rule['id']}.xml" for rule in _rules(folder)}
    form = {f"bad-{rule['id']}.xml" for layer in _layers(folder)[:-1] for rule in _rules(layer)}

    assert own <= _examples(folder, "bad") <= own | form


@each_form
def test_every_rule_of_a_form_is_broken_by_an_example_of_one_of_its_types(form: Path) -> None:
    types = [folder for folder in FOLDERS if form.resolve() in _layers(folder)]
    broken = sorted(name for folder in types for name in _examples(folder, "bad"))

    assert [name for name in broken if name in {f"bad-{rule['id']}.xml" for rule in _rules(form)}] == sorted(
        f"bad-{rule['id']}.xml" for rule in _rules(form)
    )


@each_type
def test_a_type_of_a_form_has_a_good_example_and_two_bad_ones(folder: Path) -> None:
    if len(_layers(folder)) > 1:
        assert _examples(folder, "ok")
        assert len(_examples(folder, "bad")) >= 2


@each_type
def test_every_good_example_says_what_it_ends_as(folder: Path) -> None:
    expected = _toml(folder / "examples" / "expect.toml")

    assert set(expected) == _examples(folder, "ok")


@each_type
def test_an_example_comes_after_the_examples_it_needs(folder: Path) -> None:
    expected = _toml(folder / "examples" / "expect.toml")
    order = list(expected)

    late = [
        (name, after)
        for name, row in expected.items()
        for after in row.get("after", [])
        if after not in order[: order.index(name)] and not (PROFILES / _elsewhere(after)).exists()
    ]

    assert late == []


@each_type
def test_expected_statuses_are_statuses_of_the_type(folder: Path) -> None:
    expected = _toml(folder / "examples" / "expect.toml")
    statuses = set(_said(folder, "status"))

    assert {row["status"] for row in expected.values() if "status" in row} <= statuses


@each_folder
def test_every_rule_speaks_both_languages_and_names_its_source(folder: Path) -> None:
    dumb = [rule["id"] for rule in _rules(folder) if not (rule["says"]["zh"] and rule["says"]["en"] and rule["from"])]

    assert dumb == []


@each_folder
def test_every_field_has_all_columns_a_label_in_both_languages_and_a_source(folder: Path) -> None:
    rows = _fields(folder)

    assert all(list(row) == COLUMNS for row in rows)
    assert [row["path"] for row in rows if not (row["label"] and row["label_en"] and row["source"])] == []


@each_type
def test_rules_speak_of_fields_that_exist(folder: Path) -> None:
    paths = {row["path"] for layer in _layers(folder) for row in _fields(layer)}
    spoken = {(rule["id"], rule["path"]) for rule in _rules(folder)}
    spoken |= {(rule["id"], one["path"]) for rule in _rules(folder) for one in rule.get("when", [])}
    spoken |= {(rule["id"], other) for rule in _rules(folder) for other in rule.get("with", {}).get("others", [])}

    assert sorted((id_, path) for id_, path in spoken if path not in paths) == []


def test_rule_ids_are_never_shared() -> None:
    ids = [rule["id"] for folder in FOLDERS + FORMS for rule in _rules(folder)]
    shared = {id_ for id_ in ids if ids.count(id_) > 1}

    assert shared == set()


@each_type
def test_a_receipt_in_the_simulators_script_is_known_to_the_profile(folder: Path) -> None:
    if not _scripts(folder):
        pytest.skip("no simulator answers this type")
    told = {code["code"] for script in _scripts(folder) for code in script.get("code", [])} - {"0", "1"}

    assert told <= {receipt["code"] for receipt in _said(folder, "receipt")}
