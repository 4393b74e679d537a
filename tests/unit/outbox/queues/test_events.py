"""Events: every move reaches who listens, at least once, each document's in their order and numbered without gaps."""

from __future__ import annotations

import brokers
import pytest
from amqp import Message as Came
from queue_client import QueueClient, client, content, key, once

from tongguan.gateway.model.message import State
from tongguan.gateway.model.record import replace
from tongguan.outbox.queues import events
from tongguan.outbox.queues.events import Events

from ..conftest import document, receipt, submission
from .conftest import Queues, begun, told

pytestmark = pytest.mark.requirement("GW-02")


def keys(came: list[Came]) -> list[str]:
    return [key(message) for message in came]


def numbers(came: list[Came], field: str = "document") -> dict[str, list[int]]:
    """The numbers of events, by what they are about."""
    found: dict[str, list[int]] = {}
    for each in map(content, came):
        found.setdefault(each[field], []).append(each["sequence"])
    return found


def test_a_submission_and_its_document_are_told_of_by_four_words(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Events)
    listener.queue(name, binding="demo.#")
    first = document("d1", status="pending")
    sent = submission("m1", State.SENT, document="PO/1", document_id="d1", type="NA.application")
    queues.home.comes_without_file(sent, documents=(replace(first, type="NA.application"),))
    told(teller)

    came = listener.take(name)
    assert keys(came) == ["demo.NA.application.sent", "demo.NA.application.changed"]
    assert [message.properties["message_id"] for message in came] == [content(message)["event_id"] for message in came]
    message, moved = map(content, came)
    assert message == {
        "schema": 1,
        "event_id": message["event_id"],
        "sequence": 1,
        "kind": "message",
        "at": message["at"],
        "account": "demo",
        "environment": "test",
        "type": "NA.application",
        "document": "PO/1",
        "state": "sent",
        "message_id": "m1",
        "reference": "m1",
        "operation": "declare",
        "numbers": {"licence": "26AA000001"},
        "final": False,
        "batch": None,
    }
    assert (moved["kind"], moved["sequence"], moved["version"]) == ("document", 2, 1)
    assert moved["business_status"] == {"code": "3", "text": "待初审"}


def test_of_several_states_in_one_commit_only_the_last_is_told(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Events)
    listener.queue(name, binding="#")
    message = submission("m2")
    chain = [
        queues.home.outcome(message, None),
        queues.home.outcome(replace(message, state=State.CHECKED), State.RECEIVED),
        queues.home.outcome(replace(message, state=State.SEALED), State.CHECKED),
    ]
    queues.home.journal.finish([tuple(chain)])
    told(teller)

    assert [key(each) for each in listener.take(name) if content(each)["message_id"] == "m2"] == ["demo.T.-.sealed"]


