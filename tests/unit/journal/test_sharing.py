"""Many threads and processes on one journal: commits are shared, and nothing is given twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import Database, comes, in_threads, moves, number, numbers, open_journal, stored, submission, written

from tongguan.gateway.journal.history.anchor import Anchor
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.serials import block_size
from tongguan.gateway.model.message import State


def test_messages_are_numbered_in_order_without_doubles(busy: Journal) -> None:
    in_threads(8, lambda n: written(busy, *(comes(submission(f"{n}-{k}")) for k in range(5))))
    with busy.read() as records:
        found = records.messages(f"{n}-{k}" for n in range(8) for k in range(5))
    sequences = {id_: message.sequence for id_, message in found.items()}

    assert sorted(sequences.values()) == list(range(1, 41))
    for n in range(8):
        own = [sequences[f"{n}-{k}"] for k in range(5)]
        assert own == sorted(own)


def test_serial_numbers_are_given_once_across_threads_and_restarts(database: Database) -> None:
    given: list[int] = []
    for _ in range(3):
        journal = database.open()
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


def test_each_series_counts_by_itself(journal: Journal) -> None:
    assert [number(journal, "a"), number(journal, "b"), number(journal, "a")] == [1, 1, 2]


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


def test_looks_of_many_threads_each_see_one_moment_and_those_that_fail_leave_nothing_behind(busy: Journal) -> None:
    written(busy, comes(submission("m1")))

    def look(n: int) -> None:
        for k in range(20):
            with suppress(ZeroDivisionError), busy.search() as records:
                before = records.messages(["m1", f"{n}-{k}"])
                if k % 3 == 0:
                    written(busy, comes(submission(f"{n}-{k}")))
                assert records.messages(["m1", f"{n}-{k}"]) == before
                _ = 1 // (k % 2)

    in_threads(12, look)
    with busy.search() as records:
        assert len(records.messages(f"{n}-{k}" for n in range(12) for k in range(0, 20, 3))) == 12 * 7


def test_a_closed_journal_has_no_file_open(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with journal.search(), journal.search() as records:
        assert records.message("m1") is None
    journal.close()

    opened = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")]
    assert [name for name in opened if name.startswith(str(tmp_path)) and ".db" in name] == []
