"""A `-wal` that is not its file's: nobody who looks makes it part of the journal, and the start is refused before anything is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.daemon.daemon import Daemon

Tongguan = Callable[..., Any]
LOOKING = ["status", "list", "doctor", "audit verify", "show x", "documents", "mailbox list", "audit list"]


@pytest.fixture
def ran(home: Path) -> Path:
    """A home in which a gateway ran."""
    Daemon(home).stop()
    return home


def of_another(home: Path, folder: Path) -> None:
    """The `-wal` of a database that has nothing to do with it lies beside the journal."""
    with closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE t (a)")
        other.executemany("INSERT INTO t VALUES (?)", [("x" * 300,)] * 500)
        other.commit()
        shutil.copy(folder / "other.db-wal", home / "tongguan.db-wal")


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("words", LOOKING)
def test_who_looks_leaves_the_journal_as_it_is(tongguan: Tongguan, ran: Path, tmp_path: Path, words: str) -> None:
    before = (ran / "tongguan.db").read_bytes()
    of_another(ran, tmp_path)

    said = tongguan(*words.split(), "--lang", "en")

    assert (ran / "tongguan.db").read_bytes() == before
    assert (ran / "tongguan.db-wal").stat().st_size > 0
    if words not in ("mailbox list",):
        assert "there is no journal, but the anchor speaks of 1 runs" in said.out + said.err


@pytest.mark.requirement("GW-08")
def test_a_start_is_refused_and_all_is_well_again_without_it(tongguan: Tongguan, ran: Path, tmp_path: Path) -> None:
    before = (ran / "tongguan.db").read_bytes()
    of_another(ran, tmp_path)

    refused = tongguan("run", "--lang", "en")

    assert (refused.code, (ran / "tongguan.db").read_bytes()) == (78, before)
    assert "with its own -wal" in refused.err
    for name in ("tongguan.db-wal", "tongguan.db-shm"):
        (ran / name).unlink(missing_ok=True)
    assert tongguan("audit", "verify").code == 0
    Daemon(ran).stop()


@pytest.mark.requirement("GW-08")
def test_what_a_killed_gateway_left_is_seen_by_who_looks_and_taken_by_the_next_one(tongguan: Tongguan, ran: Path) -> None:
    daemon = Daemon(ran)
    daemon.journal.set_markers({"mine": "kept"})
    for name in ("tongguan.db", "tongguan.db-wal", "anchor.jsonl"):
        shutil.copy(ran / name, ran.parent / name)
    daemon.stop()
    for name in ("tongguan.db", "tongguan.db-wal", "anchor.jsonl"):
        shutil.move(ran.parent / name, ran / name)
    before = (ran / "tongguan.db").read_bytes()

    assert tongguan("audit", "verify").code == 0
    assert "2" in tongguan("audit", "list", "--json").out
    assert (ran / "tongguan.db").read_bytes() == before
    next_one = Daemon(ran)
    with next_one.journal.search() as records:
        assert records.marker("mine") == "kept"
    next_one.stop()
    assert not (ran / "tongguan.db-wal").exists()


@pytest.mark.requirement("GW-08")
def test_an_older_file_beside_a_newer_wal_is_refused_before_both_become_one(tongguan: Tongguan, ran: Path) -> None:
    older = (ran / "tongguan.db").read_bytes()
    grows = Daemon(ran)
    grows.journal.set_markers({f"mark {n}": "x" * 300 for n in range(3000)})
    grows.stop()
    killed = Daemon(ran)
    killed.journal.set_markers({f"mark {n}": "y" for n in range(0, 3000, 10)})
    for name in ("tongguan.db-wal", "anchor.jsonl"):
        shutil.copy(ran / name, ran.parent / name)
    killed.stop()
    newer = (ran / "tongguan.db").read_bytes()
    for name in ("tongguan.db-wal", "anchor.jsonl"):
        shutil.move(ran.parent / name, ran / name)
    (ran / "tongguan.db").write_bytes(older)

    refused = tongguan("run", "--lang", "en")

    assert (refused.code, (ran / "tongguan.db").read_bytes()) == (78, older)
    assert "tongguan.db and the -wal beside it are not of one journal" in refused.err
    assert "put tongguan.db back with its own -wal" in refused.err
    (ran / "tongguan.db-wal").unlink()
    (ran / "tongguan.db-shm").unlink(missing_ok=True)
    (ran / "tongguan.db").write_bytes(newer)
    assert tongguan("audit", "verify").code == 0
