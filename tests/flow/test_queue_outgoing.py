"""The broker misbehaves while a gateway tells it of its work: nothing waits, it is told, and all is there in order within seconds of its return."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bodies as b
import brokers
import pytest
import redis
from own_broker import OwnBroker, SilentLine, own_broker
from patience import here
from queue_client import QueueClient, client, content, once
from queue_desk import QueueSite, envelope, open_queue_site
from sites import wait_until

pytestmark = [pytest.mark.requirement("GW-02"), pytest.mark.requirement("GW-08")]
WITHIN = 10.0  #: seconds after the broker's return
EVENTS, REPLIES = "tongguan.reply.demo.events", "tongguan.reply.demo"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker of this file's own: others test on while it is down."""
    with own_broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


def opened(broker: OwnBroker, folder: Path, url: str = "", *settings: str) -> QueueSite:
    """A gateway without authorities: what is saved is accepted by itself."""
    made = open_queue_site(folder, "", url=url or broker.url, broker=settings)
    with listening(broker) as erp:
        erp.queue(EVENTS, binding="#", **{"x-queue-type": "quorum"})
        erp.queue(REPLIES, **{"x-queue-type": "quorum"})
        for queue in (EVENTS, REPLIES):
            erp.channel.queue_purge(queue)
    made.run()
    return made


@pytest.fixture(scope="module")
def queues(broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueSite]:
    made = opened(broker, tmp_path_factory.mktemp("queues"))
    yield made
    made.site.stop("run", kill=True)


@contextmanager
def listening(broker: OwnBroker) -> Iterator[QueueClient]:
    with client("/", port=broker.port) as made:
        yield made


def submitted(queues: QueueSite, count: int = 10) -> list[str]:
    """References of messages that went through the queue, and want a reply."""
    references = [b.fresh("sent") for _ in range(count)]
    for reference in references:
        message = envelope(b.xml(b.application("save", reference=reference)), name=f"{reference}.xml")
        queues.send(message, reply_to=REPLIES, correlation_id=reference)
    return references


def dropped(queues: QueueSite, count: int = 10) -> list[str]:
    """References of files; each is done before this returns: it waits for no broker."""
    references = [b.fresh("file") for _ in range(count)]
    for reference in references:
        queues.site.drop(b.xml(b.application("save", reference=reference)), name=f"{reference}.xml")
    for reference in references:
        queues.site.wait(f"{reference}.xml", "accepted")
    return references


def numbers(erp: QueueClient) -> dict[str, list[int]]:
    """Of each document the numbers of its events, as they came, without those that came before."""
    found: dict[str, list[int]] = {}
    for event in map(content, once(erp.take(EVENTS))):
        found.setdefault(str(event["document"]), []).append(event["sequence"])
    return found


def told_soon(broker: OwnBroker, events: list[str], replies: list[str]) -> None:
    """All of it is there within seconds of now, each document's events in their order and without gaps."""
    began = time.monotonic()
    with listening(broker) as erp:

        def there() -> bool:
            answered = {message.properties["correlation_id"] for message in erp.take(REPLIES)}
            return all(len(numbers(erp).get(each, ())) >= 2 for each in events) and answered >= set(replies)

        wait_until(there, "every event and reply")
        assert time.monotonic() - began < here(WITHIN)
        for document, given in numbers(erp).items():
            assert given == list(range(1, len(given) + 1)), document


def stopped(broker: OwnBroker) -> Callable[[], None]:
    broker.stop()
    return broker.start


def killed(broker: OwnBroker) -> Callable[[], None]:
    broker.stop(kill=True)
    return broker.start


def starved(broker: OwnBroker) -> Callable[[], None]:
    broker.starve()
    return broker.feed


def robbed(broker: OwnBroker) -> Callable[[], None]:
    """The right to write is taken; who has a connection keeps what it has checked already."""
    broker.allow(write="nothing")
    broker.cut_connections()
    return broker.allow


@pytest.mark.long
@pytest.mark.parametrize("trouble", [stopped, killed, starved, robbed])
def test_a_broker_in_trouble_delays_what_it_is_told_and_nothing_else(
    queues: QueueSite, broker: OwnBroker, trouble: Callable[[OwnBroker], Callable[[], None]]
) -> None:
    replies = submitted(queues)
    wait_until(lambda: all(queues.about(reference) for reference in replies), "the submissions")
    mend = trouble(broker)
    try:
        events = dropped(queues)
        problem = queues.problem("events")
        assert problem["do"].startswith("tongguan queues")
        assert "events" in queues.site.command("status").stdout
    finally:
        mend()

    told_soon(broker, [*events, *replies], replies)
    queues.well("events")
    queues.well("replies")


