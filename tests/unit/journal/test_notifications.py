"""Short messages in the journal: written with their receipt, once for each receipt and number, kept until they are handed over."""

from __future__ import annotations

from typing import Any

import pytest
from journals import Database, comes, document, receipt_message, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.ids import derived_id
from tongguan.gateway.model.notification import Notification, masked
from tongguan.gateway.model.outcome import Finished


def note(receipt: str = "a:1", phone: str = "13800138000", **more: Any) -> Notification:
    given = {"account": "demo", "message_id": "m", "document_id": "d", "reference": "d", "text": "通过", "at": 1, "next_at": 1}
    return Notification(derived_id(receipt, phone), receipt=receipt, phone=phone, **{**given, **more})


def test_it_is_written_with_its_receipt_and_stays_until_it_is_sent(journal: Journal) -> None:
    written(journal, comes(receipt_message("r"), notifications=(note(),)))
    assert journal.notifications.due(0, 9) == []
    (due,) = journal.notifications.due(1, 9)
    assert due == note()

    journal.notifications.tried([], {due.id: 50})
    assert journal.notifications.due(49, 9) == []
    (again,) = journal.notifications.due(50, 9)
    assert (again.id, again.attempts) == (due.id, 1)

    journal.notifications.tried([due.id], {})
    assert journal.notifications.due(1 << 50, 9) == []


def test_what_is_given_up_is_never_due_again(journal: Journal) -> None:
    written(journal, comes(receipt_message("r"), notifications=(note(),)))
    journal.notifications.tried([], {note().id: None})

    assert journal.notifications.due(1 << 50, 9) == []


def test_the_same_receipt_tells_a_number_once_and_other_numbers_too(journal: Journal) -> None:
    written(journal, comes(receipt_message("r1"), notifications=(note(), note(phone="13900139000"))))
    written(journal, comes(receipt_message("r2"), notifications=(note(), note("a:2"))))

    assert sorted((n.receipt, n.phone) for n in journal.notifications.due(1, 9)) == [
        ("a:1", "13800138000"),
        ("a:1", "13900139000"),
        ("a:2", "13800138000"),
    ]


def test_an_outcome_that_is_not_written_tells_nobody(journal: Journal) -> None:
    stale = comes(receipt_message("r"), documents=(document("d", version=7),), notifications=(note(),))

    assert journal.finish([(stale,)]) == [Finished.CONFLICT]
    assert journal.notifications.due(1, 9) == []


def test_they_outlive_the_run(database: Database) -> None:
    first = database.open()
    written(first, comes(receipt_message("r"), notifications=(note(),)))
    first.close()
    second = database.open()

    assert second.notifications.due(1, 9) == [note()]
    second.close()


def test_new_ones_ring_the_bell_of_who_sends_them(journal: Journal) -> None:
    bell = journal.bell("notify")
    written(journal, comes(receipt_message("r1")))
    assert not bell.is_set()

    written(journal, comes(receipt_message("r2"), notifications=(note(),)))
    assert bell.is_set()


@pytest.mark.parametrize(
    ("phone", "shown"), [("13800138000", "138****8000"), ("+8613800138000", "+86****8000"), ("12345", "****")]
)
def test_a_number_is_shown_without_its_middle(phone: str, shown: str) -> None:
    assert masked(phone) == shown
