"""A Python whose SQLite is too old for the journal's statements, as that of Red Hat 9 is: said at once, with what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tongguan.simulators.serve import serve
from tongguan.simulators.settings import WrongSettings

Tongguan = Callable[..., Any]


@pytest.fixture(autouse=True)
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("words", [["run"], ["list"], ["audit", "verify"], ["documents"]], ids=" ".join)
def test_each_command_says_so_and_leaves_the_home_as_it_is(tongguan: Tongguan, home: Path, words: list[str]) -> None:
    (home / "tongguan.db").touch()

    said, in_english = tongguan(*words), tongguan(*words, "--lang", "en")

    assert (said.code, in_english.code) == (78, 78)
    assert "需要 SQLite 3.35 以上" in said.err and "换用" in said.err
    assert "SQLite 3.35 or newer is needed, and this Python has 3.34.1; use a Python" in in_english.err
    assert (home / "tongguan.db").read_bytes() == b""


def test_doctor_and_status_say_so(tongguan: Tongguan, home: Path) -> None:
    (home / "tongguan.db").touch()

    assert "✗ sqlite: SQLite 3.35 or newer is needed" in tongguan("doctor", "--lang", "en").out
    assert "SQLite 3.35 or newer is needed" in tongguan("status", "--lang", "en").out


def test_the_simulators_say_so(home: Path) -> None:
    with pytest.raises(WrongSettings, match=r"SQLite 3\.35 or newer is needed, and this Python has 3\.34\.1"):
        serve(home)