def test_connections_that_are_cut_again_and_again_lose_no_event_and_no_reply(queues: QueueSite, broker: OwnBroker) -> None:
    replies, events = [], []
    for _ in range(3):
        replies += submitted(queues, 3)
        broker.cut_connections()
        events += dropped(queues, 3)

    told_soon(broker, [*events, *replies], replies)


def test_a_broker_that_is_killed_in_the_middle_of_a_thousand_replies_has_each_of_them_after_its_start(
    queues: QueueSite, broker: OwnBroker
) -> None:
    references = [b.fresh("many") for _ in range(1000)]
    queues.insist(
        {
            reference: envelope(b.xml(b.application("save", reference=reference)), name=f"{reference}.xml")
            for reference in references
        },
        reply_to=REPLIES,
    )
    with listening(broker) as erp:
        wait_until(lambda: len(erp.take(REPLIES)) >= 50, "some replies", 120)
        known = once(erp.came[REPLIES])
    broker.stop(kill=True)
    broker.start()

    with listening(broker) as erp:

        def answered() -> set[str]:
            came = map(content, [*known, *erp.take(REPLIES)])
            return {str(told["status"]["reference"]) for told in came if told["status"]["final"]}

        wait_until(lambda: answered() >= set(references), "every reply", 240)
    assert all(len(queues.about(reference)) == 1 for reference in references[::100])


def test_a_broker_that_cannot_be_is_not_taken_up_and_another_one_gets_what_waits(
    broker: OwnBroker, queues: QueueSite, tmp_path: Path
) -> None:
    brokers.redis_is_there()
    queues.site.stop("run")  # it would take what is sent to the other one
    store = redis.Redis(*brokers.REDIS, db=12)
    store.flushdb()
    apart = opened(broker, tmp_path)
    settings = apart.site.home / "tongguan.toml"
    text = settings.read_text("utf-8")

    def with_url(url: str) -> int:
        settings.write_text(text.replace(broker.url, url), "utf-8")
        return apart.site.command("reload").returncode

    try:
        (first,) = submitted(apart, 1)
        done = apart.wait(first, "accepted")
        assert with_url("sqla+sqlite:///messages.db") != 0
        (second,) = submitted(apart, 1)
        apart.wait(second, "accepted")

        assert with_url("amqp://guest:guest@127.0.0.1:1//") == 0
        apart.problem("broker")
        dropped(apart, 2)
        apart.site.command("answers", done["message_id"], "--again", check=True)
        apart.problem("replies")

        assert with_url(f"redis://{brokers.REDIS[0]}:{brokers.REDIS[1]}/12") == 0
        for code in ("broker", "replies", "events"):
            apart.well(code)
        wait_until(lambda: store.llen(REPLIES) == 1, "the reply that waited")
        third = b.fresh("moved")
        QueueSite(apart.site, f"redis://{brokers.REDIS[0]}:{brokers.REDIS[1]}/12").send(
            envelope(b.xml(b.application("save", reference=third)), name=f"{third}.xml"), reply_to=REPLIES
        )
        apart.wait(third, "accepted")
        wait_until(lambda: store.llen(REPLIES) == 2, "its reply")
    finally:
        apart.site.stop("run", kill=True)
        store.flushdb()
        queues.run()


def test_a_line_that_falls_silent_is_given_up_and_another_one_made(broker: OwnBroker, queues: QueueSite, tmp_path: Path) -> None:
    queues.site.stop("run")
    line = SilentLine(broker.port)
    apart = opened(broker, tmp_path, broker.url.replace(str(broker.port), str(line.port)))
    try:
        replies = submitted(apart, 3)
        wait_until(lambda: all(apart.about(reference) for reference in replies), "the submissions")
        line.fall_silent()
        events = dropped(apart, 3)
        told_soon(broker, [*events, *replies], replies)
    finally:
        apart.site.stop("run", kill=True)
        line.close()
        queues.run()


def test_queues_tell_how_much_waits_while_the_broker_is_away(queues: QueueSite, broker: OwnBroker) -> None:
    broker.stop()
    try:
        events = dropped(queues, 3)
        seen = queues.site.command("queues", "--json")
        screen = queues.site.command("queues", "--lang", "en")
    finally:
        broker.start()

    told = json.loads(seen.stdout)
    assert (seen.returncode, told["reachable"]) == (1, False)
    assert told["events"]["waiting"] >= 3
    assert told["events"]["lag_seconds"] > 0
    assert "the connection is refused" in screen.stdout
    told_soon(broker, events, [])
