"""A journal whose moves are told to a real broker, a virtual host for all tests here, and who listens."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brokers
import pytest
from queue_client import QueueClient, client

from tongguan.gateway.model.message import Message
from tongguan.gateway.model.queueing import QueueDelivery
from tongguan.gateway.settings import Broker
from tongguan.outbox.queues.events import Events
from tongguan.outbox.queues.history_teller import HistoryMessages, HistoryTeller
from tongguan.outbox.queues.replies import Replies
from tongguan.routes.broker.broker import make_broker

from ..conftest import Home, submission

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def virtual_host() -> Iterator[str]:
    with brokers.virtual_host() as name:
        yield name


@pytest.fixture
def listener(virtual_host: str) -> Iterator[QueueClient]:
    with client(virtual_host) as made:
        yield made


@dataclass
class Queues:
    """What of a home goes to the broker; no thread runs."""

    home: Home
    url: str
    tellers: list[HistoryTeller] = field(default_factory=list)

    def teller(self, tells: type[Events | Replies], **settings: Any) -> HistoryTeller:
        """One that begins now; a second one of a kind is as after a restart."""
        broker = make_broker(Broker(url=self.url, **settings), Path("."))
        assert broker is not None
        made: HistoryMessages = tells(self.home.around, self.home.alerts)
        self.tellers.append(HistoryTeller(made, self.home.journal, broker))
        self.tellers[-1].turn()
        return self.tellers[-1]

    def troubles(self, code: str) -> list[str]:
        """What alerts of a code say now."""
        return [problem.text for problem in self.home.alerts.problems() if problem.code == code]

    def submitted(self, id_: str, reply_to: str, **more: Any) -> Message:
        """A message that came through a queue."""
        delivery = QueueDelivery(id_, "demo", "", reply_to, f"c-{id_}")
        given = more.pop("with_", {})
        return self.home.comes_without_file(submission(id_, **given), delivery=delivery, **more)


@contextmanager
def begun(*tellers: HistoryTeller) -> Iterator[None]:
    """Let them serve in threads of their own."""
    for each in tellers:
        each._disconnect()
    threads = [threading.Thread(target=each.serve, args=(nullcontext(),)) for each in tellers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in tellers:
            each.stop()
        for thread in threads:
            thread.join(30)


def told(teller: HistoryTeller) -> None:
    """Tell all there is, until every queue has taken or refused it for good, and keep how far that is."""
    while teller.turn() or teller._publisher.waiting or teller._retry:  # the broker ends a connection that nobody turns
        pass
    teller._keep(now=True)


@pytest.fixture
def queues(home: Home, virtual_host: str) -> Iterator[Queues]:
    made = Queues(home, brokers.address_of(virtual_host))
    yield made
    for each in made.tellers:
        each._disconnect()


@pytest.fixture
def name() -> str:
    """Of a queue that nobody else has."""
    return f"q{next(_numbers)}"
