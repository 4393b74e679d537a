"""Replies of a real gateway through a real broker: what a mailbox is told, who submitted through a queue is told by it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import bodies as b
import brokers
import pytest
from queue_client import QueueClient, client, content, once
from queue_desk import QueueSite, envelope, open_queue_site
from sites import wait_until

pytestmark = pytest.mark.requirement("GW-02")


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueSite]:
    with brokers.virtual_host() as name:
        made = open_queue_site(tmp_path_factory.mktemp("replies"), name)
        made.site.simulate("--fast")
        made.run()
        yield made
        for process in list(made.site.processes):
            made.site.stop(process, kill=True)


@pytest.fixture
def erp(queues: QueueSite) -> Iterator[QueueClient]:
    with client(queues.virtual_host) as made:
        yield made


def submit(queues: QueueSite, erp: QueueClient, message: Any, name: str) -> str:
    """Send it; the queue of its replies, which is its own."""
    raw = message if isinstance(message, str) else b.xml(message)
    queue = erp.queue(f"tongguan.reply.demo.{name}")
    kind = "application/json" if isinstance(message, str) else "application/xml"
    queues.send(envelope(raw, kind=kind, name=name), reply_to=queue, correlation_id=name)
    return queue


def replies(erp: QueueClient, queue: str, state: str) -> list[dict[str, Any]]:
    """All that was replied, once a status of this state has come."""
    came = erp.wait(queue, lambda found: any(said(each) == ("status", state) for each in found), f"{state} in {queue}")
    assert {each.properties["correlation_id"] for each in came} == {queue.removeprefix("tongguan.reply.demo.")}
    return [content(each) for each in once(came)]


def said(message: Any) -> tuple[str, str]:
    found = content(message)
    return found["kind"], found["status"]["state"]


@pytest.mark.requirement("GW-03")
@pytest.mark.parametrize("form", ["xml", "json"])
def test_every_fault_is_replied_at_once_with_its_code_place_and_label(queues: QueueSite, erp: QueueClient, form: str) -> None:
    name = b.fresh("faults")
    body = {"Year": "x", "Goods": [{"CodeTS": "0"}]}
    message: Any = (
        b.message(b.APPLICATION, "declare", reference=name, set_={"Year": "x", "Goods/CodeTS": "0"})
        if form == "xml"
        else json.dumps({"type": b.APPLICATION, "operation": "declare", "reference": name, "body": body})
    )
    (reply,) = replies(erp, submit(queues, erp, message, name), "refused")

    faults = reply["status"]["faults"]
    assert len(faults) > 5
    assert all(fault["code"] and fault["path"].startswith("/") and fault["message"] for fault in faults)
    assert any(fault["label"] for fault in faults)
    assert any(("Goods" in fault["path"]) for fault in faults)
    assert reply["content"]["name"].startswith("Failed_")


@pytest.mark.requirement("ME-11")
@pytest.mark.requirement("EX-08")
@pytest.mark.requirement("GW-07")
@pytest.mark.parametrize("type_", ["ME.application", "EX.application"])
def test_approval_receipts_and_status_come_by_themselves(queues: QueueSite, erp: QueueClient, type_: str) -> None:
    if type_ == "ME.application":
        b.registered(queues.site, "ME.registration")
    name = b.fresh("appr")
    found = replies(
        erp, submit(queues, erp, b.message(type_, "declare", like="ok-declare.xml", reference=name), name), "accepted"
    )

    receipts = {e["content"]["name"]: base64.b64decode(e["content"]["body_base64"]) for e in found if e["kind"] == "receipt"}
    assert [name.partition("_")[0] for name in receipts][-1] == "Receipt"
    final = next(each for each in found if each["kind"] == "status")
    shown = queues.wait(name, "accepted")
    assert {key: final["status"][key] for key in ("message_id", "reference", "state", "type")} == {
        key: shown[key] for key in ("message_id", "reference", "state", "type")
    }
    assert final["status"]["numbers"].items() <= shown["numbers"].items()
    inbox = {path.name: path.read_bytes() for path in (*queues.site.inbox("Receipt_"), *queues.site.inbox("Successed_"))}
    assert receipts.items() <= inbox.items()


@pytest.mark.requirement("GW-08")
def test_a_result_is_replied_and_all_of_it_once_more_when_an_operator_asks(queues: QueueSite, erp: QueueClient) -> None:
    name = b.fresh("list")
    queue = submit(queues, erp, b.query(b.APPLICATION, "list", reference=name), name)
    first = replies(erp, queue, "accepted")
    assert [each["kind"] for each in first] == ["result", "status"]
    assert b"<Result" in base64.b64decode(first[0]["content"]["body_base64"])

    queues.site.command("answers", first[0]["status"]["message_id"], "--again", check=True)
    erp.wait(queue, lambda came: len(once(came)) == 4, "the same once more")


@pytest.mark.requirement("GW-08")
def test_what_waits_for_a_person_is_replied_and_what_comes_of_it(queues: QueueSite, erp: QueueClient) -> None:
    queues.site.command("pause", "route", "mofcom", "--why", "a test", check=True)
    try:
        name = b.fresh("held")
        queue = submit(queues, erp, b.application("declare", reference=name), name)
        wait_until(lambda: queues.about(name), "the message")
        queues.site.command("hold", name, "--why", "a look", check=True)
        (held,) = replies(erp, queue, "held")
        assert held["status"]["waiting_for"] == "person"
    finally:
        queues.site.command("resume", "route", "mofcom", check=True)
    queues.site.command("release", name, "--why", "looked", check=True)
    assert [each["status"]["state"] for each in replies(erp, queue, "accepted") if each["kind"] == "status"] == [
        "held",
        "accepted",
    ]


def test_killed_between_reply_and_cursor_the_gateway_replies_at_least_once_and_in_order(
    queues: QueueSite, erp: QueueClient
) -> None:
    names = [b.fresh("kill") for _ in range(12)]
    waiting = [submit(queues, erp, b.application("declare", reference=name), name) for name in names]
    wait_until(lambda: any(erp.take(queue) for queue in waiting), "a reply")
    queues.site.stop(kill=True)
    queues.run()

    for queue in waiting:
        found = replies(erp, queue, "accepted")
        assert found[-1]["kind"] == "receipt" or [each["status"]["state"] for each in found][-1] == "accepted"
        assert any(each["kind"] == "receipt" for each in found)


def test_a_reply_queue_that_is_gone_is_told_and_keeps_nobody_waiting(queues: QueueSite, erp: QueueClient) -> None:
    gone, name = b.fresh("gone"), b.fresh("there")
    queues.send(
        envelope(b.xml(b.message(b.APPLICATION, "declare", reference=gone)), name=gone),
        reply_to=f"tongguan.reply.demo.{gone}",
        correlation_id=gone,
    )
    replies(erp, submit(queues, erp, b.message(b.APPLICATION, "declare", reference=name), name), "refused")

    problem = queues.problem("reply-queue")
    assert gone in problem["text"]
    assert queues.wait(gone, "refused")["faults"]
    assert queues.site.inbox(f"Failed_{gone}")
