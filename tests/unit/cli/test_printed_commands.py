"""Every command that the gateway prints works as it stands: the command line takes it, with all that it asks for."""

from __future__ import annotations

import ast
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rounds import turn
from sites import wait_until

from tongguan.gateway.cli.commands import make_app
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.lane import ClosedLane
from tongguan.simulators.books.store import Store

pytestmark = pytest.mark.requirement("GW-08")
ROOT = Path(__file__).parents[3]
#: what stands where a name is put in; whatever is named `what` is one of a few words
FILLED = {"what": "account", "kind": "account", "state": "held"}
#: said of commands, not to be typed
NOT_TYPED = {"demo is not ready, see demo", "demo 没有就绪", "doctor --home demo 逐项核对", "doctor --home demo ticks it off"}
COMMAND = re.compile(r"tongguan ((?:[a-z-]+)(?: [^;；，。）)`>{\n]*)?)")


def strings(tree: ast.AST) -> Iterator[str]:
    """Every text of a module but its docstrings, names put in."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else filled(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (documents | inside):
            yield node.value


def filled(part: ast.expr) -> str:
    return next((word for name, word in FILLED.items() if name in ast.unparse(part)), "demo")


def printed() -> list[str]:
    files = (file for part in ("codecs", "gateway", "inbox", "outbox", "signer") for file in (ROOT / part).rglob("*.py"))
    modules = (module for file in files if "tongguan " in (module := file.read_text("utf-8")))
    texts = (text for module in modules for text in strings(ast.parse(module)))
    return sorted({found.strip(" .&") for text in texts for found in COMMAND.findall(text)} - NOT_TYPED)


@pytest.mark.parametrize("command", printed())
def test_a_command_that_is_printed_is_taken_as_it_stands(command: str) -> None:
    told: Any = make_app()
    words = command.replace("FILE", __file__).split()  # which file it is, is the person's to say
    while commands := getattr(told, "commands", None):
        first = words[0] if words and words[0] in commands else told._otherwise
        told, words = commands[first], words[1:] if words[:1] == [first] else words
    told.make_context(told.name, words)


def test_who_pauses_says_why_and_who_resumes_need_not(
    tongguan: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Daemon(home).stop()
    assert tongguan("pause", "account", "demo").code == 2
    assert tongguan("pause", "account", "demo", "--why", "盘点").code == 0

    told = next(p for p in tongguan("status", "--json").json["problems"] if p["code"] == "lane")
    assert "已暂停 盘点" in told["text"] and "paused" not in told["text"]
    assert tongguan(*told["do"].split()[1:]).code == 0
    assert "lane" not in {p["code"] for p in tongguan("status", "--json").json["problems"]}


def test_every_lane_that_a_bug_may_close_is_opened_by_the_command_that_is_printed(
    tongguan: Callable[..., Any], home: Path
) -> None:
    """`tongguan resume lane NAME`, as the work loop says it (`loop._Shut.by_bug`), of whatever lane a station serves."""
    daemon = Daemon(home)
    lanes = {lane for station in daemon.stations for lane in station.lanes}
    for lane in lanes:
        daemon.journal.close_lane(ClosedLane(lane, "bug", "a bug", 1, None, f"tongguan resume lane {lane}"))
    daemon.stop()

    told = {p["do"] for p in tongguan("status", "--json").json["problems"] if p["code"] == "lane"}
    assert told == {f"tongguan resume lane {lane}" for lane in lanes}
    assert {command: tongguan(*command.split()[1:]).code for command in told} == dict.fromkeys(told, 0)
    assert "lane" not in {p["code"] for p in tongguan("status", "--json").json["problems"]}


def test_every_alert_is_worded_in_the_language_of_the_home() -> None:
    told = [
        (file.name, ast.unparse(call.args[1]))
        for part in ("gateway", "inbox", "outbox")
        for file in (ROOT / part).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") in ("tell", "stands")
        and {k.arg for k in call.keywords} & {"do"}
        if isinstance(call.args[1], (ast.JoinedStr, ast.Constant))
    ]

    assert [each for each in told if not re.search(r"wrong\.text|text\}", each[1])] == []


def test_a_held_message_shows_its_type_and_what_to_do_in_both_languages(tongguan: Callable[..., Any], home: Path) -> None:
    change_settings(home, "gateway", "settle", "0s")
    (home / "mailboxes/demo/OutBox/a.xml").write_text(
        '<NA.application xmlns="urn:tongguan:NA.application:1" operation="query" reference="q" kind="status"/>'
    )
    daemon = Daemon(home)
    wait_until(lambda: not turn(daemon) and list((home / "mailboxes/demo/Status").glob("a.xml*")), "the status file")
    daemon.stop()

    for language, word in (("zh", "类型"), ("en", "type")):
        assert re.search(rf"(?m)^{word} +NA.application query", tongguan("show", "q", "--lang", language).out)


def test_a_command_on_a_narrow_terminal_stays_one_line(home: Path) -> None:
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 40))
    words = [sys.executable, "-m", "tongguan.gateway.cli", "status", "--home", str(home)]
    with subprocess.Popen(words, stdout=terminal, stdin=terminal) as typed:
        os.close(terminal)
        said = b""
        with suppress(OSError):  # a terminal whose last user is gone
            while piece := os.read(master, 4096):
                said += piece
    os.close(master)

    assert typed.returncode == 2
    assert f"tongguan run --home {home}" in said.decode()


def test_what_simulators_write_is_their_owners_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "mofcom.db")

    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    store.close()
