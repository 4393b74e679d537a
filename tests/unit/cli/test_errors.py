from __future__ import annotations

import contextlib
import errno
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.cli import context
from tongguan.gateway.cli.profiles import tables
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.settings import read_settings

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


@pytest.mark.parametrize("words", [*EVERYTHING, ["simulate"]], ids=" ".join)
def test_without_a_home_a_command_says_how_to_make_one(tongguan: Tongguan, tmp_path: Path, words: list[str]) -> None:
    said = tongguan(*words)

    assert (said.code, said.out) == (78, "")
    assert f"tongguan init {tmp_path / 'home'}" in said.err


@pytest.mark.parametrize("name", ["file/home", "x" * 300])
def test_a_home_in_a_place_that_the_system_refuses_is_told_without_a_traceback(
    tongguan: Tongguan, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()

    said = tongguan("init", tmp_path / name, "--card", "software", "--lang", "en")

    assert (said.code, said.out) == (74, "")
    assert f"the system refuses {tmp_path}" in said.err and "Traceback" not in said.err


@contextlib.contextmanager
def as_somebody_else() -> Iterator[None]:
    """Root is refused nothing."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.mark.parametrize("words", [["list"], ["run"], ["doctor"]], ids=" ".join)
def test_a_home_that_is_not_the_users_is_told_in_his_language(tongguan: Tongguan, words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        home = Path(place, "home")
        tongguan(*words, "--home", home)  # somebody else may be unable to load what it wants
        home.mkdir(mode=0)
        with as_somebody_else():
            said = tongguan(*words, "--home", home, "--lang", "zh")

    assert (said.code, said.out) == (78, "")
    owner = pwd.getpwuid(os.geteuid()).pw_name
    told = "请以 root 执行，或让 nobody 可读：setfacl -m u:nobody:rX" if os.geteuid() == 0 else f"chmod u+rX {home}"
    assert f"{home}/tongguan.toml: Permission denied；{home} 属于用户 {owner}，当前用户是" in said.err and told in said.err


def test_an_answer_that_finds_no_room_is_told_without_a_traceback(tongguan: Tongguan, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(text: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tables, "print_json", full)

    assert (tongguan("tables", "--json").code, tongguan("tables", "--json", "--lang", "en").err) == (
        74,
        "the system refuses: No space left on device; look at permissions, room on the disk, and who types this\n",
    )


def test_who_closes_the_output_is_told_nothing(home: Path) -> None:
    command = 'exec "$0" -m tongguan.gateway.cli tables --home "$1" >&-'

    said = subprocess.run(["/bin/sh", "-c", command, sys.executable, home], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stderr) == (0, "")


def of_another_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The system refuses the file of this name."""
    opened = Path.open

    def refused(path: Path, *how: Any, **also: Any) -> Any:
        if path.name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *how, **also)

    monkeypatch.setattr(Path, "open", refused)


