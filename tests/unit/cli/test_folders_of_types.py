"""Everything that a folder of a document type can say is looked at when it is loaded: by gateway, simulators and `profiles` alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.local import desk_steps
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.profile.profile import DESKS

pytestmark = pytest.mark.requirement("GW-03")
Tongguan = Callable[..., Any]
TYPE = "ZZ.copy"
WRONG = {
    "a desk step that there is not": ("profile.toml", 'desk = "save"', 'desk = "typo"', "typo"),
    "a desk operation without a step": ("profile.toml", 'desk = "delete"\n', "", ""),
    "a rule without at": ("rules.toml", None, '\n[[rule]]\nid = "ZZ-R99"\ncheck = "required"\npath = "Year"\nsays = { zh = "年", en = "year" }\n', "at"),
    "a rule that nothing asks": ("rules.toml", None, '\n[[rule]]\nid = "ZZ-R99"\nat = []\ncheck = "required"\npath = "Year"\nsays = { zh = "年", en = "year" }\n', "ZZ-R99"),
    "a layout that is named as a form": ("profile.toml", 'layout = "print-licence.toml"', 'layout = "form.toml"', "form.toml"),
    "a flow that opens no round": ("replies.toml", "opens_round = true", "", "opens_round"),
    "a flow of no operation": ("replies.toml", 'operation = "declare"', 'operation = "declar"', "declar"),
    "a number of an authority that is always the same": ("replies.toml", 'licence = "{yy}AB{serial:06d}"', 'licence = "{yy}AB"', "{serial}"),
    "a number of ours that is always the same": ("profile.toml", 'given = "{yyyy}{serial:06d}"', 'given = "{yyyy}"', "{serial}"),
    "a question first that there is not": ("profile.toml", 'asks_first = "check"', 'asks_first = "chek"', "chek"),
    "a question first of what does not ask": ("profile.toml", 'asks_first = "check"', 'asks_first = "save"', "options.keep"),
    "an answer that holds by no field": ("profile.toml", 'while_same = ["Exporter/Code", ', 'while_same = ["Yaer", ', "Yaer"),
    "what is kept of no answer": ("profile.toml", "options = { keep = { LicenceForm", "#", "while_same"),
    "a number that nothing fills": ("profile.toml", 'given = "{yyyy}{serial:06d}"', 'given = "{year}{serial:06d}"', "{year}"),
    "a check that there is not": ("rules.toml", 'check = "', 'check = "no_such_', "no_such_"),
}  # fmt: skip


def spoilt(home: Path, case: str) -> tuple[Path, str]:
    """A type of the home's own with one thing wrong: the file, and a word of what must be told."""
    name, old, new, word = WRONG[case]
    folder = home / "profiles" / "mofcom" / TYPE
    shutil.copytree(load_profiles()["EX.application"].folder, folder)
    shutil.rmtree(folder / "examples")
    file = folder / name
    text = file.read_text("utf-8")
    if "form.toml" in new:
        (folder / "form.toml").write_text("", "utf-8")
    if case == "a desk operation without a step":
        text += '\n[operation.withdraw2]\nway = "desk"\n'
    file.write_text(text + new if old is None else text.replace(old, new, 1), "utf-8")
    return file, word


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("command", ["profiles", "simulate", "run"])
def test_what_is_wrong_is_told_with_file_and_line_by_every_command(
    tongguan: Tongguan, home: Path, case: str, command: str
) -> None:
    file, word = spoilt(home, case)
    if command == "run":
        with pytest.raises(SettingsWrong) as wrong:
            Daemon(home)
        said = wrong.value.zh
    else:
        ended = tongguan(command, *([TYPE] if command == "profiles" else []))
        assert ended.code == 78
        said = ended.err

    line = next(line for line in said.splitlines() if f"{file.name}:" in line and TYPE in line)
    assert word in line
    assert int(line.partition(f"{file.name}:")[2].partition(":")[0]) >= 1


def test_the_desk_steps_that_a_profile_may_name_are_those_that_there_are() -> None:
    assert set(DESKS) == {*desk_steps(), "print", "query", "message"}
