"""A home of which a part is something else by now: each command says what, and what to do next, without a traceback."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.pin_socket import PinDoor
from tongguan.gateway.system.sockets import socket_name

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
    assert "anchor.jsonl: Is a directory" in said.out + said.err


@pytest.mark.requirement("GW-08")
def test_the_doctor_tells_of_an_anchor_that_is_a_folder_beside_all_else(tongguan: Tongguan, ran: Path) -> None:
    in_its_place(ran / "anchor.jsonl")

    said = tongguan("doctor", "--lang", "en", "--json")

    assert (said.code, said.err) == (1, "")
    (journal,) = [each for each in said.json if each["check"] == "journal"]
    assert journal["text"].endswith("anchor.jsonl: Is a directory") and "restore" in journal["do"]


@pytest.mark.requirement("GW-08")
def test_a_lock_that_is_a_folder_is_told_by_who_starts(tongguan: Tongguan, ran: Path) -> None:
    in_its_place(ran / "daemon.lock")

    said = tongguan("run", "--lang", "en")

    assert said.code == 74
    assert f"the system refuses {ran / 'daemon.lock'}: Is a directory" in said.err


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("words", [*LOOKING, ["run"]], ids=" ".join)
def test_a_journal_that_was_emptied_is_told_as_one_that_is_gone(tongguan: Tongguan, ran: Path, words: list[str]) -> None:
    (ran / "tongguan.db").write_bytes(b"")

    said = tongguan(*words, "--lang", "en")

    if words == ["mailbox", "list"]:
        assert "older than this program" not in said.out + said.err
    else:
        assert said.code == 78
        assert (
            "there is no journal, but the anchor speaks of 1 runs" in said.err and "anchor.key back from one backup" in said.err
        )


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
