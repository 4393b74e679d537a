"""One thread writes SQLite: what waits shares a commit, each forced to disk; processes beside it wait their turn."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from journals import comes, in_threads, numbers, submission, written
from patience import here, wait_until

from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import Deferred
from tongguan.gateway.system import clock


def in_processes(home: Path, program: str, count: int) -> list[object]:
    """Run a program in so many fresh interpreters at once; what each printed as JSON."""
    command = [sys.executable, "-c", program, str(home)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    said = [process.communicate(timeout=here(60))[0] for process in running]
    assert [process.returncode for process in running] == [0] * count
    return [json.loads(text) for text in said]


def test_threads_that_finish_at_once_share_commits(busy: Journal) -> None:
    threads, each = 16, 20
    in_threads(threads, lambda n: [written(busy, comes(submission(f"{n}-{k}"))) for k in range(each)])
    before = busy.verify()
    at_work, going = threading.Event(), threading.Event()
    holding = threading.Thread(target=busy._writer.submit, args=(lambda group: at_work.set() or going.wait(),))
    holding.start()
    at_work.wait()
    finishing = [threading.Thread(target=written, args=(busy, comes(submission(f"late-{n}")))) for n in range(threads)]
    for thread in finishing:
        thread.start()
    wait_until(lambda: len(busy._writer._requests) == threads, "all to wait for the journal")
    going.set()
    for thread in (holding, *finishing):
        thread.join()
    after = busy.verify()

    assert (before.broken, before.moves) == (None, threads * each + 1)  # and the start
    assert (after.broken, after.moves - before.moves, after.entries - before.entries) == (None, threads, 1)


def test_an_idle_journal_commits_at_once(busy: Journal) -> None:
    before = busy.verify().entries
    written(busy, comes(submission()))
    written(busy, comes(submission()))

    assert busy.verify().entries == before + 2


def test_what_finish_said_is_written_is_there_for_another_process(busy: Journal, tmp_path: Path) -> None:
    missing = []

    def work(n: int) -> None:
        other = sqlite3.connect(tmp_path / "tongguan.db")
        for k in range(10):
            written(busy, comes(submission(f"{n}-{k}")))
            if other.execute("SELECT 1 FROM message WHERE id = ?", (f"{n}-{k}",)).fetchone() is None:
                missing.append((n, k))
        other.close()

    in_threads(8, work)

    assert missing == []


def test_every_commit_is_forced_to_disk(journal: Journal) -> None:
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_one_wrong_request_of_a_group_does_not_spoil_the_others(busy: Journal) -> None:
    failed = []

    def work(n: int) -> None:
        if n % 3 == 0:
            with pytest.raises(ZeroDivisionError):
                busy._writer.submit(lambda group: 1 // 0)
            failed.append(n)
        else:
            written(busy, comes(submission(f"m{n}")))

    in_threads(12, work)
    with busy.read() as records:
        assert len(records.messages(f"m{n}" for n in range(12))) == 8
    assert len(failed) == 4
    assert busy.verify().broken is None


def test_a_number_is_never_waited_for(busy: Journal) -> None:
    """A step takes it from memory, also while the journal is held by somebody."""
    numbers(busy, 1)
    held = sqlite3.connect(busy.anchor.path.with_name("tongguan.db"), isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    began = clock.monotonic()
    given = [busy.numbers().take("application") for _ in range(150)]
    with pytest.raises(Deferred):
        while True:
            busy.numbers().take("application")
    took = clock.monotonic() - began
    held.execute("ROLLBACK")
    held.close()

    assert given[0] == 2
    assert took < 25  # SQLite itself would have waited for 30 seconds


COUNT = """
import json, sys
from pathlib import Path
from typing import Any
from sqlalchemy import text
from tongguan.gateway.journal.database.engine import open_engine
engine = open_engine("sqlite:///count.db", Path(sys.argv[1]), writes=True)
for _ in range(100):
    with engine.begin() as connection:
        present = connection.execute(text("SELECT n FROM count")).scalar()
        connection.execute(text("UPDATE count SET n = :n"), {"n": present + 1})
print("null")
"""


def test_processes_that_read_and_then_write_lose_nothing(tmp_path: Path) -> None:
    engine = open_engine("sqlite:///count.db", tmp_path, writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE count (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO count VALUES (0)")
    in_processes(tmp_path, COUNT, 3)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT n FROM count").scalar() == 300
    engine.dispose()


def test_claims_of_several_stations_share_a_commit(busy: Journal) -> None:
    """None waits for another's reading or commit: while the journal is held up, each has its rows already."""
    for lane in ("x", "y", "z"):
        written(busy, comes(submission(lane, lane=lane)))
    groups: list[int] = []
    blocked, going = threading.Event(), threading.Event()

    def hold_up(group: object) -> None:
        blocked.set()
        going.wait(30)

    holding = threading.Thread(target=lambda: busy._writer.submit(hold_up))
    holding.start()
    blocked.wait(30)
    write, waiting = busy._writer._write, busy._writer._requests
    busy._writer._write = lambda requests, **more: (groups.append(len(requests)), write(requests, **more))[1]  # type: ignore[method-assign,func-returns-value]
    threads = [threading.Thread(target=busy.claim, args=(lane, [lane]), kwargs={"limit": 1}) for lane in ("x", "y", "z")]
    for thread in threads:
        thread.start()
    while len(waiting) < 3 and all(thread.is_alive() for thread in threads):
        threading.Event().wait(0.01)
    going.set()
    for thread in (holding, *threads):
        thread.join()

    assert groups == [3]
