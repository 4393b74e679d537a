"""Redis as a second choice: submissions come through it, each once, and what nobody can read is among the dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bodies as b
import brokers
import pytest
import redis
from queue_desk import QueueSite, envelope, open_queue_site
from sites import wait_until

pytestmark = pytest.mark.requirement("GW-02")
DATABASE = 11


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[QueueSite]:
    brokers.redis_is_there()
    store = redis.Redis(*brokers.REDIS, db=DATABASE)
    store.flushdb()
    made = open_queue_site(tmp_path, "", url=f"redis://{brokers.REDIS[0]}:{brokers.REDIS[1]}/{DATABASE}")
    made.site.run()
    yield made
    for name in list(made.site.processes):
        made.site.stop(name, kill=True)
    store.flushdb()


def send(queues: QueueSite, word: str, many: int) -> list[str]:
    references = [b.fresh(word) for _ in range(many)]
    queues.send(*(envelope(b.xml(b.application("save", reference=r)), name=f"{r}.xml") for r in references))
    return references


def test_what_comes_through_redis_does_its_work_once_over_a_restart(queues: QueueSite) -> None:
    first = send(queues, "one", 30)
    wait_until(lambda: queues.about(first[0]), "the first to come")
    queues.site.stop("run")
    later = send(queues, "two", 10)
    queues.site.run()

    wait_until(lambda: queues.done([*first, *later]), "each to be done, once")
    wait_until(lambda: queues.depth() == 0, "the queue to be empty")


def test_the_unreadable_is_among_the_dead_of_redis_and_the_next_one_is_taken(queues: QueueSite) -> None:
    queues.send(b"no JSON", envelope("a", kind="text/csv"), envelope("<a/>"), headers={"compression": "application/x-gzip"})
    queues.send(envelope("<a/>"), headers={"x": "y" * 1_000_000})
    (reference,) = send(queues, "next", 1)

    queues.wait(reference, "accepted")
    wait_until(lambda: queues.depth("tongguan.dead") == 4, "all of them among the dead")


@pytest.mark.long
def test_what_a_killed_gateway_had_in_hand_comes_again_from_redis(queues: QueueSite) -> None:
    references = send(queues, "kill", 300)
    wait_until(lambda: queues.about(references[10]), "some to be done")
    queues.site.stop("run", kill=True)
    queues.site.run()

    wait_until(lambda: queues.done(references), "each to be done, once", 120)
