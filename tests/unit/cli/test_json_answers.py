"""`--json` is one JSON value on standard output, whatever the terminal's encoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from homes import new_home

from tongguan.gateway.journal.journal import Journal

TONGGUAN = [sys.executable, "-c", "from tongguan.gateway.cli import main; main()"]


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_a_letter_that_the_encoding_of_the_output_lacks_is_told_by_its_number(tmp_path: Path, encoding: str) -> None:
    home, file = new_home(tmp_path / "home"), tmp_path / "𠮷é大.xml"
    file.write_text("<none/>")
    words = [*TONGGUAN, "check", str(file), "--json", "--home", str(home)]
    ran = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False)

    assert file.name in json.dumps(json.loads(ran.stdout.decode(encoding)), ensure_ascii=False)


def test_a_printed_unit_is_json_too(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    words = [*TONGGUAN, "service", "install", "--print", "--user", "daemon", "--json", "--home", str(home)]

    assert json.loads(subprocess.run(words, capture_output=True, check=True).stdout)["text"].startswith("[Unit]")


@pytest.mark.parametrize("words", [("profiles", "--registry"), ("audit", "accept", "--why", "x"), ("retry", "--state", "sent")])
def test_what_is_a_page_or_nothing_is_json_too(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = new_home(tmp_path / "home")
    Journal.open("sqlite:///tongguan.db", home).close()

    assert json.loads(subprocess.run([*TONGGUAN, *words, "--json", "--home", str(home)], capture_output=True, check=True).stdout)
