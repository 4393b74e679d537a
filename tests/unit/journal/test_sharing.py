"""Many threads and processes on one journal: commits are shared, and nothing is given twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import comes, moves, open_journal, stored, submission, written
from patience import here, wait_until

from tongguan.gateway.journal.database.engine import open_engine
from tongguan.gateway.journal.history.anchor import Anchor
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.serials import block_size
from tongguan.gateway.model.errors import Deferred
from tongguan.gateway.model.message import State
from tongguan.gateway.system import clock


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in so many threads at once, all let go together; raises what one of them raised."""
    gate, raised = threading.Barrier(count), list[BaseException]()

    def one(n: int) -> None:
        try:
            gate.wait()
            work(n)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in raised:
        raise error


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


def test_messages_are_numbered_in_order_without_doubles(busy: Journal) -> None:
    in_threads(8, lambda n: written(busy, *(comes(submission(f"{n}-{k}")) for k in range(5))))
    with busy.read() as records:
        found = records.messages(f"{n}-{k}" for n in range(8) for k in range(5))
    sequences = {id_: message.sequence for id_, message in found.items()}

    assert sorted(sequences.values()) == list(range(1, 41))
    for n in range(8):
        own = [sequences[f"{n}-{k}"] for k in range(5)]
        assert own == sorted(own)


def numbers(journal: Journal, count: int, digits: int = 6) -> list[int]:
    """So many numbers, as a step gets them: where none is in hand it is decided again a moment later."""
    given: list[int] = []
    while len(given) < count:
        try:
            given.append(journal.serials("application", digits=digits))
        except Deferred:
            clock.pause(0.002)
    return given


def test_serial_numbers_are_given_once_across_threads_and_restarts(tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(3):
        journal = open_journal(tmp_path)
        journal.start()
        in_threads(8, lambda n, journal=journal: given.extend(numbers(journal, 300)))  # type: ignore[misc]
        journal.close()

    assert sorted(given) == list(range(1, 7201))  # what a block still held went back at each stop


@given(lives=st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.sampled_from([3, 6, 9])), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_number_is_given_twice_whatever_stops_and_kills_come(
    tmp_path_factory: pytest.TempPathFactory, lives: list[tuple[int, bool, int]]
) -> None:
    """A clean stop gives back, a kill burns what its blocks still held, and never more."""
    home = tmp_path_factory.mktemp("home")
    seen: list[int] = []
    burnt = 0
    for count, cleanly, digits in lives:
        journal = open_journal(home)
        seen += numbers(journal, count, digits)
        if cleanly:
            journal.close()
        else:
            journal.dispose()
            burnt += 2 * block_size(digits)
        anchored = Anchor(home / "anchor.jsonl").numbers().get("application", 1)
        assert anchored > max(seen, default=0)

    assert seen == sorted(set(seen))
    assert max(seen, default=0) <= len(seen) + burnt


@pytest.mark.parametrize(("digits", "size"), [(3, 10), (6, 200), (9, 1000), (14, 1000)])
def test_a_block_fits_its_series(digits: int, size: int) -> None:
    assert block_size(digits) == size


def test_a_number_is_never_waited_for(busy: Journal) -> None:
    """A step takes it from memory, also while the journal is held by somebody."""
    numbers(busy, 1)
    held = sqlite3.connect(busy.anchor.path.with_name("tongguan.db"), isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    began = clock.monotonic()
    given = [busy.serials("application") for _ in range(150)]
    with pytest.raises(Deferred):
        while True:
            busy.serials("application")
    took = clock.monotonic() - began
    held.execute("ROLLBACK")
    held.close()

    assert given[0] == 2
    assert took < 25  # SQLite itself would have waited for 30 seconds


def test_each_series_counts_by_itself(journal: Journal) -> None:
    assert [journal.serials("a"), journal.serials("b"), journal.serials("a")] == [1, 1, 2]


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


def test_a_reader_sees_one_moment(busy: Journal) -> None:
    message = submission("m")
    written(busy, comes(message))
    with busy.search() as records:
        records.tally()
        written(busy, moves(message, State.SENT))
        assert records.message("m").state is State.RECEIVED  # type: ignore[union-attr]

    assert stored(busy, "m").state is State.SENT


def test_a_receipt_and_the_cursor_that_says_so_are_one_commit(journal: Journal) -> None:
    journal.deliver([(comes(submission("r")),)], marker="cursor:a:demo", value="7")
    journal.deliver([(comes(submission("r")),)], marker="cursor:a:demo", value="8")
    with journal.search() as records:
        assert records.marker("cursor:a:demo") == "8"
        assert records.message("r") is not None


def test_orders_are_carried_out_once_in_the_order_in_which_they_came(journal: Journal) -> None:
    given: list[object] = []

    def carry_out(command: Mapping[str, Any], who: str, why: str) -> dict[str, Any]:
        given.append((command["do"], who, why))
        if command["do"] == "stop":
            raise ValueError("no")
        return {"messages": {}}

    ids = [journal.give_order("li", "test", {"do": what}) for what in ("hold", "stop")]
    assert journal.carry_out_orders(carry_out) == ids
    assert journal.carry_out_orders(carry_out) == []
    with journal.search() as records:
        assert [records.order_result(id_)[1] for id_ in ids] == [{"messages": {}}, {"error": "ValueError: no"}]

    assert given == [("hold", "li", "test"), ("stop", "li", "test")]