@pytest.mark.parametrize("words", [["list"], ["pause", "account", "demo", "--why", "x"]], ids=" ".join)
def test_a_journal_of_another_user_is_no_damaged_one_to_be_restored(
    tongguan: Tongguan, home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (home / "tongguan.db").touch()
    of_another_user(monkeypatch, "tongguan.db")
    said = tongguan(*words, "--lang", "en")

    assert said.code == 78
    assert "tongguan.db: Permission denied; type it as the home's user" in said.err and "restore" not in said.err


@pytest.mark.parametrize("name", ["tongguan.db", "anchor.jsonl", "anchor.key"])
def test_doctor_tells_of_a_journal_of_another_user_beside_all_else(
    tongguan: Tongguan, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Daemon(home).stop()
    of_another_user(monkeypatch, name)
    said = tongguan("doctor", "--lang", "en", "--json")

    assert (said.code, said.err) == (1, "")
    (journal,) = [each for each in said.json if each["check"] == "journal"]
    assert journal["text"].endswith(f"{name}: Permission denied") and "as the home's user" in journal["do"]
    assert "tongguan doctor" not in journal["do"] and "restore" not in journal["do"]
    assert {"python", "settings", "profiles"} < {each["check"] for each in said.json}
    assert "Permission denied" in tongguan("status", "--lang", "en").out


def test_a_pin_or_a_token_of_another_user_is_not_to_be_written_anew(
    tongguan: Tongguan, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "secrets/route.token").write_text("abc")
    change_settings(home, "route.customs", "token", "file:secrets/route.token")
    for name, check in (("customs.pin", "pin demo-customs"), ("route.token", "route customs token")):
        with monkeypatch.context() as patch:
            of_another_user(patch, name)
            said = tongguan("doctor", "--lang", "en", "--json")
        advice = [each["do"] for each in said.json if each["check"] == check and "chmod" not in each["do"]]
        assert len(advice) == 1 and "look at its mode and owner: namei -l" in advice[0] and "write" not in advice[0]


def test_a_certificate_of_another_user_is_not_to_be_put_there_anew(
    tongguan: Tongguan, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, check in (
        ("customs.pem", "trust/customs.pem"),
        ("customs-encryption.pem", "secrets_to trust/customs-encryption.pem"),
    ):
        with monkeypatch.context() as patch:
            of_another_user(patch, name)
            said = tongguan("doctor", "--lang", "en", "--json")
        advice = [each["do"] for each in said.json if each["check"] == f"route customs {check}"]
        assert len(advice) == 1 and "look at its mode and owner: namei -l" in advice[0] and "put" not in advice[0]


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_without_a_journal_an_anchor_of_another_user_is_told_as_that(
    tongguan: Tongguan, home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    Daemon(home).stop()
    for file in home.glob("tongguan.db*"):
        file.unlink()
    of_another_user(monkeypatch, "anchor.jsonl")
    said = tongguan(command, "--lang", "en")

    assert "anchor.jsonl: Permission denied" in said.out + said.err and "Traceback" not in said.err
    assert "type it as the home's user" in said.out + said.err


def test_doctor_tells_of_a_journal_that_is_none_beside_all_else(tongguan: Tongguan, home: Path) -> None:
    (home / "tongguan.db").write_text("no journal")
    said = tongguan("doctor", "--lang", "en", "--json")

    assert (said.code, said.err) == (1, "")
    (journal,) = [each for each in said.json if each["check"] == "journal"]
    assert "tongguan.db" in journal["text"] and "restore" in journal["do"]


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_an_unknown_key_is_told_with_the_nearest_known_one(tongguan: Tongguan, home: Path, words: list[str]) -> None:
    with (home / "tongguan.toml").open("a") as file:
        file.write("\n[schedule]\nreceipt = '5s'\n")

    said = tongguan(*words, "--lang", "en")

    assert said.code == 78
    assert "did you mean 'receipts'?" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("was", "now", "zh", "en"),
    [
        ("[gateway]\n", "[gateway]\nsettel = '1s'\n", "没有 gateway.settel 这个键；是不是 'settle'？", "did you mean 'settle'?"),
        ("[gateway]\n", "[gateway]\nsettle = 'soon'\n", "不是时长", "is no duration"),
        ("title =", "titel =", "缺少 account.0.title", "account.0.title is missing"),
        ('"mailboxes/demo"', '"."', "包含本主目录", "holds this home"),
        ("[gateway]\n", "[gateway\n", "不是正确的 TOML", "is no TOML"),
    ],
)
def test_wrong_settings_are_told_in_the_readers_language(
    tongguan: Tongguan, home: Path, was: str, now: str, zh: str, en: str
) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text().replace(was, now, 1))

    assert zh in tongguan("config", "check", "--lang", "zh").err
    assert en in tongguan("config", "check", "--lang", "en").err


def test_wrong_settings_are_told_in_the_language_that_they_name(tongguan: Tongguan, home: Path) -> None:
    path = home / "tongguan.toml"
    text = path.read_text().replace('language = "zh"', 'language = "en"').replace("title =", "titel =", 1)
    for language, said in (("en", "is missing"), ("zh", "缺少")):
        path.write_text(text.replace('language = "en"', f'language = "{language}"'))
        context._language_of.cache_clear()
        assert said in tongguan("status").err


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_settings_that_cannot_be_read_are_told_in_words(tongguan: Tongguan, home: Path, words: list[str]) -> None:
    (home / "tongguan.toml").rename(home / "kept")
    (home / "tongguan.toml").mkdir()
    said = tongguan(*words, "--lang", "en")

    assert said.code == 78
    assert "is a folder; put the file of settings in its place" in said.err


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_home_that_never_ran_is_told_to_be_started(tongguan: Tongguan, home: Path, words: list[str]) -> None:
    said = tongguan(*words, "--lang", "en")

    assert (1, f"nothing ran here yet; start: tongguan run --home {home}\n") == (said.code, said.err)
    assert not (home / "tongguan.db").exists()


def test_production_settings_in_a_test_gateway_stop_the_start(tongguan: Tongguan, home: Path) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text().replace('environment = "test"', 'environment = "production"', 1))

    said = tongguan("run", "--lang", "en")

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


def test_what_is_wrong_with_a_card_is_told_in_the_readers_language(tongguan: Tongguan, home: Path) -> None:
    card = read_settings(home).cards[0]
    key = home / card.key
    key.unlink()
    key.mkdir()

    assert "读不出" in tongguan("card", "test", card.name, "--lang", "zh").err
    assert "cannot be read" in tongguan("card", "test", card.name, "--lang", "en").err
