"""A pipe, a socket or a device lies where the gateway reads a file by its name: that is told at once, and nothing waits for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.system.storage import files
from tongguan.gateway.system.storage.sockets import socket_name

pytestmark = pytest.mark.requirement("GW-08")
Tongguan = Callable[..., Any]
#: what the gateway has there, and who tells that it has not
OWN = {
    "tongguan.toml": ("run", "doctor", "status", "list"),
    "anchor.jsonl": ("run", "doctor", "audit verify"),
    "secrets/anchor.key": ("run", "doctor"),
    "daemon.lock": ("run", "doctor"),
}
#: files that settings name, or that are read by what they are called
NAMED = (
    "secrets/mofcom.pin",
    "secrets/broker",
    "trust/mofcom.pem",
    "trust/mofcom-encryption.pem",
    "trust/ca.pem",
    "tables/country.csv",
    "profiles/mofcom/own/profile.toml",
)


def lay(path: Path, kind: str = "pipe") -> None:
    """Put something there that is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as line, socket_name(path) as name:
            line.bind(name)
    else:
        path.symlink_to("/dev/zero")


@pytest.fixture
def ran(home: Path) -> Path:
    """A home in which a gateway ran, whose settings name a certificate and a password more."""
    Daemon(home).stop()
    path = home / "tongguan.toml"
    text = path.read_text().replace("http://127.0.0.1:0", "https://127.0.0.1:9", 1)
    text = text.replace("[route.customs]", 'ca = "trust/ca.pem"\n\n[route.customs]')
    (home / "trust/ca.pem").write_bytes((home / "trust/mofcom.pem").read_bytes())
    (home / "secrets/broker").write_text("password")
    path.write_text(f'{text}\n[broker]\nurl = "amqp://guest@127.0.0.1:9//"\npassword = "file:secrets/broker"\n')
    return home


@pytest.mark.parametrize(("name", "command"), [(name, command) for name, commands in OWN.items() for command in commands])
def test_a_pipe_in_the_place_of_a_file_of_the_gateway_is_told(tongguan: Tongguan, ran: Path, name: str, command: str) -> None:
    lay(ran / name)

    said = tongguan(*command.split(), "--lang", "en")

    assert said.code != 0 and "Traceback" not in said.err
    assert name in said.out + said.err and "a named pipe" in said.out + said.err


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize("command", ["doctor", "config check"])
def test_whatever_settings_name_that_is_no_file_is_told_at_once(tongguan: Tongguan, ran: Path, command: str, kind: str) -> None:
    for name in NAMED:
        lay(ran / name, kind)

    said = tongguan(*command.split(), "--lang", "en")

    told = NAMED if command == "doctor" else NAMED[1:]  # a PIN is looked at beside its card
    assert [name for name in told if name not in said.out] == []
    assert said.out.count(", no file") >= len(told)


@pytest.mark.parametrize("name", ["clock.json", "running.toml", "cards/demo-mofcom.pem", "mailboxes/demo/Status/heartbeat.json"])
@pytest.mark.parametrize("command", ["status", "doctor"])
def test_nobody_waits_for_a_pipe_that_is_no_matter(tongguan: Tongguan, ran: Path, name: str, command: str) -> None:
    lay(ran / name)
    lay(ran / "tongguan.toml" if command == "run" else ran / "anchor.jsonl")  # so that nothing begins

    assert tongguan(*command.split(), "--lang", "en").code != 0


@pytest.mark.parametrize(("kind", "called"), [("pipe", "a named pipe"), ("socket", "a socket"), ("device", "a device")])
def test_settings_that_are_no_file_are_told_as_what_they_are_with_what_to_do(
    tongguan: Tongguan, ran: Path, kind: str, called: str
) -> None:
    lay(ran / "tongguan.toml", kind)

    said = tongguan("run", "--lang", "en")

    place = ran / "tongguan.toml"
    assert said.code == 78
    assert f"{place} is {called}, no file; put the file in its place, or move it away: mv {place} {place}.aside" in said.err


def test_a_file_behind_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")

    assert (files.read(tmp_path / "link"), files.read(tmp_path / "link", 3)) == (b"12345", b"123")
