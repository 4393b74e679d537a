"""Something else lies where the gateway has a file or folder of its own: it is told what lies where and what to do, and stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.model.errors import SettingsWrong

pytestmark = pytest.mark.requirement("GW-06")
Say = Callable[..., Any]


def folder(path: Path) -> None:
    """Put a folder with something in it at a place."""
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "kept").write_text("somebody's")


@pytest.mark.parametrize("name", ["daemon.sock", "daemon.lock"])
def test_a_folder_in_the_place_of_a_file_is_told_by_start_and_doctor(home: Path, tongguan: Say, name: str) -> None:
    folder(home / name)

    with pytest.raises(SettingsWrong, match=f"{home / name} is a folder.*move it away: mv {home / name}"):
        Daemon(home)
    assert f"{home / name} is a folder" in tongguan("doctor", "--lang", "en").out
    assert (home / name / "kept").exists()

    shutil.move(home / name, home / f"{name}.aside")
    daemon = Daemon(home)
    daemon.start()
    daemon.stop()


def test_a_folder_that_comes_while_the_gateway_runs_keeps_it_from_neither_going_on_nor_ending(home: Path) -> None:
    daemon = Daemon(home)
    daemon.start()
    folder(home / "daemon.sock")
    after = daemon.swapped()

    assert after is daemon
    assert "settings" in {each.code for each in after.alerts.problems()}
    daemon.stop()
    assert (home / "daemon.sock/kept").exists()


def test_a_folder_in_the_place_of_the_settings_is_told_as_that(home: Path, tongguan: Say) -> None:
    folder(home / "tongguan.toml")
    told = tongguan("run", "--lang", "en")

    assert told.code == 78 and f"{home}/tongguan.toml is a folder; put the file of settings in its place" in told.err


@pytest.mark.parametrize("ran", [False, True], ids=["at the first start", "later"])
@pytest.mark.parametrize("place", ["mailboxes", "mailboxes/demo"])
def test_a_file_in_the_place_of_a_mailbox_is_told_with_what_to_do(home: Path, tongguan: Say, place: str, ran: bool) -> None:
    if ran:
        Daemon(home).stop()
    shutil.rmtree(home / place, ignore_errors=True)
    (home / place).write_text("somebody's")
    daemon = Daemon(home)
    daemon.start()
    try:
        wait_until(lambda: [p for p in daemon.alerts.problems() if p.code == "mailbox"], "the mailbox to be told of")
        (told,) = (p for p in daemon.alerts.problems() if p.code == "mailbox")
        listed = tongguan("mailbox", "list", "--lang", "en")
    finally:
        daemon.stop()

    assert "is no folder" in told.text and "换成文件夹" in told.do
    assert listed.code == 1 and "is no folder" in listed.out and "put a folder in its place" in listed.out
    assert (home / place).read_text() == "somebody's"
