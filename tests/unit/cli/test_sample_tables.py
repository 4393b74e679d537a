"""Goods that our part of a code table does not have: warned of, taken with the sender's name for them, a fault once the home has the whole table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from homes import begins

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles

pytestmark = pytest.mark.requirement("GW-03")
Tongguan = Callable[..., Any]
PROFILES = Path(str(files("tongguan.gateway"))) / "profiles"
DECLARE = (PROFILES / "mofcom/NA.application/examples/ok-declare.xml").read_text("utf-8")
CATALOGUE = (PROFILES / "mofcom/ME.application/examples/ok-declare.xml").read_text("utf-8")
BENZENE = "2902200000"


@pytest.fixture
def home(home: Path) -> Path:
    """A home in which it is the day of the examples."""
    begins(home, "2026-11-20")
    return home


def with_goods(code: str, *, name: str = "") -> str:
    begin, end = DECLARE.index("<CodeTS>"), DECLARE.index("</CodeTS>")
    return DECLARE[:begin] + f"<CodeTS>{code}" + DECLARE[end:].replace("</CodeTS>", "</CodeTS>" + name, 1)


def looked_at(tongguan: Tongguan, folder: Path, text: str) -> tuple[int, list[dict[str, Any]]]:
    (folder / "m.xml").write_text(text, "utf-8")
    said = tongguan("check", folder / "m.xml", "--json", "--lang", "en")
    return said.code, said.json[0]["faults"]


def whole_table(home: Path, name: str, rows: list[list[str]]) -> None:
    installed = load_profiles().tables[name]
    header = list(installed.columns)
    rows = [*rows, *([row[column] for column in header] for row in installed.rows.values())]
    (home / "tables").mkdir(exist_ok=True)
    with (home / "tables" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_goods_outside_of_a_sample_are_a_warning_that_says_so(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    code, (found,) = looked_at(tongguan, tmp_path, with_goods(BENZENE, name="<Name>苯</Name>"))

    assert (code, found["code"], found["severity"], found["path"]) == (0, "GW-C43", "warning", "/NA.application/Goods[1]/CodeTS")
    assert BENZENE in found["message"]
    assert "tongguan tables import" in found["message"]


@pytest.mark.parametrize("code", ["29022000", "苯", "29022O0000", "２９０２２０００００"])
def test_what_no_table_can_have_is_a_fault_as_before(tongguan: Tongguan, home: Path, tmp_path: Path, code: str) -> None:
    ended, found = looked_at(tongguan, tmp_path, with_goods(code))

    assert ended == 1
    assert "GW-C14" in [fault["code"] for fault in found if fault["severity"] == "error"]


def test_a_sender_may_not_give_known_goods_another_name(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    known = DECLARE[DECLARE.index("<CodeTS>") + 8 : DECLARE.index("</CodeTS>")]
    ended, found = looked_at(tongguan, tmp_path, with_goods(known, name="<Name>苯</Name>"))

    assert (ended, [fault["severity"] for fault in found]) == (1, ["error"])


def test_with_the_whole_table_a_home_has_a_fault_and_its_own_names(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    whole_table(home, "commodity", [[BENZENE, "苯", "benzene", "035", "chemicals"]])
    right, _ = looked_at(tongguan, tmp_path, with_goods(BENZENE))
    wrong, found = looked_at(tongguan, tmp_path, with_goods("2902300000"))
    named, differs = looked_at(tongguan, tmp_path, with_goods(BENZENE, name="<Name>汽油</Name>"))

    assert (right, wrong, named) == (0, 1, 1)
    assert {fault["code"] for fault in found} == {"GW-C14"}
    assert "苯" in differs[0]["message"]


def test_rows_that_a_home_adds_leave_the_table_a_sample(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    (home / "profiles" / "tables").mkdir(parents=True)
    (home / "profiles" / "tables" / "commodity.csv").write_text(
        f"code,zh,en,unit,group\n{BENZENE},苯,benzene,035,chemicals\n", "utf-8"
    )

    assert looked_at(tongguan, tmp_path, with_goods(BENZENE)) == (0, [])
    assert looked_at(tongguan, tmp_path, with_goods("2902300000"))[0] == 0


def test_machines_outside_of_the_sample_of_the_catalogue_are_a_warning(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    begin, end = CATALOGUE.index("<CodeTS>"), CATALOGUE.index("</CodeTS>")
    ended, found = looked_at(tongguan, tmp_path, CATALOGUE[:begin] + "<CodeTS>8479899990" + CATALOGUE[end:])

    assert ended == 0, found
    assert {fault["severity"] for fault in found} == {"warning"}
    assert len(found) == 2, "of the code, and of the catalogue of that year"


def test_a_whole_table_has_the_columns_that_the_types_look_into(tongguan: Tongguan, home: Path) -> None:
    (home / "tables").mkdir()
    (home / "tables" / "commodity.csv").write_text(f"code,zh,en\n{BENZENE},苯,benzene\n", "utf-8")

    with pytest.raises(SettingsWrong, match=r"commodity\.csv:1.*code,zh,en,unit,group"):
        load_profiles(home=home)
