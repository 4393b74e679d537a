"""An ERP of another user and another group works in its mailbox, and in nothing else of the home."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rounds import turn
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system import logs

pytestmark = pytest.mark.requirement("GW-01")
GROUP, USER = 43210, 43211
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may speak for another user")


def shared(home: Path, group: str, exchange: Path) -> Path:
    """The settings with a group, and the mailbox outside of the home."""
    change_settings(home, "account", "mailbox", str(exchange / "demo"))
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").replace("[[account]]\n", f'[[account]]\ngroup = "{group}"\n', 1), "utf-8")
    change_settings(home, "gateway", "settle", "0s")
    return exchange / "demo"


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid() and folder != Path(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o011)
    made = tmp_path / "exchange"
    made.mkdir(mode=0o755)
    return made


def as_erp(work: Callable[[], object]) -> bool:
    """Do something as the ERP's user, with its umask; whether it was allowed."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(USER)
            os.umask(0o027)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def drop(path: Path, content: str) -> None:
    part = path.with_name(path.name + ".tmp")
    part.write_text(content)
    part.rename(path)


def read_all(*folders: Path) -> None:
    files = [file for folder in folders for file in folder.iterdir() if file.is_file()]
    assert len(files) >= 5 and all(file.read_bytes() for file in files)


def clear(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def mode(path: Path) -> tuple[str, int]:
    seen = path.stat()
    return f"{stat.S_IMODE(seen.st_mode):o}", seen.st_gid


@as_root
def test_the_erp_drops_reads_and_clears_and_gets_at_nothing_else(home: Path, exchange: Path) -> None:
    mailbox = shared(home, str(GROUP), exchange)
    daemon = Daemon(home)
    wait_until(lambda: not turn(daemon) and (mailbox / "Status/heartbeat.json").exists(), "the heartbeat")
    boxes = ("OutBox", "SentBox", "FailBox", "InBox", "Status", "Status/by-id", "Status/documents")
    assert {mode(mailbox / name) for name in boxes} == {("2770", GROUP)}
    assert (mode(mailbox), mode(mailbox / "work")[0]) == (("2750", GROUP), "2700")

    xml = '<NA.application xmlns="urn:tongguan:NA.application:1" operation="query" reference="a" kind="status" number="1"/>'
    assert as_erp(lambda: drop(mailbox / "OutBox" / "a.xml", xml))
    status = mailbox / "Status" / "a.xml.status.json"
    wait_until(lambda: not turn(daemon) and status.exists() and list((mailbox / "InBox").iterdir()), "the answer")
    daemon.stop()

    assert as_erp(lambda: read_all(*(mailbox / name for name in ("Status", "Status/by-id", "InBox", "FailBox"))))
    assert as_erp(lambda: clear(mailbox / "InBox"))
    assert not as_erp(lambda: os.listdir(mailbox / "work"))
    assert not as_erp(lambda: (home / "tongguan.db").read_bytes())


@as_root
def test_the_erp_reads_its_answers_whatever_the_umask_of_who_started_the_gateway(home: Path, exchange: Path) -> None:
    mailbox = shared(home, str(GROUP), exchange)
    before = os.umask(0o077)
    try:
        daemon = Daemon(home)
        (mailbox / "OutBox/a.xml").write_text("<no>")
        wait_until(lambda: not turn(daemon) and list((mailbox / "InBox").iterdir()), "the answer")
        wait_until(lambda: not turn(daemon) and (mailbox / "Status/heartbeat.json").exists(), "the heartbeat")
        daemon.stop()
    finally:
        os.umask(before)

    assert as_erp(lambda: [file.read_bytes() for file in (*(mailbox / "InBox").iterdir(), mailbox / "Status/heartbeat.json")])


@as_root
def test_folders_that_lost_the_group_get_it_back(home: Path, exchange: Path) -> None:
    mailbox = shared(home, str(GROUP), exchange)
    Daemon(home).stop()
    for name in ("OutBox", "InBox"):
        os.chown(mailbox / name, -1, 0)
        (mailbox / name).chmod(0o770)
    Daemon(home).stop()

    assert {mode(mailbox / name) for name in ("OutBox", "InBox")} == {("2770", GROUP)}


def test_a_group_that_does_not_exist_stops_the_start_and_is_told_by_doctor(
    home: Path, exchange: Path, tongguan: Callable[..., Any]
) -> None:
    shared(home, "nobodys-group", exchange)

    with pytest.raises(SettingsWrong, match="nobodys-group"):
        Daemon(home)
    (exchange / "demo").mkdir()
    assert "nobodys-group" in tongguan("doctor").out


@as_root
def test_a_folder_above_the_mailbox_that_the_group_cannot_pass_is_told_with_the_command(
    home: Path, exchange: Path, tongguan: Callable[..., Any]
) -> None:
    shared(home, str(GROUP), exchange)
    Daemon(home).stop()
    exchange.chmod(0o700)

    assert f"chmod o+x {exchange}" in tongguan("doctor").out
    exchange.chmod(0o711)
    assert "chmod o+x" not in tongguan("doctor").out


@as_root
def test_root_is_told_what_the_home_s_user_may_and_whose_the_mailbox_must_be(
    home: Path, exchange: Path, tongguan: Callable[..., Any]
) -> None:
    mailbox = shared(home, str(GROUP), exchange)
    Daemon(home).stop()
    for place in (home, mailbox / "Status", mailbox / "work"):
        os.chown(place, USER, GROUP)

    said = tongguan("doctor", "--lang", "en").out
    assert f"sudo -u {USER} tongguan doctor" in said and "chown" not in said
    assert f"usermod -a -G {GROUP} {USER}" in said

    os.chown(mailbox / "work", USER + 1, GROUP)
    assert f"chown {USER} {mailbox / 'work'}" in tongguan("doctor", "--lang", "en").out
