"""Stations that wait share one look at what is due; a commit makes it old at once, time does so after a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from journals import submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.next_due import NextDue
from tongguan.gateway.model.lane import Lane, LaneKind
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.system import clock

READ, BATCH = Lane(LaneKind.READ), Lane(LaneKind.BATCH)
HOUR_MS = 3_600_000


class Looks:
    """A clock to set, and a count of how often the journal was read."""

    def __init__(self, journal: Journal) -> None:
        self.count, self.now, self._journal = 0, 0.0, journal
        self.next_due = NextDue(self._reading, lambda: self.now)

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        self.count += 1
        with self._journal._reading() as connection:
            yield connection

    def due(self, *lanes: Lane, ahead: int = 0) -> bool:
        return self.next_due.by(clock.now_ms() + ahead, lanes)


@pytest.fixture
def looks(journal: Journal) -> Looks:
    return Looks(journal)


def test_all_who_ask_share_one_look(journal: Journal, looks: Looks) -> None:
    written(journal, Outcome(submission(), None, "read"))
    looks.due(READ, BATCH)

    assert [looks.due(READ), looks.due(BATCH), looks.due(READ, BATCH)] == [True, False, True]
    assert looks.count == 1


def test_what_is_due_later_is_due_then_without_another_look(journal: Journal, looks: Looks) -> None:
    written(journal, Outcome(submission(due_at=clock.now_ms() + HOUR_MS), None, "read"))

    assert [looks.due(READ), looks.due(READ, ahead=HOUR_MS)] == [False, True]
    assert looks.count == 1


def test_a_look_is_old_after_a_commit_and_after_a_moment(looks: Looks) -> None:
    looks.due(READ)
    looks.next_due.changed()
    looks.due(READ)
    looks.now += 1.0
    looks.due(READ)

    assert looks.count == 3


def test_a_look_that_a_commit_overtook_is_not_kept(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = looks.next_due._reading

    @contextmanager
    def overtaken() -> Iterator[Any]:
        with reading() as connection:
            yield connection
        looks.next_due.changed()

    monkeypatch.setattr(looks.next_due, "_reading", overtaken)
    looks.due(READ)
    looks.due(READ)

    assert looks.count == 2


def test_what_a_commit_made_due_is_claimed_by_whoever_hears_of_the_commit(journal: Journal) -> None:
    assert journal.claim("s", [READ], limit=1) is None
    for _ in range(20):
        written(journal, Outcome(submission(), None, "read"))

        assert journal.claim("s", [READ], limit=1) is not None
