"""How an authority itself writes a document: profiles that say it wrongly are told of at start, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tongues import in_both_languages

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.fields import COLUMNS
from tongguan.gateway.profile.loading import load_profiles

FORM = """\
title = { zh = "报文", en = "Form" }
system = "XX"
signer = "Head/Agent"
[party]
names = "Head/Trader"
[own_form]
root = "Form"
namespace = "http://office.test/form"
reference = "Head/Own"
operation = "Head/Asked"
operations = { save = "S" }
dates = "yyyyMMdd"
without = ["Lists[]"]
[own_form.sealed]
"Head/Asked" = "operation"
[own_form.technical]
root = "Answer"
code = "Code"
[own_form.enclosed]
table = "Lists[]"
columns = ["No"]
file = "{Own}.csv"
told_in = "Paper[]"
row = { Name = "{file}" }
[status.draft]
code = "1"
zh = "暂存"
en = "draft"
[operation.save]
way = "desk"
desk = "save"
body = "whole"
allowed = ["", "draft"]
to = "draft"
"""
FIELDS = [
    {"path": "Head", "type": "group"},
    {"path": "Head/Own", "type": "text", "sign_order": "1"},
    {"path": "Head/Asked", "type": "text", "sign_order": "2:Head/Own=x"},
    {"path": "Head/Agent", "type": "text"},
    {"path": "Head/Trader", "type": "text"},
    {"path": "Head/Name", "type": "text", "fill": "default:party:title"},
    {"path": "Paper[]", "type": "table", "occurs": "0..3"},
    {"path": "Paper[]/Name", "type": "text"},
    {"path": "Lists[]", "type": "table", "occurs": "0..3"},
    {"path": "Lists[]/No", "type": "text"},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of profiles with a type of an authority's own form."""
    return written(tmp_path, "XX.form")


def written(root: Path, type_: str, fields: list[dict[str, str]] = FIELDS) -> Path:
    folder = root / "office" / type_
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.toml").write_text(FORM, "utf-8")
    rows = [",".join(field.get(column, "") for column in COLUMNS) for field in fields]
    (folder / "fields.csv").write_text("\n".join([",".join(COLUMNS), *rows, ""]), "utf-8")
    (folder.parent / "authority.toml").write_text('title={zh="某部",en="an office"}\naccount_code="uscc"\n', "utf-8")
    return root


def complaints(root: Path) -> list[str]:
    with pytest.raises(SettingsWrong) as wrong:
        compile_all(load_profiles(root, home=Path("none")))
    lines = wrong.value.en.splitlines()
    assert all(in_both_languages(f"{zh}\n{en}") for zh, en in zip(wrong.value.zh.splitlines(), lines, strict=True))
    return lines


def test_an_own_form_is_read(root: Path) -> None:
    form = load_profiles(root, home=Path("none"))["XX.form"].own_form

    assert form is not None and form.technical is not None and form.enclosed is not None
    assert (form.root, form.operations, form.sealed) == ("Form", {"save": "S"}, {"Head/Asked": "operation"})
    assert (form.technical.root, form.enclosed.file, form.business) == ("Answer", "{Own}.csv", None)


@pytest.mark.parametrize(
    ("right", "wrong", "word"),
    [
        ('"Head/Asked" = "operation"', '"Head/Asked" = "operations"', "'operations'"),
        ('"Head/Asked" = "operation"', '"Head/Askd" = "operation"', "'Head/Askd'"),
        ('reference = "Head/Own"', 'reference = "Head/Owm"', "'Head/Owm'"),
        ('operations = { save = "S" }', 'operations = { sav = "S" }', "'sav'"),
        ('dates = "yyyyMMdd"', 'dates = "ddMMyyyy"', "'ddMMyyyy'"),
        ('without = ["Lists[]"]', 'without = ["List[]"]', "'List[]'"),
        ('columns = ["No"]', 'columns = ["Number"]', "'Lists[]/Number'"),
        ('file = "{Own}.csv"', 'file = "{Owm}.csv"', "'Owm'"),
        ('row = { Name = "{file}" }', 'row = { Name = "{fil}" }', "'fil'"),
        ('root = "Form"\n', "", "root"),
        ('code = "Code"\n[own', 'code = "Code"\nnumbers = { seq = "No" }\n[own', "'seq'"),
        ('names = "Head/Trader"', 'names = "Head/Trade"', "'Head/Trade'"),
    ],
)
def test_a_word_that_means_nothing_is_told_with_its_place(root: Path, right: str, wrong: str, word: str) -> None:
    path = root / "office" / "XX.form" / "profile.toml"
    assert right in FORM
    path.write_text(FORM.replace(right, wrong, 1), "utf-8")

    told = complaints(root)

    assert any(word in line and line.startswith(f"{path}:") for line in told), told


@pytest.mark.parametrize("order", ["first", "2:Head/None=x", "1:"])
def test_an_order_of_signing_that_is_none_is_told_with_its_line(root: Path, order: str) -> None:
    written(root, "XX.form", [*FIELDS[:3], {"path": "Head/Agent", "type": "text", "sign_order": order}, *FIELDS[4:]])

    (told,) = complaints(root)

    assert told.startswith(f"{root / 'office' / 'XX.form' / 'fields.csv'}:5") and order in told


def test_two_types_cannot_have_the_same_root(root: Path) -> None:
    written(root, "XX.other")

    (told,) = complaints(root)

    assert "XX.form has the root {http://office.test/form}Form already" in told
