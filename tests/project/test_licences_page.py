"""The page of the licence systems is what the profiles say, and the profiles are what the manual's table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tongguan.gateway.cli.profiles.registry import page
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import Profile

ROOT = Path(__file__).parents[2]
MANUAL = ROOT.parent / "shared" / "seeds" / "003_a3877bfadd5ba6cc.txt"
PROFILES = load_profiles()
LISTED = {profile.registry: profile for profile in PROFILES.values() if profile.registry}
#: rows 1 to 8, whose text is shifted in the manual: the right reading of requirement LR-01
SHIFTED = {1: "7 v", 2: "O", 3: "4", 4: "d", 5: "1", 6: "2 3", 7: "g", 8: "i"}


def codes(profile: Profile) -> str:
    return " ".join(dict.fromkeys(code for certificate in profile.certificates for code in certificate.codes))


@pytest.mark.parametrize(("file", "language"), [("licences.md", "en"), ("licences.zh.md", "zh")])
def test_the_page_is_in_step_with_the_profiles(file: str, language: str) -> None:
    assert (ROOT / "docs" / file).read_text(encoding="utf-8") == page(PROFILES, language)


@pytest.mark.requirement("LR-01")
def test_every_row_of_the_overview_is_a_type_of_its_own() -> None:
    numbers = [profile.registry for profile in PROFILES.values() if profile.registry]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) >= set(range(1, 29))
    assert {f"LR.{n:02d}" for n in range(4, 29)} == {LISTED[n].type for n in range(4, 29)}


@pytest.mark.requirement("LR-01")
@pytest.mark.parametrize("number", sorted(SHIFTED))
def test_the_first_rows_have_the_codes_of_the_right_reading(number: int) -> None:
    assert codes(LISTED[number]) == SHIFTED[number]


@pytest.mark.requirement("LR-01")
@pytest.mark.parametrize("number", range(1, 29))
def test_a_row_says_what_the_manual_says(number: int) -> None:
    if not MANUAL.is_file():
        pytest.skip("the manual is not beside the project")
    profile, cells = LISTED[number], manual_rows()[number]

    assert profile.title.zh == cells[0]
    ministry = PROFILES.tables["ministry"].rows[profile.ministry]["zh"]
    if number <= 8:
        return  # the other cells are shifted
    assert cells[1] in ("", ministry)
    assert cells[2] in ("", " ".join(certificate.text.zh for certificate in profile.certificates)) or cells[2] == first(profile)
    assert re.findall(r"\b(?:[A-Za-z]|[0-9]{3})\b", cells[3]) in ([], codes(profile).split())


def first(profile: Profile) -> str:
    """The first certificate: the others of a system stand in lines of their own."""
    return profile.certificates[0].text.zh


def manual_rows() -> dict[int, list[str]]:
    """Number to system, ministry, certificate and codes, of the four pages of the overview."""
    text = MANUAL.read_text(encoding="utf-8").partition("用户(注册)管理")[0]
    found = re.findall(r"^(\d{1,2})\t([^\t\n]*)(?:\t([^\t\n]*))?(?:\t([^\t\n]*))?(?:\t([^\t\n]*))?$", text, re.MULTILINE)
    return {int(number): list(cells) for number, *cells in found}


@pytest.mark.requirement("LR-01")
def test_a_ministry_that_the_manual_names_once_is_that_of_the_rows_below() -> None:
    assert [LISTED[n].ministry for n in range(9, 16)] == ["nmpa"] * 7
    assert [LISTED[n].ministry for n in range(16, 19)] == ["mara"] * 3
    assert [LISTED[n].ministry for n in range(1, 9)] == ["mofcom"] * 8
    assert [LISTED[n].ministry for n in (25, 26)] == ["pbc"] * 2


@pytest.mark.requirement("LR-01")
def test_codes_are_one_character_or_three_digits_and_their_case_matters() -> None:
    every = {code for profile in LISTED.values() for code in codes(profile).split()}

    assert {code for code in every if len(code) != 1} == {"612", "629", "526", "332", "331"}
    assert {"v", "V", "i", "I"} <= every
