"""What texts, status, alerts and pages print is typed here, in the home in which it was printed, from another folder."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from rounds import turn
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import logs

pytestmark = pytest.mark.requirement("GW-08")
ROOT = Path(__file__).parents[3]
PAGES = ("docs/operations.md", "docs/operations.zh.md", "README.md", "README.zh.md")
#: they go on for long, or make homes: tests of their own
LONG = {"run", "simulate", "demo", "bench", "init"}
TYPED = re.compile(r"tongguan (?:[^\s;；，。（）]+ ?)+")


class Asked(io.StringIO):
    """Somebody who types the same whenever asked."""

    def readline(self, *_: Any) -> str:  # type: ignore[override]
        return "00000000\n"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tongguan: Callable[..., Any]) -> Callable[..., Any]:
    """Type a command in a shell that is about no home; who is asked for a PIN types a wrong one."""
    monkeypatch.setattr("sys.stdin", Asked())
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.delenv("TONGGUAN_HOME")
    monkeypatch.chdir(folder)
    return tongguan


@pytest.fixture
def troubled(home: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A home in which much is wrong: no authority answers, a card is not bound, a message is held, another has faults."""
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    change_settings(home, "gateway", "settle", "0s")
    change_settings(home, "account.card", "bound", "", named="demo-mofcom")
    box = home / "mailboxes/demo/OutBox"
    query = '<NA.application xmlns="urn:tongguan:NA.application:1" operation="query" reference="{}" kind="status" number="{}"/>'
    (box / "held.xml").write_text(query.format("held", "1"))
    (box / "asks.xml").write_text(query.format("asks", "2"))
    daemon = Daemon(home)
    status = home / "mailboxes/demo/Status"
    wait_until(lambda: not turn(daemon) and len(list(status.glob("*.status.json"))) == 2, "the status files")
    daemon.stop()
    return daemon


def commands(text: str) -> list[list[str]]:
    return [shlex.split(found) for found in TYPED.findall(text)]


def printed(home: Path, elsewhere: Callable[..., Any]) -> set[tuple[str, ...]]:
    """What the home's own files and commands say to type."""
    said = [elsewhere(*words, "--home", home, "--lang", language).out for words in LOOKING for language in ("zh", "en")]
    files = [*home.glob("mailboxes/*/Status/**/*.json"), home / "alerts.jsonl"]
    texts = [*said, *(file.read_text("utf-8").replace('"', "\n") for file in files if file.exists())]
    return {tuple(words) for text in texts for words in commands(text)}


LOOKING = [["status"], ["doctor"], ["list"], ["show", "held"], ["card", "list"], ["mailbox", "list"], ["quarantine", "list"]]


def taken(said: Any) -> bool:
    """Was the command understood, and did it find the home? What it finds there may be bad news."""
    return said.code in (0, 1) and not re.search(r"Traceback|Usage:|TONGGUAN_HOME", said.out + said.err)


def test_everything_that_a_home_in_trouble_says_to_type_is_taken_as_it_stands(
    troubled: Daemon, home: Path, elsewhere: Callable[..., Any]
) -> None:
    elsewhere("hold", "held", "--home", home)
    shutil.rmtree(home / "mailboxes/demo/InBox")
    told = printed(home, elsewhere)

    assert {("tongguan", word) for word in ("run", "card", "simulate")} <= {each[:2] for each in told}
    assert {each: "--home" in each for each in told} == dict.fromkeys(told, True)
    typed = {each: elsewhere(*each[1:]) for each in sorted(told) if each[1] not in LONG}
    assert {each: (s.code, s.err) for each, s in typed.items() if not taken(s) and s.code != 2} == {}


def test_in_a_shell_that_is_about_the_home_commands_stand_bare(tongguan: Callable[..., Any], home: Path) -> None:
    Daemon(home).stop()
    told = tongguan("show", "nothing")

    assert "tongguan list" in told.err and "--home" not in told.err


def test_without_a_home_it_is_asked_which_one_and_none_is_advised_where_it_could_not_be_made(
    elsewhere: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere" / "a file").touch()
    told = elsewhere("doctor", "--lang", "en")
    assert told.code == 78 and "--home or TONGGUAN_HOME" in told.err and "init" not in told.err

    told = elsewhere("doctor", "--home", tmp_path / "new one", "--lang", "en")
    (command,) = commands(told.err.partition("make one: ")[2])
    assert command == ["tongguan", "init", str(tmp_path / "new one")]


def test_a_receipt_that_is_not_found_is_looked_for_among_receipts(elsewhere: Callable[..., Any], home: Path) -> None:
    Daemon(home).stop()
    told = elsewhere("quarantine", "show", "X", "--home", home, "--lang", "en")

    assert f"tongguan quarantine list --home {home}" in told.err


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_taken_in_a_home(
    page: str, tongguan: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Asked())
    change_settings(home, "gateway", "settle", "0s")
    (home / "mailboxes/demo/OutBox/a.xml").write_text(
        '<NA.application xmlns="urn:tongguan:NA.application:1" operation="query" reference="a" kind="status" number="1"/>'
    )
    daemon = Daemon(home)
    wait_until(lambda: not turn(daemon) and list((home / "mailboxes/demo/Status").glob("a.xml*")), "the status file")
    daemon.stop()
    message = orjson.loads(next((home / "mailboxes/demo/Status").glob("a.xml*")).read_bytes())["message_id"]
    fill = {
        "ID": message,
        "ACCOUNT": "demo",
        "NAME": "demo-customs",
        "TEXT": "tested",
        "FILE": str(ROOT / "gateway/profiles"),
        "COPY": str(home / "anchor.jsonl"),
        "HOME": str(home),
        "CODE": "GW-C01",
        "TYPE": "NA.application",
    }
    text = re.sub(r"(?m)^\| `tongguan [^`]+` \|", "|", (ROOT / page).read_text("utf-8"))  # the list of commands names them only
    wrong = {}
    for command in sorted(set(re.findall(r"`tongguan ([^`]+)`", text))):
        words = [fill.get(word, word) for word in shlex.split(command.replace("route NAME", "route mofcom"))]
        if words[0] not in LONG | {"COMMAND"}:
            said = tongguan(*words)
            if "Traceback" in said.err or "Usage:" in said.err:
                wrong[command] = (said.code, said.err[-300:])
    assert wrong == {}
