"""Replies to who submitted through a queue: everything that its mailbox is told, in order, at least once; and nobody waits for them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from amqp import Message as Came
from patience import wait_until
from queue_client import QueueClient, content, once

from tongguan.gateway.model.message import Kind, State
from tongguan.gateway.model.record import replace
from tongguan.outbox.queues import replies
from tongguan.outbox.queues.replies import Replies

from ..conftest import answer, document, receipt, submission
from .conftest import Queues, begun, told

pytestmark = pytest.mark.requirement("GW-02")


def kinds(came: list[Came]) -> list[tuple[str, str]]:
    return [(content(each)["kind"], content(each)["status"]["state"]) for each in came]


def carried(came: Came) -> bytes:
    return base64.b64decode(content(came)["content"]["body_base64"])


def test_a_reply_tells_the_status_where_a_message_ends_with_the_id_that_the_request_had(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    teller = queues.teller(Replies)
    listener.queue(name)
    failed = answer("m1", "Failed_m1", content=b"<Response code='1'/>")
    queues.submitted("m1", name, with_={"state": State.REFUSED}, answers=(failed,))
    told(teller)

    (came,) = listener.take(name)
    said = content(came)
    assert (came.properties["correlation_id"], came.properties["content_type"]) == ("c-m1", "application/json")
    assert came.properties["delivery_mode"] == 2
    assert (said["kind"], said["status"]["message_id"], said["status"]["final"]) == ("status", "m1", True)
    assert said["reply_id"] == came.properties["message_id"]
    assert (said["content"]["name"][:10], said["content"]["content_type"]) == ("Failed_m1_", "application/xml")
    assert carried(came) == b"<Response code='1'/>"


def test_receipts_results_and_each_state_that_ends_or_waits_for_a_person_are_told_in_order(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    teller = queues.teller(Replies)
    listener.queue(name)
    message = queues.submitted("m1", name, with_={"document_id": "d1"}, documents=(document("d1"),))
    told(teller)
    held = queues.home.moves(message, State.HELD)
    told(teller)
    sent = queues.home.moves(held, State.SENT)
    told(teller)
    handed_on = answer("r1", "Receipt_26AA", kind="receipt", content=b"<Receipt/>")
    queues.home.receives(
        "r1", ends=sent, documents=(document("d1", version=2),), receipts=(receipt("rc", "m1"),), answers=(handed_on,)
    )
    told(teller)

    came = listener.take(name)
    assert kinds(came) == [("status", "held"), ("receipt", "accepted"), ("status", "accepted")]
    assert carried(came[1]) == b"<Receipt/>"
    assert content(came[0])["content"] is None
    assert {each.properties["correlation_id"] for each in came} == {"c-m1"}


def test_a_result_comes_before_the_status_that_ends_its_question(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Replies)
    listener.queue(name)
    message = queues.submitted("m1", name, with_={"operation": "query"})
    rows = answer("m1", "Result_m1", kind="result", suffix=".csv", content=b"a,b\n")
    queues.home.moves(message, State.ACCEPTED, answers=(rows,))
    told(teller)

    came = listener.take(name)
    assert kinds(came) == [("result", "accepted"), ("status", "accepted")]
    assert (carried(came[0]), content(came[0])["content"]["content_type"]) == (b"a,b\n", "text/csv")


def test_of_an_answer_over_the_limit_it_is_told_where_it_lies(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Replies)
    listener.queue(name)
    large = bytes(8_000_001)
    message = queues.submitted("m1", name)
    queues.home.moves(message, State.ACCEPTED, answers=(answer("m1", "Result_m1", kind="result", suffix=".pdf", content=large),))
    told(teller)

    result, _ = listener.take(name)
    said = content(result)["content"]
    assert said == {
        "name": said["name"],
        "content_type": "application/pdf",
        "size_bytes": 8_000_001,
        "sha256": hashlib.sha256(large).hexdigest(),
        "fetch": {"folder": "InBox", "file": said["name"]},
    }
    assert said["name"].startswith("Result_m1_")


def test_items_of_a_batch_are_told_to_who_sent_the_batch(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Replies)
    listener.queue(name)
    queues.submitted("whole", name, with_={"operation": "batch", "type": ""})
    item = queues.home.comes_without_file(submission("item", batch="whole"))
    queues.home.moves(item, State.ACCEPTED)
    told(teller)

    (came,) = listener.take(name)
    assert (content(came)["status"]["message_id"], came.properties["correlation_id"]) == ("item", "c-whole")


def test_who_sends_the_same_again_is_told_all_of_the_first_and_what_comes_of_it(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    teller = queues.teller(Replies)
    listener.queue(name)
    first = queues.home.comes_without_file(submission("first", State.SENT, document_id="d1"), documents=(document("d1"),))
    handed_on = answer("r1", "Receipt_26AA", kind="receipt", content=b"<Receipt/>")
    moved = (document("d1", version=2),)
    queues.home.finish(
        replace(submission("r1", State.SETTLED, source=None), kind=Kind.RECEIPT),
        documents=moved,
        receipts=(receipt("rc", "first"),),
        answers=(handed_on,),
    )
    queues.submitted("again", name, with_={"state": State.REPEATED, "same_as": "first"})
    told(teller)
    assert kinds(listener.take(name)) == [("receipt", "sent"), ("status", "sent")]

    queues.home.moves(first, State.ACCEPTED)
    told(teller)
    came = listener.take(name)
    assert kinds(came)[2:] == [("status", "accepted")]
    assert {each.properties["correlation_id"] for each in came} == {"c-again"}


def test_what_was_answered_is_told_once_more_when_somebody_asks(queues: Queues, listener: QueueClient, name: str) -> None:
    teller = queues.teller(Replies)
    message = queues.submitted("m1", name)
    queues.home.moves(message, State.ACCEPTED, answers=(answer("m1", "Result_m1", kind="result", suffix=".json"),))
    told(teller)
    (text,) = queues.troubles("reply-queue")
    assert name in text
    assert "demo" in text

    listener.queue(name)
    queues.home.journal.write_again("m1", who="li", why="lost")
    told(teller)

    assert kinds(listener.take(name)) == [("result", "accepted"), ("status", "accepted")]
    assert queues.troubles("reply-queue") == []


def test_a_queue_that_is_gone_or_full_or_anothers_keeps_nobody_elses_replies(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    queues.home.around.mailboxes["other"] = queues.home.mailbox  # type: ignore[index]
    teller = queues.teller(Replies)
    listener.queue(name)
    listener.queue(f"{name}-full", **{"x-max-length": 1, "x-overflow": "reject-publish"})
    for n, queue in enumerate(["none-such", f"{name}-full", "tongguan.reply.other", "tongguan.submit.demo", name] * 4):
        queues.submitted(f"m{n:02d}", queue, with_={"state": State.REFUSED})
    told(teller)

    assert [content(each)["status"]["message_id"] for each in once(listener.take(name))] == ["m04", "m09", "m14", "m19"]
    said = " | ".join(queues.troubles("reply-queue"))
    assert all(queue in said for queue in ("none-such", f"{name}-full", "tongguan.reply.other", "tongguan.submit.demo"))
    assert [p.do for p in queues.home.alerts.problems() if "none-such" in p.text] == ["tongguan answers m15 --again"]


def test_the_alert_of_a_queue_that_is_gone_ends_when_nobody_replies_to_it_any_more(
    queues: Queues, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller = queues.teller(Replies)
    queues.submitted("m1", name, with_={"state": State.REFUSED})
    told(teller)
    teller.look()
    assert queues.troubles("reply-queue")

    monkeypatch.setattr(replies, "GONE", -1.0)
    teller.look()
    assert queues.troubles("reply-queue") == []


def test_after_a_crash_between_the_reply_and_the_cursor_it_is_told_once_more_with_the_same_id(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    first = queues.teller(Replies)
    listener.queue(name)
    for n in range(5):
        queues.submitted(f"m{n}", name, with_={"state": State.REFUSED})
    while first.turn():
        pass
    told(queues.teller(Replies))

    came = listener.take(name)
    assert len(came) == 10
    assert [content(each)["status"]["message_id"] for each in once(came)] == [f"m{n}" for n in range(5)]


def test_large_answers_of_many_are_never_all_in_memory(
    queues: Queues, listener: QueueClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tongguan.outbox.queues.history_teller._LARGE", 100_000)
    teller = queues.teller(Replies)
    listener.queue(name)
    for n in range(40):
        message = queues.submitted(f"m{n:02d}", name)
        content_ = bytes([n]) * 30_000
        queues.home.moves(message, State.ACCEPTED, answers=(answer(message.id, kind="result", suffix=".pdf", content=content_),))
    told(teller)

    results = [each for each in once(listener.take(name)) if content(each)["kind"] == "result"]
    contents = [carried(each) for each in results]
    assert [each[0] for each in contents] == list(range(40))
    assert all(each == each[:1] * 30_000 for each in contents)


def test_a_broker_that_is_away_delays_replies_and_they_come_when_it_is_back(
    queues: Queues, listener: QueueClient, name: str
) -> None:
    listener.queue(name)
    queues.teller(Replies)
    away = Queues(queues.home, "amqp://guest:guest@127.0.0.1:1//")
    lost = away.teller(Replies)
    assert "127.0.0.1" in away.troubles("replies")[0]
    queues.submitted("m1", name, with_={"state": State.REFUSED})
    assert not lost.turn()

    back = queues.teller(Replies)
    with begun(back):
        listener.wait(name, len, "the reply")
        wait_until(lambda: not queues.troubles("replies"), "the alert's end")
