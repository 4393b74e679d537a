"""The history: whoever alters a row of the past is found out."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from journals import body, comes, document, moves, open_journal, stored, submission, written

from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import JournalUnfit
from tongguan.gateway.model.message import State
from tongguan.gateway.system import clock


def live(journal: Journal) -> None:
    """Some entries: three messages come, one by one, and each moves on."""
    for n in range(3):
        message = submission(f"m{n}")
        written(journal, comes(message, bodies=(body(message.id, b"<xml/>"),), documents=(document(f"d{n}"),)))
        written(journal, moves(message, State.CHECKED))


def tampered(home: Path, *statements: str) -> None:
    database = sqlite3.connect(home / "tongguan.db")
    for statement in statements:
        assert database.execute(statement).rowcount > 0
    database.commit()
    database.close()


def looked_at(home: Path) -> str:
    with JournalClient.open("sqlite:///tongguan.db", home) as client:
        return client.verify().broken or "whole"


def broken(journal: Journal) -> str:
    found = journal.verify().broken
    assert found is not None
    return found


def test_a_whole_history_is_found_whole(journal: Journal) -> None:
    live(journal)
    verdict = journal.verify()

    assert (verdict.broken, verdict.entries, verdict.moves, verdict.runs) == (None, 7, 7, 1)


def test_each_run_has_a_chain_of_its_own(tmp_path: Path) -> None:
    for n in range(3):
        journal = open_journal(tmp_path)
        written(journal, comes(submission(f"m{n}")))
        journal.close()
    with JournalClient.open("sqlite:///tongguan.db", tmp_path) as client:
        verdict = client.verify()

    assert (verdict.broken, verdict.entries, verdict.runs) == (None, 9, 3)  # each: start, move, stop


def test_a_run_that_was_killed_is_whole(tmp_path: Path) -> None:
    killed = open_journal(tmp_path)
    live(killed)
    after = open_journal(tmp_path)

    assert after.verify().broken is None
    after.close()


def alter(table: str, change: str, where: str) -> str:
    return f"UPDATE {table} SET {change} WHERE {where}"


TAMPERING: list[tuple[str, Callable[[], tuple[str, ...]]]] = [
    ("entry 3 at", lambda: (alter("move", "line = replace(line, 'demo', 'other')||' '", "entry = 3"),)),
    ("entry 3 at", lambda: (alter("history", "at = at + 1", "entry = 3"),)),
    ("entry 3 at", lambda: (alter("history", "hash = 'x'", "entry = 3"),)),
    ("entry 4 is missing", lambda: ("DELETE FROM history WHERE entry = 4", "DELETE FROM move WHERE entry = 4")),
    ("entry 4 is missing", lambda: ("DELETE FROM history WHERE entry = 4",)),
    ("entry 4 at", lambda: ("DELETE FROM move WHERE entry = 4",)),
    ("body source of message m1", lambda: (alter("body", "content = (SELECT content FROM body WHERE message_id = 'z')", "message_id = 'm1'"),)),
    ("body source of message m1", lambda: (alter("body", "content = x'00'", "message_id = 'm1'"),)),
    ("message m1 was altered", lambda: (alter("message", "state = 'accepted'", "id = 'm1'"),)),
    ("document d1 was altered", lambda: (alter("document", "status = 'approved'", "id = 'd1'"),)),
    ("message m1", lambda: ("DELETE FROM move WHERE message_id = 'm1' AND entry = 4", "DELETE FROM history WHERE entry = 4")),
    ("are missing", lambda: ("DELETE FROM history WHERE entry > 6", "DELETE FROM move WHERE entry > 6",
                             alter("message", "state = 'received'", "id = 'm2'"))),
    ("are missing", lambda: ("DELETE FROM history", "DELETE FROM move", "DELETE FROM message", "DELETE FROM document", "DELETE FROM run")),
]  # fmt: skip


@pytest.mark.parametrize(("says", "how"), TAMPERING, ids=[f"{n}: {says}" for n, (says, _) in enumerate(TAMPERING)])
def test_what_was_altered_is_named(journal: Journal, tmp_path: Path, says: str, how: Callable[[], tuple[str, ...]]) -> None:
    live(journal)
    written(journal, comes(submission("z"), bodies=(body("z", b"other"),)))
    journal.anchor_head()
    tampered(tmp_path, *how())

    found = broken(journal)
    assert says in found or (says == "message m1" and "entry 4" in found)


def test_a_body_that_was_taken_away_is_missing(journal: Journal, tmp_path: Path) -> None:
    live(journal)
    tampered(tmp_path, "DELETE FROM body WHERE message_id = 'm1'")

    assert "body source of message m1 is missing" in broken(journal)


def test_an_entry_that_nobody_made_is_found(journal: Journal, tmp_path: Path) -> None:
    live(journal)
    tampered(
        tmp_path,
        "INSERT INTO move (run, entry, at, message_id, line) SELECT run, 8, at, message_id, line FROM move WHERE entry = 7",
    )

    assert "moves after entry 7 have no entry" in broken(journal)


def test_a_database_put_back_to_an_earlier_day_is_noticed(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    live(journal)
    journal.close()
    shutil.copy(tmp_path / "tongguan.db", tmp_path / "yesterday.db")
    journal = open_journal(tmp_path)
    written(journal, comes(submission("today")))
    journal.close()
    os.replace(tmp_path / "yesterday.db", tmp_path / "tongguan.db")

    assert "anchored but are missing" in looked_at(tmp_path)
    with pytest.raises(JournalUnfit, match=r"anchored but are missing; restore a backup"):
        open_journal(tmp_path)


def test_the_anchors_key_is_its_owners_alone(journal: Journal, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "secrets" / "anchor.key").stat().st_mode) == 0o600


def test_a_missing_anchor_file_is_said(journal: Journal, tmp_path: Path) -> None:
    live(journal)
    (tmp_path / "anchor.jsonl").unlink()

    assert broken(journal) == "没有锚文件\nthe anchor file is missing"


def test_an_altered_anchor_file_is_said_and_never_signed_again(journal: Journal, tmp_path: Path) -> None:
    live(journal)
    journal.anchor_head()
    anchor = tmp_path / "anchor.jsonl"
    forged = anchor.read_bytes().replace(b",7,", b",2,")
    assert forged != anchor.read_bytes()
    anchor.write_bytes(forged)

    assert "was altered" in broken(journal)
    journal.anchor_head()
    assert "kept as anchor.jsonl.altered-" in broken(journal)
    assert [p.read_bytes() for p in tmp_path.glob("anchor.jsonl.altered-*")] == [forged]


def test_an_anchor_signed_with_another_key_is_not_believed(tmp_path: Path) -> None:
    other, mine = tmp_path / "other", tmp_path / "mine"
    for home in (other, mine):
        home.mkdir()
    theirs = open_journal(other)
    theirs.close()
    journal = open_journal(mine)
    live(journal)
    shutil.copy(other / "anchor.jsonl", mine / "anchor.jsonl")

    assert "signed with another key" in broken(journal)
    journal.close()


def test_heads_of_earlier_runs_stay_in_the_anchor(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    live(first)
    first.close()
    second = open_journal(tmp_path)
    second.close()
    tampered(tmp_path, f"DELETE FROM history WHERE run = '{first.run}' AND entry > 6",
             f"DELETE FROM move WHERE run = '{first.run}' AND entry > 6")  # fmt: skip

    assert f"before it came run {first.run} up to entry 8" in looked_at(tmp_path)
    with pytest.raises(JournalUnfit, match=f"run {first.run}: entries up to 8 were anchored"):
        open_journal(tmp_path)


def test_a_clock_that_went_back_an_hour_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_journal(tmp_path)
    live(first)
    first.close()
    real = time.time_ns
    monkeypatch.setattr(clock.time, "time_ns", lambda: real() - 3_600_000_000_000)
    second = open_journal(tmp_path)
    written(second, moves(stored(second, "m1"), State.SENT, documents=(document("d1", version=2, status="sent"),)))
    second.close()
    monkeypatch.undo()
    third = open_journal(tmp_path)
    found = third.verify().broken
    third.close()

    assert found is None
