"""Submissions by queue: each does its work once, and what nobody can read is among the dead, with its reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import amqp
import bodies as b
import brokers
import pytest
from queue_desk import QueueSite, attachment, envelope, fresh_id, open_queue_site
from sites import second_account, wait_until

pytestmark = [pytest.mark.requirement("GW-02"), pytest.mark.xdist_group("rabbit")]


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueSite]:
    """A running gateway with a broker, for all tests that leave it as they found it."""
    with brokers.virtual_host() as virtual_host:
        made = open_queue_site(tmp_path_factory.mktemp("queues"), virtual_host, settings="\n")
        second_account(made.site)
        made.site.simulate("--fast")
        made.run()
        yield made
        for name in list(made.site.processes):
            made.site.stop(name)


def saved(reference: str) -> str:
    return b.xml(b.application("save", reference=reference)).decode()


def test_a_message_of_a_queue_goes_the_way_of_a_file_and_is_acknowledged(queues: QueueSite) -> None:
    reference = b.fresh("q")

    queues.send(envelope(b.xml(b.application("declare", reference=reference)), name=f"{reference}.xml"))

    status = queues.wait(reference, "sent", "accepted")
    assert status["file"] == f"{reference}.xml"
    assert queues.site.inbox(f"Successed_{reference}_")
    wait_until(lambda: queues.depth() == 0, "the message to be acknowledged")


def test_json_comes_as_a_text_or_as_an_object(queues: QueueSite) -> None:
    known, first, second = b.fresh("q"), b.fresh("q"), b.fresh("q")
    queues.send(envelope(saved(known)))
    queues.wait(known, "accepted")
    body = json.loads(b.as_json("GW.message", "query", {"Reference": known}, reference=first, kind="status"))
    text = json.dumps({**body, "reference": second})

    queues.send(
        envelope(text, kind="application/json"), {"content_type": "application/json", "body": {**body, "reference": first}}
    )

    assert {queues.wait(r, "accepted")["type"] for r in (first, second)} == {"GW.message"}


def test_attachments_come_beside_the_message(queues: QueueSite) -> None:
    reference = b.fresh("q")
    root = b.with_files(b.inspection("declare", reference=reference), ("声明.pdf", "00000002"))

    queues.send(envelope(b.xml(root), name=f"{reference}.xml", attachments=[attachment("声明.pdf", b.pdf())]))

    status = queues.wait(reference, "sent", "accepted", "refused", "rejected")
    assert status["faults"] == []
    assert status["file"] == f"{reference}.zip"


def test_an_attachment_that_is_given_twice_is_refused_with_its_name(queues: QueueSite) -> None:
    name = b.fresh("twice")
    root = b.with_files(b.application("declare"), ("a.pdf", "00000002"))
    twice = [attachment("a.pdf", b.pdf())] * 2

    queues.send(envelope(b.xml(root), name=f"{name}.xml", attachments=twice))

    status = queues.site.wait(f"{name}.zip")
    assert (status["state"], [f["code"] for f in status["faults"]]) == ("refused", ["GW-Z09"])
    assert "a.pdf" in status["faults"][0]["message"]


def test_a_message_that_cannot_be_understood_is_refused_as_a_file_is(queues: QueueSite) -> None:
    name = b.fresh("bad")

    queues.send(envelope("<Unfinished", name=f"{name}.xml"))

    status = queues.site.wait(f"{name}.xml")
    assert (status["state"], status["faults"][0]["code"]) == ("refused", "GW-X01")


def test_the_same_message_sent_again_tells_the_first_outcome_and_does_nothing(queues: QueueSite) -> None:
    reference, id_ = b.fresh("q"), fresh_id()
    told = envelope(saved(reference), name=f"{reference}.xml")

    queues.send(told, message_id=id_)
    first = queues.wait(reference, "accepted")
    queues.send(told, message_id=id_)

    wait_until(lambda: queues.depth() == 0, "the second one to be taken")
    assert [s["state"] for s in queues.about(reference)].count("accepted") <= 2
    assert {s["numbers"].get("application") for s in queues.about(reference)} == {first["numbers"].get("application")}


BAD: list[tuple[str, Any, dict[str, Any], str]] = [
    ("no JSON", b"<xml/>", {}, "GW-Q02"),
    ("no UTF-8", json.dumps({"body": "中"}, ensure_ascii=False).encode("gb18030"), {}, "GW-Q02"),
    ("deep", b"[" * 100_000, {}, "GW-Q02"),
    ("another shape", [1, 2], {}, "GW-Q03"),
    ("no body", {"name": "a.xml"}, {}, "GW-Q03"),
    ("two bodies", {**envelope("<a/>"), "body_base64": "PGEvPg=="}, {}, "GW-Q03"),
    ("a key nobody knows", {**envelope("<a/>"), "acount": "second"}, {}, "GW-Q03"),
    ("a key twice", b'{"content_type": "application/xml", "body": "<a/>", "body": "<b/>"}', {}, "GW-Q03"),
    ("attachments twice", b'{"body":"<a/>","name":"a.xml","attachments":[],"attachments":[]}', {}, "GW-Q03"),
    ("a wrong content type", envelope("<a/>"), {"content_type": "application/xml"}, "GW-Q01"),
    ("a pickle", b"\x80\x04K\x01.", {"content_type": "application/x-python-serialize"}, "GW-Q01"),
    ("an inner content type", envelope("a,b", kind="text/csv"), {}, "GW-Q06"),
    ("a name that says otherwise", envelope("<a/>", name="a.json"), {}, "GW-Q06"),
    ("base64 that is none", {"content_type": "application/xml", "body_base64": "!!!"}, {}, "GW-Q05"),
    ("an attachment's base64", envelope("<a/>", attachments=[{"name": "a", "body_base64": "*"}]), {}, "GW-Q05"),
    ("compressed", envelope("<a/>"), {"headers": {"compression": "application/x-gzip"}}, "GW-Q02"),
    ("an encoding", envelope("<a/>"), {"content_encoding": "gzip"}, "GW-Q02"),
    ("large headers", envelope("<a/>"), {"headers": {"x": "y" * 70_000}}, "GW-Q08"),
    ("another's reply queue", envelope("<a/>"), {"reply_to": "tongguan.reply.second"}, "GW-Q07"),
    ("our own queue", envelope("<a/>"), {"reply_to": "tongguan.submit.demo"}, "GW-Q07"),
    ("another's by its name", envelope("<a/>"), {"reply_to": "erp.second.replies"}, "GW-Q07"),
]


@pytest.mark.long
def test_what_nobody_can_read_is_among_the_dead_as_it_came_with_its_reasons_and_the_next_one_is_taken(queues: QueueSite) -> None:
    queues.dead()
    reference = b.fresh("q")
    sent = {queues.send(told, correlation_id=what, **properties)[0]: (what, code, told) for what, told, properties, code in BAD}

    queues.send(envelope(saved(reference), name=f"{reference}.xml"))

    queues.wait(reference, "accepted")
    wait_until(lambda: queues.depth("tongguan.dead") == len(BAD), "all of them among the dead")
    assert queues.problem("dead")["do"].startswith("tongguan queues dead")
    found = {message.properties["message_id"]: message for message in queues.dead()}
    assert {id_: (m.headers["tongguan-reason"], m.properties["correlation_id"]) for id_, m in found.items()} == {
        id_: (code, what) for id_, (what, code, _) in sent.items()
    }
    assert all(m.headers["tongguan-queue"] == queues.queue and m.headers["tongguan-text-zh"] for m in found.values())
    for id_, (_, _, told) in sent.items():
        body = found[id_].body
        assert (body if isinstance(body, bytes) else body.encode()) == (
            told if isinstance(told, bytes) else json.dumps(told, ensure_ascii=False).encode()
        )
    assert queues.depth() == 0
    queues.well("dead")


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"correlation_id": "half \ud800"}, "GW-Q08"),
    ({"message_id": "\udfff"}, "GW-Q08"),
    ({"reply_to": "\ud800"}, "GW-Q08"),
    ({"reply_to": b"\xff\xfe"}, "GW-Q08"),
    ({"content_type": b"\xff"}, "GW-Q08"),
    ({"message_id": b"\xff"}, "GW-Q08"),
    ({"type": b"\xff"}, "GW-Q08"),
    ({"application_headers": {"x": b"\xff"}, "content_type": "text/plain"}, "GW-Q01"),
    ({"application_headers": {b"\xff": "no text"}, "content_type": "text/plain"}, "GW-Q01"),
    ({"application_headers": {"x-death": [{"count": 1.5, "deep": {"a": [None, True, 1 << 40]}}]}, "content_type": ""}, "GW-Q01"),
    ({"application_headers": {"tongguan-queue": "tongguan.submit.second"}, "content_type": ""}, "GW-Q01"),
    ({"user_id": "guest", "app_id": "second", "cluster_id": "x", "content_type": ""}, "GW-Q01"),
]


def test_what_no_client_should_send_is_among_the_dead_and_the_next_one_is_taken(queues: QueueSite) -> None:
    """What the library that reads it stumbles over would come again for ever, or end the gateway."""
    queues.dead()
    reference = b.fresh("q")
    with queues.channel() as channel:
        for n, (told, _) in enumerate(FORGED):
            message = amqp.Message(b"%d" % n, **{"content_type": "application/json", **told})
            channel.basic_publish(message, exchange="", routing_key=queues.queue)
    queues.send(envelope(saved(reference), name=f"{reference}.xml"))

    queues.wait(reference, "accepted")
    wait_until(lambda: queues.depth("tongguan.dead") == len(FORGED), "all of them among the dead")
    found = {int(message.body): message.headers for message in queues.dead()}
    assert {n: headers["tongguan-reason"] for n, headers in found.items()} == {n: code for n, (_, code) in enumerate(FORGED)}
    assert {headers["tongguan-queue"] for headers in found.values()} == {queues.queue}
    assert queues.depth() == 0


def test_a_message_of_a_hundred_megabytes_is_among_the_dead(queues: QueueSite) -> None:
    queues.dead()

    (id_,) = queues.send(b'{"content_type": "application/xml", "body": "' + b"x" * 100_000_000 + b'"}')

    wait_until(lambda: queues.depth("tongguan.dead") == 1, "it among the dead")
    (found,) = queues.dead()
    assert (found.properties["message_id"], found.headers["tongguan-reason"]) == (id_, "GW-Q04")


def test_nobody_takes_what_is_sent_to_a_queue_of_no_account(queues: QueueSite) -> None:
    with queues.channel() as channel:
        returned: list[Any] = []
        channel.events["basic_return"].add(lambda *told: returned.append(told))

        queues_producer = __import__("kombu").Producer(channel, on_return=lambda *told: returned.append(told))
        queues_producer.publish(
            b"{}", routing_key="tongguan.submit.nobody", mandatory=True, content_type="application/json", content_encoding="utf-8"
        )

    assert returned


def test_each_account_is_spoken_for_by_its_own_queue(queues: QueueSite) -> None:
    reference = b.fresh("q")

    queues.send(envelope(saved(reference), name=f"{reference}.xml"), queue="tongguan.submit.second")

    second = queues.site.home / "mailboxes" / "second" / "Status" / f"{reference}.xml.status.json"
    status = wait_until(lambda: json.loads(second.read_bytes()) if second.exists() else None, "the second account's status")
    assert status["account"] == "second"
    assert queues.about(reference) == []


def test_a_thousand_come_in_batches_each_once(queues: QueueSite) -> None:
    references = [b.fresh("m") for _ in range(1000)]

    queues.send(*(envelope(saved(r), name=f"{r}.xml") for r in references))

    wait_until(lambda: queues.depth() == 0, "all to be taken")

    def ended() -> bool:
        seen = [s["reference"] for s in queues.statuses() if s["state"] == "accepted"]
        return sorted(r for r in seen if r in set(references)) == sorted(references)

    wait_until(ended, "each to be accepted once")


def test_what_is_dead_is_listed_and_goes_back_to_its_queue_as_it_came(queues: QueueSite) -> None:
    queues.dead()
    first, second = queues.send(b"no JSON", envelope("a", kind="text/csv"), headers={"mine": "kept"}, correlation_id="c")
    wait_until(lambda: queues.depth("tongguan.dead") == 2, "both among the dead")

    for _ in range(2):  # to look changes nothing
        told = json.loads(queues.site.command("queues", "dead", "--json", check=True).stdout)
        assert {each["id"]: (each["queue"], each["codes"]) for each in told["dead"]} == {
            first: (queues.queue, ["GW-Q02"]),
            second: (queues.queue, ["GW-Q06"]),
        }
    back = json.loads(queues.site.command("queues", "dead", first, "--send-back", "--json", check=True).stdout)

    assert [each["id"] for each in back["sent_back"]] == [first]
    wait_until(lambda: queues.depth("tongguan.dead") == 2, "it among the dead once more")
    found = {message.properties["message_id"]: message for message in queues.dead()}
    assert set(found) == {first, second}
    assert (found[first].headers["mine"], found[first].properties["correlation_id"]) == ("kept", "c")


@pytest.mark.requirement("GW-02")
def test_what_is_dead_and_of_no_use_is_dropped_by_its_id_alone(queues: QueueSite) -> None:
    queues.dead()
    first, second, third = queues.send(b"no JSON", b"nor this", b"nor that")
    wait_until(lambda: queues.depth("tongguan.dead") == 3, "all among the dead")

    for words in (["--drop"], [first, "--drop", "--send-back"]):
        refused = queues.site.command("queues", "dead", *words, "--lang", "en")
        assert (refused.returncode, "rabbitmqctl purge_queue tongguan.dead -p VHOST" in refused.stderr) == (2, True)
    told = queues.site.command("queues", "dead", first, third, first, "--drop", "--json", check=True)

    assert [each["id"] for each in json.loads(told.stdout)["dropped"]] == [first, third]
    wait_until(lambda: queues.depth("tongguan.dead") == 1, "one left")
    assert [message.properties["message_id"] for message in queues.dead()] == [second]


@pytest.mark.requirement("GW-02")
def test_an_id_that_is_not_among_the_dead_is_named(queues: QueueSite) -> None:
    queues.dead()
    (there,) = queues.send(b"no JSON")
    wait_until(lambda: queues.depth("tongguan.dead") == 1, "it among the dead")

    for words in ([], ["--send-back"], ["--drop"]):
        told = queues.site.command("queues", "dead", "none-such", *words, "--lang", "en")
        assert (told.returncode, told.stderr.startswith("none-such is not among tongguan.dead")) == (1, True)
    told = queues.site.command("queues", "dead", "none-such", there, "--json")

    assert (told.returncode, json.loads(told.stdout)["missing"]) == (1, ["none-such"])
    assert [each["id"] for each in json.loads(told.stdout)["dead"]] == [there]
    queues.dead()
