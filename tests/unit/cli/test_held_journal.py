"""Another program holds the journal's file for itself: who looks says so after one short wait, and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.journal.database import engine

pytestmark = pytest.mark.requirement("GW-08")
Tongguan = Callable[..., Any]


@pytest.fixture
def held(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A home whose journal another program holds; for how long connections have begun to wait for it."""
    Daemon(home).stop()
    waits: list[float] = []
    connect = sqlite3.connect

    def counted(*given: Any, timeout: float = 5.0, **more: Any) -> sqlite3.Connection:
        waits.append(timeout)
        return connect(*given, timeout=0, **more)

    with closing(connect(home / "tongguan.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(engine, "LOOK_MS", 50)
        monkeypatch.setattr(sqlite3, "connect", counted)
        monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
        yield waits


@pytest.mark.parametrize("words", ["status", "list", "documents", "audit verify", "doctor", "card list"])
def test_who_looks_waits_once_and_not_for_long(tongguan: Tongguan, held: list[float], words: str) -> None:
    said = tongguan(*words.split(), "--lang", "en")

    assert held == [0.05]
    if words != "card list":
        assert said.code != 0 and "fuser -v tongguan.db" in said.out + said.err
