"""What nobody does on purpose, done to a gateway while messages come through its queue: nothing is lost, and nothing done twice."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import bodies as b
import brokers
import pytest
from own_broker import SilentLine
from queue_client import client, content, once
from queue_desk import QueueSite, envelope, fresh_id, open_queue_site
from sites import GUARDED, wait_until

pytestmark = [pytest.mark.requirement("GW-02"), pytest.mark.requirement("GW-08")]
EVENTS, REPLIES = "tongguan.reply.demo.events", "tongguan.reply.demo"
ONE_AND_A_HALF = 32  #: bytes: a frame that acknowledges has 21


@pytest.fixture
def virtual_host() -> Iterator[str]:
    with brokers.virtual_host() as name:
        with client(name) as erp:
            erp.queue(EVENTS, binding="#")
            erp.queue(REPLIES)
        yield name


def ended(queues: QueueSite) -> None:
    for process in list(queues.site.processes):
        queues.site.stop(process, kill=True)


def submitted(queues: QueueSite, references: list[str]) -> dict[str, object]:
    """Sent, each under an id of its own; what was sent."""
    told = {fresh_id(): envelope(b.xml(b.application("save", reference=each)), name=f"{each}.xml") for each in references}
    queues.insist(told, reply_to=REPLIES)
    return told


def cut(virtual_host: str) -> None:
    """As the broker's administrator does; who only listens connects again."""
    brokers.control("close_all_connections", "--vhost", virtual_host, "for a test")


def rows(queues: QueueSite) -> Counter[str]:
    """How many messages the journal has of each reference."""
    with closing(sqlite3.connect(f"file:{queues.site.home}/tongguan.db?mode=ro", uri=True, timeout=5)) as base:
        return Counter(dict(base.execute("SELECT reference, COUNT(*) FROM message GROUP BY 1")))


def assert_answered_once(queues: QueueSite, references: list[str]) -> None:
    """The journal has each once, it is replied once, told in order, and the broker has nothing left of it."""
    with client(queues.virtual_host) as erp:
        wait_until(lambda: len(once(erp.take(REPLIES))) >= len(references), "every reply")
        wait_until(lambda: queues.depth() == 0, "every message to be acknowledged")
        wait_until(lambda: len(once(erp.take(EVENTS))) >= 2 * len(references), "every event")
        replies = [content(each)["status"] for each in once(erp.take(REPLIES))]
        events = [content(each) for each in once(erp.take(EVENTS))]
    came = rows(queues)
    assert {each: came[each] for each in references} == dict.fromkeys(references, 1)
    assert Counter(status["reference"] for status in replies if status["final"]) == dict.fromkeys(references, 1)
    numbers: dict[str, list[int]] = {}
    for event in events:
        numbers.setdefault(event["document"], []).append(event["sequence"])
    assert numbers == {each: list(range(1, len(numbers[each]) + 1)) for each in references}
    assert queues.dead() == []


@pytest.mark.long
@pytest.mark.parametrize("let_through", [0, ONE_AND_A_HALF])
def test_a_connection_that_is_cut_while_acknowledgements_are_on_their_way(
    virtual_host: str, tmp_path: Path, let_through: int
) -> None:
    line = SilentLine(brokers.ADDRESS[1])
    address = brokers.address_of(virtual_host)
    queues = open_queue_site(
        tmp_path, virtual_host, url=address.replace(f":{brokers.ADDRESS[1]}/", f":{line.port}/"), broker=['heartbeat = "60s"']
    )
    queues.run()
    queues.url = address
    references = [b.fresh("ack") for _ in range(120)]
    try:
        submitted(queues, references[:20])
        wait_until(lambda: queues.done(references[:20]), "some to be done")
        wait_until(lambda: queues.depth() == 0, "them to be acknowledged")
        line.carry_only(to_broker=let_through)
        submitted(queues, references[20:])
        wait_until(lambda: queues.done(references), "all to be done")
        wait_until(lambda: queues.depth() >= 50, "the broker to say that it has not heard of most of them")

        cut(virtual_host)

        assert_answered_once(queues, references)
        queues.well("broker")
    finally:
        ended(queues)
        line.close()


@pytest.mark.long
@pytest.mark.parametrize("by", ["-2h", "-400d"])
def test_a_clock_that_is_set_back_while_messages_come(virtual_host: str, tmp_path: Path, by: str) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("libfaketime")
    import libfaketime

    _, moved = libfaketime.get_reload_information()
    clock = tmp_path / "clock"
    clock.write_text("+0")
    queues = open_queue_site(tmp_path, virtual_host)
    names = [f"{name}={value}" for name, value in {**moved, "FAKETIME_TIMESTAMP_FILE": clock}.items()]
    queues.site.run(["env", *names, *GUARDED])
    wait_until(lambda: queues.is_there(queues.queue), "the queue")
    references = [b.fresh("clock") for _ in range(90)]
    try:
        first = submitted(queues, references[:30])
        wait_until(lambda: queues.about(references[0]), "the first to come")
        clock.write_text(by)
        submitted(queues, references[30:60])
        cut(virtual_host)
        wait_until(lambda: queues.done(references[:60]), "them to be done")
        assert queues.problem("clock")
        clock.write_text("+0")
        submitted(queues, references[60:])
        wait_until(lambda: queues.done(references), "all to be done")
        assert_answered_once(queues, references)

        queues.insist(first)  # their sender asks again
        wait_until(lambda: queues.depth() == 0, "them to be taken")
        assert queues.done(references)
    finally:
        ended(queues)
