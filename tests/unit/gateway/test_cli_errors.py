from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tongguan = Callable[..., Any]

LOOKING = [
    ["list"],
    ["show", "x"],
    ["timeline", "x"],
    ["answers", "x"],
    ["documents"],
    ["quarantine", "list"],
    ["audit", "verify"],
]
EVERYTHING = [*LOOKING, ["run"], ["status"], ["doctor"], ["config", "check"], ["card", "list"], ["hold", "x"]]


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_without_a_home_a_command_says_how_to_make_one(tongguan: Tongguan, tmp_path: Path, words: list[str]) -> None:
    said = tongguan(*words)

    assert (said.code, said.out) == (78, "")
    assert f"tongguan init {tmp_path / 'home'}" in said.err


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_an_unknown_key_is_told_with_the_nearest_known_one(tongguan: Tongguan, home: Path, words: list[str]) -> None:
    with (home / "tongguan.toml").open("a") as file:
        file.write("\n[schedule]\nreceipt = '5s'\n")

    said = tongguan(*words)

    assert said.code == 78
    assert "did you mean 'receipts'?" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_home_that_never_ran_is_told_to_be_started(tongguan: Tongguan, home: Path, words: list[str]) -> None:
    said = tongguan(*words, "--lang", "en")

    assert (1, f"nothing ran here yet; start: tongguan run --home {home}\n") == (said.code, said.err)
    assert not (home / "tongguan.db").exists()


def test_production_settings_in_a_test_gateway_stop_the_start(tongguan: Tongguan, home: Path) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text().replace('environment = "test"', 'environment = "production"', 1))

    said = tongguan("run")

    assert said.code == 78
    assert "test and production never mix" in said.err


def test_simulators_refuse_production(tongguan: Tongguan, home: Path) -> None:
    path = home / "simulators/simulators.toml"
    path.write_text(path.read_text().replace('environment = "test"', 'environment = "production"', 1))

    assert tongguan("simulate").code == 78


def test_the_home_is_the_option_then_the_environment_then_the_present_folder(
    tongguan: Tongguan, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tongguan("status", "--home", tmp_path / "other").code == 78
    assert tongguan("status").code == 2
    monkeypatch.delenv("TONGGUAN_HOME")
    assert tongguan("status").code == 78
    monkeypatch.chdir(home)
    assert tongguan("status").code == 2


def test_a_mistyped_command_is_told_the_nearest(tongguan: Tongguan) -> None:
    said = tongguan("statsu")

    assert said.code == 2
    assert "'status'" in said.err


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "tongguan.gateway.cli", "--help"], capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert "demo" in done.stdout


def test_every_command_explains_itself_in_both_languages(tongguan: Tongguan) -> None:
    for words in [[], ["list"], ["card"], ["card", "pin"], ["quarantine"], ["hold"], ["profiles"]]:
        said = tongguan(*words, "--help")

        assert said.code == 0
        assert any("一" <= letter <= "鿿" for letter in said.out), words
