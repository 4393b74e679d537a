"""What several gateways on one database may do to each other: two journals, each of a home with a key of its own, on one database.

A second one cannot be started today, as the anchor of its home knows nothing of the journal: here nobody asks the anchor. SQLite lets only
one transaction write at a time; what another database shows, a row that moved between reading and writing, is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journals import Database, comes, document, in_threads, moves, number, stored, stored_document, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.journal.writing import apply
from tongguan.gateway.journal.writing.preconditions import PresentState
from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Finished
from tongguan.gateway.model.record import replace

Open = Callable[[str], Journal]


@pytest.fixture
def gateway(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Begin a run of the gateway with this home, on a journal that all homes share."""
    monkeypatch.setattr("tongguan.gateway.journal.journal.disagreement", lambda *_: None)
    opened: list[Journal] = []

    def open_(home: str) -> Journal:
        (tmp_path / home).mkdir(exist_ok=True)
        opened.append(database.open(tmp_path / home))
        return opened[-1]

    yield open_
    for journal in opened:
        journal.dispose()


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, what is read before writing fits whatever was decided: what others wrote since is seen by nobody."""

    return lambda: monkeypatch.setattr(apply, "fits", lambda chain, known: True)


def test_a_message_that_moved_between_reading_and_writing_is_a_conflict(journal: Journal, late: Callable[[], None]) -> None:
    mine, other = submission(), submission()
    written(journal, comes(mine), comes(other))
    written(journal, moves(mine, State.CHECKED))
    late()

    fates = journal.finish([(moves(mine, State.REFUSED),), (moves(other, State.CHECKED),)])
    assert fates == [Finished.CONFLICT, Finished.WRITTEN]
    assert [stored(journal, m.id).state for m in (mine, other)] == [State.CHECKED, State.CHECKED]
    assert journal.verify().broken is None


def test_a_document_that_moved_between_reading_and_writing_is_a_conflict(journal: Journal, late: Callable[[], None]) -> None:
    message, first = submission(), document()
    written(journal, comes(message, documents=(first,)))
    theirs = replace(first, version=2, status="theirs")
    written(journal, moves(message, State.CHECKED, documents=(theirs,)))
    late()

    ours = moves(replace(message, state=State.CHECKED), State.SEALED, documents=(replace(first, version=2, status="ours"),))
    assert journal.finish([(ours,)]) == [Finished.CONFLICT]
    assert stored_document(journal).status == "theirs" and stored(journal, message.id).state is State.CHECKED
    assert journal.verify().broken is None


def test_another_message_that_moves_along_is_held_against_its_state_too(
    journal: Journal, late: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    message, other = submission(), submission()
    written(journal, comes(message), comes(other))
    late()
    monkeypatch.setattr(apply, "read_known", lambda *_: PresentState(stored={other.id: State.SEALED}))

    chain = (moves(message, State.CHECKED, others=(replace(other, state=State.STOPPED),)),)
    assert journal.finish([chain]) == [Finished.CONFLICT]
    assert [stored(journal, m.id).state for m in (message, other)] == [State.RECEIVED, State.RECEIVED]


def test_a_start_leaves_in_their_hands_what_runs_of_other_gateways_have(gateway: Open) -> None:
    one = gateway("one")
    written(one, *(comes(submission()) for _ in range(3)))
    theirs = one.claim("s", ["read"], limit=2)
    assert theirs is not None
    two = gateway("two")

    assert one.finish([(moves(m, State.SENT),) for m in theirs.messages], token=theirs.token) == [Finished.WRITTEN] * 2
    mine = two.claim("s", ["read"], limit=5)
    assert mine is not None and len(mine.messages) == 1 and not mine.suspects


def test_a_start_suspects_what_an_earlier_run_of_the_same_gateway_had_in_hand(gateway: Open) -> None:
    one = gateway("one")
    written(one, comes(submission("m")), comes(submission("n")))
    lost = one.claim("s", ["read"], limit=1)
    assert lost is not None
    again = gateway("one")
    found = again.claim("s", ["read"], limit=1)

    assert found is not None and found.suspects == set(lost.keys)
    assert one.finish([(moves(m, State.CHECKED),) for m in lost.messages], token=lost.token) == [Finished.LOST]


def test_a_start_suspects_what_a_run_of_another_gateway_had_in_hand_when_it_ended(gateway: Open) -> None:
    one = gateway("one")
    written(one, comes(submission("m")))
    assert one.claim("s", ["read"], limit=1) is not None
    one.close()
    found = gateway("two").claim("s", ["read"], limit=1)

    assert found is not None and found.suspects == {"m"}


def test_no_number_is_given_by_two(gateway: Open) -> None:
    both, given = [gateway("one"), gateway("two")], list[int]()

    def take(journal: Journal) -> None:
        given.extend(number(journal, "licence", 2) for _ in range(60))

    in_threads(2, lambda n: take(both[n]))
    assert len(given) == len(set(given)) == 120


def test_new_messages_of_two_all_get_a_place_of_their_own(gateway: Open) -> None:
    both, fates = [gateway("one"), gateway("two")], list[object]()

    def come(journal: Journal) -> None:
        for _ in range(10):
            fates.extend(journal.finish([(comes(submission()),), (comes(submission()),)]))

    in_threads(2, lambda n: come(both[n]))
    assert fates == [Finished.WRITTEN] * 40
    with both[0].search() as found:
        assert len({m.sequence for m in found.in_state(State.RECEIVED, 50)}) == 40


def test_of_two_that_decided_on_the_same_version_one_is_written(gateway: Open) -> None:
    both = [gateway("one"), gateway("two")]
    message, first = submission("m"), document()
    written(both[0], comes(message, documents=(first,)))
    for version in range(2, 12):
        fates: list[object] = []

        again = moves(message, State.RECEIVED, documents=(replace(first, version=version),))
        in_threads(2, lambda n, again=again, fates=fates: fates.extend(both[n].finish([(again,)])))  # type: ignore[misc]
        assert sorted(map(str, fates)) == ["conflict", "written"]


def told(journal: Journal, cursor: Cursor) -> list[str]:
    with journal.search() as records:
        return [message for page in records.moves_after("demo", cursor) for message, _ in page]


def test_who_follows_the_history_misses_nothing_whatever_the_order_of_commits_and_numbers(gateway: Open) -> None:
    one, two = gateway("one"), gateway("two")
    written(one, comes(submission("a")))
    with one.search() as records:
        cursor = Cursor.of(str(records.end()))
    written(two, comes(submission("b")))
    written(one, comes(submission("c")))
    with two.search() as records:
        later = records.end()
    # a database that lets transactions overlap gives numbers before the commit: this one was committed last
    two._writer.submit(lambda group: group.connection.exec_driver_sql("UPDATE move SET n = -1 WHERE message_id = 'b'") and None)
    again = gateway("two")
    written(again, comes(submission("d")))

    assert sorted(told(one, cursor)) == ["b", "c", "d"]
    assert told(one, later) == ["d"]
    assert sorted(told(one, Cursor())) == ["a", "b", "c", "d"]


def test_a_marker_that_is_no_place_is_the_beginning() -> None:
    assert [Cursor.of(text) for text in (None, "", "57", "{}", "[1]")] == [Cursor()] * 5
