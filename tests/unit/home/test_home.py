from __future__ import annotations

import json
import os
import shlex
import stat
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.home.home import CODES, USCC, make_home, set_ports
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system.storage import files
from tongguan.signer.cards.module import find_module
from tongguan.signer.certificate import card_number
from tongguan.simulators.settings import load_settings

Tongguan = Callable[..., Any]


def modes(folder: Path) -> dict[str, int]:
    return {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.iterdir())}


def test_a_new_home_has_settings_that_are_right_and_a_whole_mailbox(tongguan: Tongguan, tmp_path: Path) -> None:
    said = tongguan("init", tmp_path / "home", "--card", "software", "--json")
    settings = read_settings(tmp_path / "home")
    account = settings.account[0]

    assert said.code == 0
    assert {"home": str(tmp_path / "home"), "cards": "software", "account": "demo", "mailbox": "mailboxes/demo"} == said.json
    assert ("demo", USCC, CODES["customs"], CODES["mofcom"]) == (
        account.name, account.uscc, account.customs_code, account.mofcom_code,
    )  # fmt: skip
    assert [card.name for card in account.card] == ["demo-mofcom", "demo-customs"]
    assert {"OutBox", "SentBox", "FailBox", "InBox", "Status"} == {p.name for p in settings.mailbox(account).iterdir()}
    assert [f"http://127.0.0.1:{port}" for port in (8701, 8702, 8703)] == [route.url for route in settings.route.values()]


def test_it_says_what_to_type_next(tongguan: Tongguan, tmp_path: Path) -> None:
    said = tongguan("init", tmp_path / "home", "--card", "software", "--lang", "en")

    assert all(f"tongguan {word}" in said.out for word in ("run", "simulate", "status"))
    assert str(tmp_path / "home/mailboxes/demo/OutBox") in said.out


def test_a_home_that_exists_is_left_alone(tongguan: Tongguan, home: Path) -> None:
    before = (home / "tongguan.toml").read_bytes()

    said = tongguan("init", home)

    assert (78, before) == (said.code, (home / "tongguan.toml").read_bytes())
    assert str(home) in said.err


def test_in_the_shells_own_folder_the_shell_stays_where_it_is_and_what_is_printed_is_typed(
    tongguan: Tongguan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "my home"
    here.mkdir()
    monkeypatch.delenv("TONGGUAN_HOME")
    monkeypatch.chdir(here)
    inode = here.stat().st_ino
    said = tongguan("init", ".", "--card", "software", "--port-base", "0", "--lang", "en")

    assert said.code == 0 and here.stat().st_ino == inode == Path(".").stat().st_ino
    assert Path("tongguan.toml").is_file() and not [path for path in here.iterdir() if path.name.endswith(".part")]
    (words,) = [shlex.split(line) for line in said.out.splitlines() if "tongguan run" in line]
    assert words[:4] == ["tongguan", "run", "--home", str(here)]
    assert tongguan("status").code == 2, "nothing runs, and the home is found"
    assert tongguan("init", ".").code == 78


def test_what_could_not_be_moved_into_the_folder_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "home"
    here.mkdir()
    moved = files.move

    def fails(source: Path, target: Path) -> bool:
        if target.name == "tongguan.toml":
            raise OSError("no room")
        return moved(source, target)

    monkeypatch.setattr(files, "move", fails)
    with pytest.raises(OSError, match="no room"):
        make_home(here, card="software")

    assert list(here.iterdir()) == []


def test_a_home_that_could_not_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PKCS11_MODULE", "")
    monkeypatch.setattr("tongguan.gateway.home.home.make_simulators", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        make_home(tmp_path / "home", card="software")

    assert list(tmp_path.iterdir()) == []


def test_pins_and_keys_are_nobody_elses(home: Path) -> None:
    assert modes(home / "secrets") == {"secrets": 0o700, "mofcom.pin": 0o600, "customs.pin": 0o600, "demo": 0o700}
    assert modes(home / "secrets" / "demo") == {"demo": 0o700, "mofcom-password": 0o600}
    assert modes(home / "cards")["demo-customs.key"] == 0o600


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o077])
def test_nobody_else_may_write_in_a_new_home_whatever_the_umask(tongguan: Tongguan, tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        tongguan("init", tmp_path / "home", "--card", "software")
        after = os.umask(mask)
    finally:
        os.umask(before)

    assert after == mask
    assert [path for path in (tmp_path / "home").rglob("*") if path.stat().st_mode & 0o022] == []


def test_each_home_has_pins_of_its_own(tmp_path: Path) -> None:
    homes = [make_home(tmp_path / name, card="software", port_base=0).home for name in "ab"]
    pins = {(home / f"secrets/{card}.pin").read_text() for home in homes for card in ("mofcom", "customs")}

    assert len(pins) == 4


def test_the_authorities_know_the_cards(home: Path) -> None:
    enterprise = load_settings(home).enterprises[0]
    bound = {card.authority: card.bound for card in read_settings(home).account[0].card}

    assert bound == {card.authority: card.number for card in enterprise.cards}
    assert bound == {card.authority: card_number(card.certificate) for card in enterprise.cards}


def test_the_ports_follow_the_base(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", card="software", port_base=9100).home

    assert {n: e.port for n, e in load_settings(home).endpoints.items()} == {"mofcom": 9100, "customs": 9101, "ministries": 9102}
    assert read_settings(home).route["customs"].url == "http://127.0.0.1:9101"


def test_routes_are_pointed_at_where_the_simulators_listen(home: Path) -> None:
    (home / "simulators/ports.json").write_text(json.dumps({"mofcom": 4001, "customs": 4002, "ministries": 4003}))

    set_ports(home)

    assert {name: route.url for name, route in read_settings(home).route.items()} == {
        "mofcom": "http://127.0.0.1:4001",
        "customs": "http://127.0.0.1:4002",
        "ministries": "http://127.0.0.1:4003",
    }


def test_without_simulators_the_routes_stay(home: Path) -> None:
    with pytest.raises(SettingsWrong, match="tongguan simulate"):
        set_ports(home)


@pytest.mark.needs_token
def test_the_cards_are_soft_tokens_where_the_machine_has_them(tmp_path: Path) -> None:
    if find_module() is None or find_spec("PyKCS11") is None:
        pytest.skip("no SoftHSM library, or no PyKCS11, on this machine")

    made = make_home(tmp_path / "home", port_base=0)
    cards = tomllib.loads((tmp_path / "home/tongguan.toml").read_text())["account"][0]["card"]

    assert (made.cards, made.why_software) == ("pkcs11", None)
    assert {"pkcs11"} == {card["kind"] for card in cards}
    assert list((tmp_path / "home/cards").iterdir()) == []


def test_without_tokens_the_cards_are_software_and_it_is_said(
    tongguan: Tongguan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tongguan.gateway.home.home.find_module", lambda: None)

    said = tongguan("init", tmp_path / "home", "--lang", "en")

    assert "software keys: no libsofthsm2.so was found" in said.out
    assert {"software"} == {card.kind for card in read_settings(tmp_path / "home").account[0].card}


def test_a_home_may_be_moved(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", card="software", port_base=0).home
    os.rename(home, tmp_path / "elsewhere")

    assert str(tmp_path) not in (tmp_path / "elsewhere/tongguan.toml").read_text()
    assert load_settings(tmp_path / "elsewhere").endpoints["customs"].key.is_file()