def test_a_receipt_tells_of_the_document_that_it_moved_and_of_the_submission_that_it_ends(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    teller = queues.teller(Events)
    listener.queue(name, binding="#")
    sent = queues.home.comes_without_file(submission("m3", State.SENT, document_id="d3"), documents=(document("d3", key="3"),))
    queues.home.receives("r3", ends=sent, documents=(document("d3", key="3", version=2),), receipts=(receipt("rc3", "m3"),))
    told(teller)

    came = [content(each) for each in listener.take(name)]
    assert [(each["kind"], each["state"], each["sequence"]) for each in came] == [
        ("message", "sent", 1),
        ("document", "changed", 2),
        ("document", "changed", 3),
        ("message", "accepted", 4),
    ]
    assert came[2]["receipts"] == [{"authority": "a", "id": "rc3", "code": "10"}]
    assert came[2]["message_id"] is None


def test_what_could_not_be_read_and_batches_have_keys_of_four_words_too(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Events)
    listener.queue(name, binding="#")
    queues.home.comes_without_file(submission("m4", State.REFUSED, type="", operation=""))
    queues.home.comes_without_file(submission("m5", type="", operation="batch"))
    told(teller)

    assert keys(listener.take(name)) == ["demo.GW.unread.refused", "demo.GW.batch.received"]


def test_told_again_after_a_crash_events_have_the_ids_and_numbers_that_they_had(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    first = queues.teller(Events)
    listener.queue(name, binding="#")
    for n in range(5):
        message = queues.home.comes_without_file(submission(f"a{n}", document="PO/1", document_id="d1"), documents=())
        queues.home.moves(message, State.SENT)
        if n == 2:
            told(first)  # the cursor is kept here
    while first.turn():
        pass  # told, and the process ends before the cursor is kept
    again = queues.teller(Events)
    told(again)

    came = listener.take(name)
    assert len(came) > 10
    assert numbers(once(came)) == {"PO/1": list(range(1, 11))}
    assert len({content(each)["event_id"]: content(each)["sequence"] for each in came}) == 10


def test_a_document_is_numbered_on_where_an_earlier_run_ended(queues: Queues, listener: QueueClient, name: str) -> None:
    listener.queue(name, binding="#")
    for n in range(3):
        teller = queues.teller(Events)
        queues.home.comes_without_file(submission(f"b{n}", document="PO/1", document_id="d1"))
        told(teller)

    assert numbers(listener.take(name)) == {"PO/1": [1, 2, 3]}


def test_many_events_come_in_order(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Events)
    listener.queue(name, binding="#")
    for n in range(700):
        queues.home.comes_without_file(submission(f"c{n:04d}", document=f"PO/{n % 7}", document_id=f"d{n % 7}"))
    told(teller)

    came = listener.take(name)
    assert [content(each)["message_id"] for each in came] == [f"c{n:04d}" for n in range(700)]
    assert numbers(came) == {f"PO/{n}": list(range(1, 101)) for n in range(7)}


def assert_no_gap(came: list[Came]) -> None:
    """Whoever looks at `sequence` alone, and takes what is higher than what it had, has missed nothing."""
    had: dict[str, int] = {}
    for each in map(content, came):
        assert each["sequence"] <= had.get(each["document"], 0) + 1, each
        had[each["document"]] = max(had.get(each["document"], 0), each["sequence"])


def many(queues: Queues, word: str, documents: int, each: int) -> dict[str, list[int]]:
    """So many events of so many documents, and the numbers that they have."""
    for n in range(documents * each):
        about = f"{word}{n % documents}"
        queues.home.comes_without_file(submission(f"{word}m{n}", document=about, document_id=about))
    return {f"{word}{n}": list(range(1, each + 1)) for n in range(documents)}


def test_what_a_queue_refuses_for_a_moment_comes_when_there_is_room_each_documents_in_their_order(
    queues: Queues, listener: QueueClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Events, "pauses", (0.01,) * 10_000)
    teller = queues.teller(Events)
    listener.queue(name, binding="#", **{"x-max-length": 3, "x-overflow": "reject-publish"})
    expected = many(queues, "e", documents=20, each=10)
    with begun(teller):
        listener.wait(name, lambda came: len(once(came)) == 200, "all events")
    listener.channel.queue_delete(name)

    came = listener.came[name]
    assert numbers(once(came)) == expected
    assert_no_gap(came)
    assert queues.troubles("event-queue") == []


def test_what_a_queue_refuses_holds_up_later_events_of_the_same_document_and_nothing_else(
    queues: Queues, listener: QueueClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Events, "pauses", (0.05,) * 100_000)
    teller = queues.teller(Events)
    listener.queue(f"{name}-full", binding="#", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    listener.queue(name, binding="#")
    with begun(teller):
        many(queues, "h", documents=3, each=2)
        listener.wait(name, lambda came: {"h1", "h2"} <= {content(each)["document"] for each in came}, "what is refused")
        later = many(queues, "l", documents=30, each=1)
        listener.wait(name, lambda came: later.keys() <= numbers(once(came)).keys(), "what comes later")
    listener.channel.queue_delete(f"{name}-full")

    assert {document: n for document, n in numbers(once(listener.came[name])).items() if document in ("h1", "h2")} == {
        "h1": [1],
        "h2": [1],
    }
    told(queues.teller(Events))
    came = listener.take(name)
    assert numbers(once(came)) == {**{f"h{n}": [1, 2] for n in range(3)}, **later}
    assert_no_gap(came)


def test_a_queue_that_takes_no_more_lacks_events_with_an_alert_and_delays_nobody_elses(
    queues: Queues, listener: QueueClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Events, "pauses", (0.01, 0.01))
    teller = queues.teller(Events)
    listener.queue(f"{name}-full", binding="#", **{"x-max-length": 2, "x-overflow": "reject-publish"})
    listener.queue(name, binding="#")
    for page in range(3):
        for n in range(4):
            queues.home.comes_without_file(submission(f"p{page}m{n}"))
        told(teller)

    came = [content(each)["message_id"] for each in listener.take(name)]
    assert list(dict.fromkeys(came)) == [f"p{page}m{n}" for page in range(3) for n in range(4)]
    assert came.count("p0m3") == 3, "offered again, as nobody says which queue it was that refused"
    assert came[-8:] == [f"p{page}m{n}" for page in (1, 2) for n in range(4)], "and the next ones only once"
    assert len(listener.take(f"{name}-full")) == 2
    listener.channel.queue_delete(f"{name}-full")
    (problem,) = (each for each in queues.home.alerts.problems() if each.code == "event-queue")
    assert "events replay --since 20" in problem.do

    teller.look()
    assert queues.troubles("event-queue")
    monkeypatch.setattr(events, "GONE", -1.0)
    teller.look()
    assert queues.troubles("event-queue") == []


def test_the_end_of_the_gateway_leaves_what_a_queue_refuses_for_the_next_start(
    queues: Queues, listener: QueueClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Events, "pauses", (600.0,))
    teller = queues.teller(Events)
    listener.queue(f"{name}-full", binding="#", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    listener.queue(name, binding="#")
    for n in range(2):
        queues.home.comes_without_file(submission(f"g{n}"))
    with begun(teller):
        listener.wait(name, lambda came: len(came) == 2, "both")
    listener.channel.queue_delete(f"{name}-full")
    told(queues.teller(Events))

    assert [content(each)["message_id"] for each in listener.take(name)] == ["g0", "g1", "g0", "g1"]


def test_a_move_that_is_damaged_is_left_out_and_stops_nobody(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Events)
    listener.queue(name, binding="#")
    queues.home.comes_without_file(submission("f1"))
    queues.home.comes_without_file(submission("f2"))
    queues.home.spoil("UPDATE move SET line = 'x' WHERE message_id = 'f1'")
    told(teller)

    assert [content(each)["message_id"] for each in listener.take(name)] == ["f2"]


def test_a_journal_that_has_lost_its_cursor_is_told_from_its_end_on(queues: Queues, listener: QueueClient, name: str) -> None:
    listener.queue(name, binding="#")
    told(queues.teller(Events))
    queues.home.comes_without_file(submission("k1"))
    queues.home.spoil("DELETE FROM marker WHERE name = 'checkpoint:events'")
    teller = queues.teller(Events)
    queues.home.comes_without_file(submission("k2"))
    told(teller)

    assert [content(each)["message_id"] for each in listener.take(name)] == ["k2"]


def test_what_moves_after_the_broker_has_ended_an_idle_connection_is_told(queues: Queues, virtual_host: str, name: str) -> None:
    teller = queues.teller(Events)
    with client(virtual_host) as listener:
        listener.queue(name, binding="#")
    queues.home.comes_without_file(submission("i1"))
    brokers.control("close_all_connections", "--vhost", virtual_host, "for a test")
    told(teller)

    with client(virtual_host) as listener:
        assert [content(each)["message_id"] for each in listener.take(name)] == ["i1"]
