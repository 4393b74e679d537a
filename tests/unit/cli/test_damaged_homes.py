"""A home of which a part is something else by now: each command says what, and what to do next, without a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.pin_socket import PinDoor
from tongguan.gateway.system.storage.sockets import socket_name

Tongguan = Callable[..., Any]
LOOKING = [["list"], ["show", "x"], ["documents"], ["audit", "verify"], ["mailbox", "list"]]


@pytest.fixture
def ran(home: Path) -> Path:
    """A home in which a gateway ran."""
    Daemon(home).stop()
    return home


def in_its_place(path: Path) -> None:
    """A folder stands there now."""
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("words", [["run"], ["status"], ["audit", "verify"], ["audit", "accept", "--why", "x"]], ids=" ".join)
def test_an_anchor_that_is_a_folder_is_told(tongguan: Tongguan, ran: Path, words: list[str]) -> None:
    in_its_place(ran / "anchor.jsonl")

    said = tongguan(*words, "--lang", "en")

    assert said.code in (2, 78)
    assert f"anchor.jsonl{' is a folder' if words == ['run'] else ': Is a directory'}" in said.out + said.err


@pytest.mark.requirement("GW-08")
def test_the_doctor_tells_of_an_anchor_that_is_a_folder_beside_all_else(tongguan: Tongguan, ran: Path) -> None:
    in_its_place(ran / "anchor.jsonl")

    said = tongguan("doctor", "--lang", "en", "--json")

    assert (said.code, said.err) == (1, "")
    (journal,) = [each for each in said.json if each["check"] == "journal"]
    assert journal["text"].endswith("anchor.jsonl: Is a directory") and "restore" in journal["do"]


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("name", ["daemon.lock", "daemon.sock"])
def test_a_lock_or_socket_that_is_a_folder_is_told_by_who_starts(tongguan: Tongguan, ran: Path, name: str) -> None:
    in_its_place(ran / name)

    said = tongguan("run", "--lang", "en")

    assert said.code == 78
    assert f"{ran / name} is a folder" in said.err and f"move it away: mv {ran / name}" in said.err


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("words", [*LOOKING, ["run"]], ids=" ".join)
def test_a_journal_that_was_emptied_is_told_as_one_that_is_gone(tongguan: Tongguan, ran: Path, words: list[str]) -> None:
    (ran / "tongguan.db").write_bytes(b"")

    said = tongguan(*words, "--lang", "en")

    if words == ["mailbox", "list"]:
        assert "older than this program" not in said.out + said.err
    else:
        assert said.code == 78
        assert "there is no journal, but the anchor speaks of 1 runs" in said.err and "anchor.key back from one copy" in said.err


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("link", ["mailboxes", "mailboxes/demo"])
@pytest.mark.parametrize("words", [["status"], ["doctor"], ["config", "check"], ["list"], ["mailbox", "list"]], ids=" ".join)
def test_a_mailbox_whose_links_lead_in_a_circle_is_told_as_one_that_is_away(
    tongguan: Tongguan, ran: Path, words: list[str], link: str
) -> None:
    (ran / link).rename(ran / "away")
    (ran / link).symlink_to(ran / link)

    said = tongguan(*words, "--lang", "en")

    assert "Traceback" not in said.err and said.code in (0, 1, 2)
    if words[0] in ("status", "doctor", "mailbox"):
        assert "mailboxes/demo" in said.out and "symbolic links" in said.out


@pytest.mark.requirement("GW-08")
def test_a_gateway_begins_although_a_mailboxs_links_lead_in_a_circle(ran: Path) -> None:
    (ran / "mailboxes/demo").rename(ran / "away")
    (ran / "mailboxes/demo").symlink_to("demo")

    daemon = Daemon(ran)
    try:
        assert "demo" in {account.name for account in daemon.settings.account}
    finally:
        daemon.stop()


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize(("command", "code"), [("status", 2), ("doctor", 1)])
def test_a_disk_without_inodes_is_told_as_that(
    tongguan: Tongguan, ran: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    seen = SimpleNamespace(f_bavail=10**12, f_bfree=10**12, f_frsize=1, f_blocks=10**12, f_files=1000, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: seen)

    said = tongguan(command, "--lang", "en")

    assert said.code == code
    assert "no inodes left: no file can be made" in said.out and "df -i" in said.out


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("card pin demo-mofcom --lang en", 1, "the PIN is empty"),
        ("init --production HOME/new --lang en", 2, "--uscc"),
        ("status --json", 2, ""),
    ],
)
def test_a_command_that_has_no_input_is_told_without_a_traceback(ran: Path, words: str, code: int, says: str) -> None:
    command = f'exec "$0" -m tongguan.gateway.cli {words.replace("HOME", str(ran))} <&-'

    said = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TONGGUAN_HOME": str(ran)},
    )

    assert "Traceback" not in said.stderr
    assert (said.returncode, says in said.stderr) == (code, True), said.stderr


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("words", ["--help", "--version", "list --help"])
def test_help_that_finds_no_room_is_told_without_a_traceback(ran: Path, words: str) -> None:
    command = f'exec "$0" -m tongguan.gateway.cli {words} >/dev/full'

    said = subprocess.run(["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stderr) == (74, "No space left on device\n")


@pytest.mark.requirement("ID-03")
def test_a_pin_comes_into_a_home_that_lies_deeper_than_a_sockets_name_may_be_long(tmp_path: Path) -> None:
    folder = tmp_path / ("进出口" * 20) / "home"
    folder.mkdir(parents=True)
    door = PinDoor(folder / "daemon.sock", lambda name, _: f"of {name}")
    door.start()
    try:
        with socket.socket(socket.AF_UNIX) as line, socket_name(folder / "daemon.sock") as name:
            line.connect(name)
            line.sendall(json.dumps({"card": "c", "pin": "12345678"}).encode() + b"\n")
            answer = json.loads(line.makefile("rb").readline())
        mode = (folder / "daemon.sock").stat().st_mode & 0o777
    finally:
        door.stop()

    assert answer == {"ok": True, "text": "of c"} and mode == 0o600
    assert not (folder / "daemon.sock").exists()
