"""A command imports what it needs itself: the help imports no command, and commands that only look import nothing that works."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tongguan import __version__
from tongguan.gateway.cli.commands import COMMANDS, Command, CommandGroup
from tongguan.gateway.daemon.daemon import Daemon

WORK = {"aiohttp", "asn1crypto", "lxml", "pikepdf", "signxml", "structlog", "uvloop"}  #: what stations and simulators work with
STORE = {"alembic", "cryptography", "orjson", "pydantic", "sqlalchemy", "zstandard"}  #: settings, journal and its anchor
PAGES = {"markdown_it", "pygments"}  #: of typer's own help pages
PARTS = {"codecs", "inbox", "routes", "signer", "simulators"}


def imported(*words: object) -> set[str]:
    """Top-level packages, and parts of ours as `tongguan.PART`, that typing these words has imported."""
    script = (
        "import sys\n"
        "from tongguan.gateway.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: print('--\\n' + '\\n'.join(sys.modules))"
    )
    command = [sys.executable, "-c", script, *map(str, words)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rpartition("--\n")[2].split()
    return {name.partition(".")[0] for name in said} | {".".join(name.split(".")[:2]) for name in said if "tongguan." in name}


def of_ours(names: set[str]) -> set[str]:
    return {name.removeprefix("tongguan.") for name in names if name.startswith("tongguan.")}


@pytest.mark.parametrize("words", [("--help",), ("card", "--help")])
def test_help_imports_no_command(words: tuple[str, ...]) -> None:
    names = imported(*words)

    assert names & (WORK | STORE) <= {"pydantic"}  # typer's own, where there is a word to read
    assert of_ours(names) == {"gateway"}


def test_the_version_is_told_and_nothing_imported_for_it(tongguan: Callable[..., Any]) -> None:
    names = imported("--version")

    assert names & (WORK | STORE | PAGES) == set()
    assert tongguan("--version").out == f"tongguan {__version__}\n"


@pytest.mark.parametrize("words", [("status",), ("list",), ("show", "nothing"), ("pause", "account", "demo")], ids=lambda w: w[0])
def test_what_only_looks_imports_nothing_that_works(home: Path, words: tuple[str, ...]) -> None:
    Daemon(home).stop()

    names = imported(*words, "--home", home)

    assert names & (WORK | PAGES) == set()
    assert of_ours(names) & PARTS == set()


def commands(entries: dict[str, Any]) -> Iterator[Command]:
    for entry in entries.values():
        if isinstance(entry, CommandGroup):
            yield from commands(dict(entry.commands))
        else:
            yield entry


@pytest.mark.parametrize("entry", list(commands(dict(COMMANDS))), ids=lambda e: f"{e.module}.{e.name}{'-'.join(e.made_of)}")
def test_the_list_of_commands_says_what_each_command_says_itself(entry: Command) -> None:
    function = getattr(import_module(f"tongguan.gateway.cli.{entry.module}"), entry.name)

    assert callable(function)
    assert entry.made_of or inspect.getdoc(function) == entry.text


def test_the_shell_completes_a_command_s_options_and_a_group_s_commands() -> None:
    def completed(words: str) -> list[str]:
        position = str(len(words.split()) - 1)
        asked = {**os.environ, "_TONGGUAN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": position}
        script = "from tongguan.gateway.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", script], check=False, env=asked, capture_output=True, text=True)
        return done.stdout.split()

    assert completed("tongguan sto") == ["stop"]
    assert completed("tongguan card b") == ["bind"]
    assert completed("tongguan list --stat") == ["--state"]
    assert completed("tongguan pause r") == ["route"]
