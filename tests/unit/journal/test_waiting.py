"""What waits for another document is made due by the commit that moves that one, and holds up nothing meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from journals import comes, document, moves, receipt_message, stored, submission, written

from tongguan.gateway.journal.database import prepared
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.document import Document
from tongguan.gateway.model.message import OTHER, Message, State
from tongguan.gateway.model.outcome import Finished, Outcome, Reservation

FILING = document("filing", status="declared")


def waiter(id_: str, **more: Any) -> Message:
    return submission(id_, **{"due_at": None, "waiting_for": OTHER, "waits_on": "filing", **more})


def moved(after: Document, **more: Any) -> Outcome:
    """A receipt that brings the filing there."""
    return comes(receipt_message(f"r{after.version}"), documents=(after,), **more)


def filing(version: int, **more: Any) -> Document:
    return replace(FILING, version=version, **more)


@pytest.fixture
def waiting(journal: Journal) -> Journal:
    """A journal in which a message waits for a filing."""
    written(journal, comes(submission("q"), documents=(FILING,)), comes(waiter("w"), relied_on={"filing": 1}))
    journal.bell("read").clear()
    return journal


@pytest.mark.parametrize(
    ("after", "wakes"),
    [
        ({"status": "approved"}, True),
        ({"status": "declared"}, False),
        ({"status": "declared", "deleted": True}, True),
    ],
)
def test_it_is_due_once_the_document_stands_elsewhere_or_is_gone(waiting: Journal, after: dict[str, Any], wakes: bool) -> None:
    written(waiting, moved(filing(2, **after)))

    found = stored(waiting, "w")
    assert (found.due_at is not None, found.waiting_for) == (wakes, None if wakes else OTHER)
    assert waiting.bell("read").is_set() == wakes
    assert found.waits_on == "filing"


def test_it_is_due_once_the_document_lets_go_what_it_had_reserved(waiting: Journal) -> None:
    kept = Reservation("k", "v", "filing")
    written(waiting, moved(filing(2), reserve=(kept,)))
    assert stored(waiting, "w").due_at is None
    written(waiting, moved(filing(3), release=(kept,)))

    assert stored(waiting, "w").due_at is not None


@pytest.mark.parametrize("first", ["wait", "move"])
def test_of_a_wait_and_a_move_in_one_commit_the_second_knows_of_the_first(journal: Journal, first: str) -> None:
    written(journal, comes(submission("q"), documents=(FILING,)))
    wait, move = comes(waiter("w"), relied_on={"filing": 1}), moved(filing(2, status="approved"))
    chains = [(wait,), (move,)] if first == "wait" else [(move,), (wait,)]

    words = journal.finish(chains)

    if first == "wait":
        assert words == [Finished.WRITTEN] * 2
        assert stored(journal, "w").due_at is not None
    else:
        assert words == [Finished.WRITTEN, Finished.CONFLICT]


def test_a_wait_for_a_document_that_has_moved_on_is_decided_again(journal: Journal) -> None:
    written(journal, comes(submission("q"), documents=(FILING,)))
    written(journal, moved(filing(2, status="approved")))

    assert journal.finish([(comes(waiter("w"), relied_on={"filing": 1}),)]) == [Finished.CONFLICT]


@pytest.mark.parametrize("state", [State.HELD, State.STOPPED])
def test_one_that_is_held_or_over_is_not_woken(waiting: Journal, state: State) -> None:
    found = stored(waiting, "w")
    written(waiting, moves(found, state, with_={"waiting_for": "person" if state is State.HELD else None}))
    written(waiting, moved(filing(2, status="approved")))

    assert stored(waiting, "w").due_at is None


def test_a_later_message_of_its_own_document_goes(journal: Journal) -> None:
    written(journal, comes(submission("q"), documents=(FILING,)))
    written(journal, comes(waiter("w", document_id="d"), relied_on={"filing": 1}))
    written(journal, comes(submission("later", document_id="d")))

    assert stored(journal, "later").due_at is not None


def test_what_stood_behind_it_goes_once_it_waits(journal: Journal) -> None:
    own = submission("w", document_id="d")
    written(journal, comes(submission("q"), documents=(FILING,)), comes(own), comes(submission("later", document_id="d")))
    assert stored(journal, "later").due_at is None
    waits = {"due_at": None, "waiting_for": OTHER, "waits_on": "filing"}
    written(journal, moves(own, State.RECEIVED, with_=waits, relied_on={"filing": 1}))

    assert stored(journal, "later").due_at is not None


def test_many_that_wait_are_woken_by_as_many_statements_as_one(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def statements_of(work: Callable[[], None]) -> list[str]:
        said: list[str] = []
        run_many = prepared._run_many

        def note(connection: Any, text: str, values: Any) -> int:
            said.append(text)
            return run_many(connection, text, values)

        with monkeypatch.context() as patch:
            patch.setattr(prepared, "_run_many", note)
            work()
        return said

    written(journal, comes(submission("q"), documents=(FILING,)), comes(waiter("w"), relied_on={"filing": 1}))
    one = statements_of(lambda: written(journal, moved(filing(2, status="approved"))))
    written(journal, *(comes(waiter(f"w{n}"), relied_on={"filing": 2}) for n in range(500)))
    many = statements_of(lambda: written(journal, moved(filing(3, status="declared"))))

    assert [text for text in one if "waits_on" in text.partition("WHERE")[2]] != []
    assert one == many
    assert all(stored(journal, f"w{n}").due_at is not None for n in range(500))
