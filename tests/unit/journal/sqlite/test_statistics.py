"""What SQLite knows of its tables: looked at when a journal is opened and once a day, and nobody waits for it or rests on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grown_journal import Growth
from journals import comes, open_journal, stored, submission, written
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from tongguan.gateway.journal.database import engine
from tongguan.gateway.journal.journal import Journal


def known(journal: Journal) -> set[str]:
    with journal._reading() as connection:
        return set(connection.exec_driver_sql("SELECT tbl FROM sqlite_stat1").scalars())


def test_what_is_long_is_known_and_what_is_short_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_LONG", 100)
    journal = open_journal(tmp_path)
    Growth(journal).add("failed", 200)
    assert known(journal) == set()
    journal.close()

    journal = open_journal(tmp_path)
    assert known(journal) == {"message", "body", "move"}
    journal.close()


def test_a_day_later_it_is_known_of_what_became_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_LONG", 100)
    journal = open_journal(tmp_path)
    Growth(journal).add("failed", 200)
    journal.learn()

    assert "message" in known(journal)
    journal.close()


@pytest.mark.parametrize("error", ["database or disk is full", "attempt to write a readonly database"])
def test_a_disk_that_does_not_take_it_keeps_nobody_from_working(tmp_path: Path, error: str) -> None:
    failed = []

    def fail(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        if statement == "ANALYZE":
            failed.append(statement)
            raise OperationalError(statement, {}, Exception(error))

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        journal = open_journal(tmp_path)
        written(journal, comes(submission("m")))
        journal.learn()
    finally:
        event.remove(Engine, "before_cursor_execute", fail)
    written(journal, comes(submission("n")))

    assert failed and stored(journal, "m") and stored(journal, "n")
    assert journal.verify().broken is None
    journal.close()
