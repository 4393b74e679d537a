"""Of two submissions of one document the later one waits; nothing else does."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import comes, moves, receipt_message, stored, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import BEFORE_SENT, State
from tongguan.gateway.model.outcome import Finished


def test_the_later_submission_of_a_document_waits(journal: Journal) -> None:
    written(journal, comes(submission("a", document_id="d")))
    written(journal, comes(submission("b", document_id="d")))

    assert stored(journal, "b").due_at is None
    assert stored(journal, "b").waiting_for == "earlier message"


def test_of_two_that_come_in_one_commit_the_first_goes_and_the_second_waits(journal: Journal) -> None:
    written(journal, comes(submission("a", document_id="d")), comes(submission("b", document_id="d")))

    assert stored(journal, "a").due_at is not None
    assert stored(journal, "b").waiting_for == "earlier message"


@pytest.mark.parametrize("state", [State.SENT, State.ACCEPTED, State.REFUSED, State.STOPPED, State.HELD])
def test_it_goes_when_the_earlier_one_is_sent_or_ends(journal: Journal, state: State) -> None:
    first = submission("a", document_id="d")
    written(journal, comes(first), comes(submission("b", document_id="d")), comes(submission("c", document_id="d")))
    journal.bell("read").clear()
    written(journal, moves(first, state))

    assert stored(journal, "b").due_at is not None and stored(journal, "b").waiting_for is None
    assert stored(journal, "c").waiting_for == "earlier message"
    assert journal.bell("read").is_set()


@pytest.mark.parametrize("state", [State.CHECKED, State.SEALED])
def test_it_goes_on_waiting_while_the_earlier_one_is_on_its_way(journal: Journal, state: State) -> None:
    first = submission("a", document_id="d")
    written(journal, comes(first), comes(submission("b", document_id="d")))
    written(journal, moves(first, state))

    assert stored(journal, "b").waiting_for == "earlier message"


def test_it_goes_when_a_receipt_ends_the_earlier_one(journal: Journal) -> None:
    first = submission("a", document_id="d")
    written(journal, comes(first), comes(submission("b", document_id="d")), comes(receipt_message("r")))
    ended = replace(first, state=State.REJECTED, lane=None, due_at=None)
    written(journal, moves(receipt_message("r"), State.SETTLED, others=(ended,)))

    assert stored(journal, "b").waiting_for is None


def test_a_withdrawal_a_query_and_a_receipt_never_wait(journal: Journal) -> None:
    written(journal, comes(submission("a", document_id="d")))
    written(journal, comes(submission("w", document_id="d", operation="withdraw", waits=False)))
    written(journal, comes(receipt_message("r", document_id="d")))

    assert stored(journal, "w").due_at is not None
    assert stored(journal, "r").due_at is not None


def test_what_does_not_wait_lets_nobody_wait(journal: Journal) -> None:
    written(journal, comes(submission("w", document_id="d", waits=False)))
    written(journal, comes(submission("a", document_id="d")))

    assert stored(journal, "a").due_at is not None


def test_other_documents_never_wait(journal: Journal) -> None:
    written(journal, comes(submission("a", document_id="d")), comes(submission("b", document_id="e")))

    assert stored(journal, "b").due_at is not None


def test_a_message_cannot_pass_an_earlier_one_in_its_first_hand(journal: Journal) -> None:
    written(journal, comes(submission("a", document_id="d")))
    later = submission("b", document_id="d")
    checked = moves(later, State.CHECKED)

    assert journal.finish([(comes(later), checked)]) == [Finished.CONFLICT]
    assert journal.finish([(comes(later),)]) == [Finished.WRITTEN]


def test_a_later_decision_of_the_batch_sees_what_waits(journal: Journal) -> None:
    written(journal, comes(submission("a", document_id="d")))
    with journal.read() as records:
        second, third = submission("b", document_id="d"), submission("c", document_id="e")
        assert records.waits_for_earlier(second)
        assert not records.waits_for_earlier(third)
        records.see(comes(third))
        assert records.waits_for_earlier(submission("f", document_id="e"))
        assert not records.waits_for_earlier(submission("w", document_id="e", waits=False))


def test_the_bytes_under_which_a_receipt_came_earlier_in_the_batch_are_known(journal: Journal) -> None:
    with journal.read() as records:
        assert records.receipt_bytes("a", "rc", but="r0") is None
        for n in range(3):
            records.see(comes(receipt_message(f"r{n}", reference="a:rc", sha256=f"s{n}")))
        records.see(comes(receipt_message("other", reference="a:rd", sha256="t")))

        assert [records.receipt_bytes("a", "rc", but=but) for but in ("r0", "r1", "x")] == ["s1", "s0", "s0"]
        assert records.receipt_bytes("a", "rd", but="other") is None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12), st.integers(0, 1 << 30))
def test_whatever_comes_and_ends_one_of_each_document_can_always_go(
    journal: Journal, arrivals: list[tuple[int, bool]], seed: int
) -> None:
    """Nothing is overtaken and nothing waits for ever."""
    prefix, chance = submission().id, Random(seed)
    open_: list[str] = []
    for document, alone in arrivals:
        message = submission(document_id=f"{prefix}-{document}")
        open_.append(message.id)
        written(journal, comes(message))
        if not alone and chance.random() < 0.5:
            _step(journal, open_, chance)
    while open_:
        _step(journal, open_, chance)


def _step(journal: Journal, open_: list[str], chance: Random) -> None:
    rows = [stored(journal, id_) for id_ in open_]
    first_of = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        first_of.setdefault(row.document_id, row)
    for row in rows:
        assert (row.due_at is not None) == (first_of[row.document_id].id == row.id)
    row = chance.choice(list(first_of.values()))
    state = chance.choice([State.CHECKED, State.SENT, State.REFUSED])
    if state in BEFORE_SENT:
        written(journal, moves(row, state, with_={"due_at": 1, "lane": Lane("card:c")}))
    else:
        written(journal, moves(row, state))
        open_.remove(row.id)
