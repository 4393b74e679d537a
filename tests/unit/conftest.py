"""What tests of units share: journals in real files, homes, and commands typed in this process."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from homes import new_home
from journals import Database, Sqlite
from patience import wait_until

from tongguan.gateway.cli import main
from tongguan.gateway.journal.journal import Journal


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tongguan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Type a command; without `--home` it is about `tmp_path / "home"`."""
    monkeypatch.setenv("TONGGUAN_HOME", str(tmp_path / "home"))

    def say(*words: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    return say


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with software cards that nothing ran in yet."""
    return new_home(tmp_path / "home")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """What the journal's port stands on."""
    return Sqlite(tmp_path)


@pytest.fixture
def journal(database: Database) -> Iterator[Journal]:
    opened = database.open()
    yield opened
    opened.close()


@pytest.fixture
def busy(database: Database) -> Iterator[Journal]:
    """A journal with its writer thread, at work: until it is, who asks for a commit does it."""
    opened = database.open()
    opened.start()
    wait_until(lambda: opened._writer._served, "the writer's thread")
    yield opened
    opened.close()
