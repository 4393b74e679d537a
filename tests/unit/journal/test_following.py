"""Who follows the whole history: everything once, in order, from where it came to; and what came through a queue."""

from __future__ import annotations

import pytest
from journals import Database, answer, comes, document, moves, receipt, submission, written

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.message import State
from tongguan.gateway.model.queueing import QueueDelivery, reply_queue_allowed

pytestmark = pytest.mark.requirement("GW-02")


def told(journal: Journal, cursor: Cursor, limit: int = 100) -> tuple[list[str], Cursor]:
    """What moved behind a cursor, page by page, without what moved no message; and the end."""
    found: list[str] = []
    while True:
        with journal.search() as records:
            lines, behind = records.moves_behind(cursor, limit)
        found += [f"{line.message_id} {line.state}" for line in lines if line.message_id != "gateway"]
        if behind == cursor:
            return found, behind
        cursor = behind


def delivery(id_: str, **more: str) -> QueueDelivery:
    return QueueDelivery(**{"message_id": id_, "account": "demo", "key": f"k-{id_}", "reply_to": "tongguan.reply.demo", **more})


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_follower_is_told_of_every_move_once_and_in_order_over_all_runs(database: Database, limit: int) -> None:
    journal, cursor = database.open(), Cursor()
    first, second = submission("1"), submission("2")
    written(journal, comes(first), comes(second))
    written(journal, moves(first, State.SENT))
    journal.close()
    journal = database.open()
    written(journal, moves(second, State.REFUSED), comes(submission("3")))

    found, cursor = told(journal, cursor, limit)
    assert found == ["1 received", "2 received", "1 sent", "2 refused", "3 received"]

    written(journal, comes(submission("4")))
    assert told(journal, Cursor.of(str(cursor)), limit)[0] == ["4 received"]


def test_who_begins_to_follow_begins_at_the_end_and_goes_on_from_there_after_a_restart(database: Database) -> None:
    journal = database.open()
    written(journal, comes(submission("1")))
    begun = journal.begin_following("events")
    written(journal, comes(submission("2")))
    journal.close()

    journal = database.open()
    assert journal.begin_following("events") == begun
    assert told(journal, begun)[0] == ["2 received"]


def test_how_many_events_were_told_of_a_document_is_kept_with_the_cursor(journal: Journal) -> None:
    cursor = journal.begin_following("events")
    journal.set_told("events", cursor, {"d1": 2, "d2": 1})
    journal.set_told("events", cursor, {"d1": 5})

    with journal.search() as records:
        assert records.event_counts(["d1", "d2", "d3"]) == {"d1": 5, "d2": 1}


def test_the_first_entry_since_a_moment_is_found(journal: Journal) -> None:
    for n in range(5):
        written(journal, comes(submission(str(n))))
    with journal.search() as records:
        lines, _ = records.moves_behind(Cursor(), 100)
        third = next(line for line in lines if line.message_id == "2")

        assert records.first_entry_since(third.run, third.at) <= third.entry
        assert records.first_entry_since(third.run, 0) == 1
        assert records.first_entry_since(third.run, 1 << 50) == lines[-1].entry + 1


def test_the_same_delivery_finds_the_first_message_that_it_became(journal: Journal) -> None:
    written(journal, comes(submission("b"), delivery=delivery("b", key="same")))
    written(journal, comes(submission("a", state=State.REPEATED, same_as="b"), delivery=delivery("a", key="same")))

    with journal.read() as records:
        assert records.delivered("demo", ["same", "other"]) == {"same": "b"}
        assert records.delivered("another", ["same"]) == {}
        records.see(comes(submission("c"), delivery=delivery("c", key="other")))
        assert records.delivered("demo", ["same", "other"]) == {"same": "b", "other": "c"}


def test_those_are_answered_who_sent_it_who_sent_its_batch_and_who_sent_either_again(journal: Journal) -> None:
    written(journal, comes(submission("whole", operation="batch"), delivery=delivery("whole")))
    written(journal, comes(submission("item", batch="whole")))
    written(journal, comes(submission("again", same_as="whole", state=State.REPEATED), delivery=delivery("again")))
    written(journal, comes(submission("quiet"), delivery=delivery("quiet", reply_to="")), comes(submission("dropped")))

    with journal.search() as records:
        about = records.deliveries_about(["item", "whole", "quiet", "dropped"])
    assert {id_: sorted(each.message_id for each in found) for id_, found in about.items()} == {
        "item": ["again", "whole"],
        "whole": ["again", "whole"],
    }


def test_receipts_and_answers_are_found_by_their_names(journal: Journal) -> None:
    written(journal, comes(submission("m"), receipts=(receipt("r1", message_id="m"),), answers=(answer("m", kind="receipt"),)))

    with journal.search() as records:
        (found,) = records.receipts_named([("a", "r1"), ("a", "none")])
        assert records.answers_under("demo", [found.file or ""])[found.file or ""].content == b"<Response/>"
        assert records.answers_under("other", [found.file or ""]) == {}


def test_moved_messages_and_documents_are_told_by_what_names_them(journal: Journal) -> None:
    written(journal, comes(submission("m", document_id="d1"), documents=(document(numbers={"licence": "26AA"}),)))

    with journal.search() as records:
        assert records.moved_messages(["m"])["m"].document_id == "d1"
        assert records.moved_documents(["d1"])["d1"].numbers == {"licence": "26AA"}


@pytest.mark.parametrize(
    ("queue", "allowed"),
    [
        ("", True),
        ("tongguan.reply.demo", True),
        ("tongguan.reply.demo.erp-1", True),
        ("amq.gen-Jz", True),
        ("amq.rabbitmq.reply-to.g1h", True),
        ("erp-answers", True),
        ("erp.demo", True),
        ("erp.other", False),
        ("tongguan.reply.other", False),
        ("tongguan.reply.demo2", False),
        ("tongguan.reply", False),
        ("tongguan.submit.demo", False),
        ("tongguan.dead", False),
        ("tongguan.reply.demo." + "号" * 100, False),
    ],
)
def test_answers_go_neither_to_queues_of_another_account_nor_to_the_gateways_own(queue: str, allowed: bool) -> None:
    assert reply_queue_allowed("demo", queue, {"demo", "other"}) is allowed
