"""Messages that wait in a queue, in turn with the same ones that lie in OutBox, without a broker and with one that is told all events:
what each way does in a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from tongguan.gateway.bench.context import authority, count, lay_ready, let_in, mailbox, template
from tongguan.gateway.bench.process import RunningGateway, Used, running_gateway
from tongguan.gateway.model.errors import BrokerBroken, SettingsWrong
from tongguan.gateway.model.queueing import SUBMISSIONS, BrokerLink, MessageBroker, OutgoingMessage
from tongguan.gateway.settings import Broker
from tongguan.routes.broker.broker import make_broker

_ACCOUNT = "demo"
_QUEUE = SUBMISSIONS + _ACCOUNT
_MARK = b'reference="bench-0"'
_SLICE = 1000


@dataclass(frozen=True, slots=True)
class QueuesAsked:
    """What to measure: so many messages each way, so many times."""

    home: Callable[[], AbstractContextManager[Path]]
    url: str
    messages: int
    rounds: int
    processes: int
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Way:
    """What one way gave in one round."""

    rate: float
    cpu_ms: float  #: of a message, all processes of the gateway
    used: Used
    few_mb: float


def measure_queues(asked: QueuesAsked) -> str:
    """Do the rounds, each way in turn, and say what they gave: the medians, and the ratios within a round."""
    broker = make_broker(Broker(url=asked.url), Path())
    if broker is None:
        raise SettingsWrong("没有给出消息服务器的地址", "no broker is named")
    with ExitStack() as homes:  # all stay to the end: many deleted files make the next run's slow on ext4
        homes.enter_context(_queue_lent(broker))
        rounds = [
            (
                _by_folder(asked, homes.enter_context(asked.home())),
                _by_folder(asked, homes.enter_context(asked.home()), events=True),
                _by_queue(asked, homes.enter_context(asked.home()), broker),
            )
            for _ in range(asked.rounds)
        ]
    folder, _, queue = (statistics.median(way.rate for way in column) for column in zip(*rounds, strict=True))
    cpu_folder, cpu_events, cpu_queue = (statistics.median(way.cpu_ms for way in column) for column in zip(*rounds, strict=True))
    ratios = sorted(mine.rate / plain.rate for plain, _, mine in rounds)
    with_events = statistics.median(told.rate / plain.rate for plain, told, _ in rounds)
    last = rounds[-1][2]
    peak = " + ".join(f"{each:.0f} MB" for each in last.used.most_mb)
    grown = sum(last.used.now_mb) / last.few_mb
    return (
        f"{queue:.1f} msgs/s queues n={asked.messages} rounds={asked.rounds} | by folder {folder:.1f} msgs/s, ratio "
        f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}..{ratios[-1]:.2f}], peak {peak}, {grown:.2f} times the memory after a tenth"
        f" | by folder with events {with_events:.2f} of the rate without"
        f" | CPU {cpu_queue:.2f} ms a message, by folder {cpu_folder:.2f}, with events {cpu_events:.2f}"
    )


def _by_folder(asked: QueuesAsked, made: Path, *, events: bool = False) -> _Way:
    """`events`: a broker is told them."""
    with authority(made, asked.delay_ms, full=False):
        if events:
            _name_broker(made, asked.url)
        lay_ready(made, asked.messages)
        with running_gateway(made, asked.processes) as gateway:
            gateway.begin()
            let_in(made)
            return _answered(gateway, asked.messages)


def _by_queue(asked: QueuesAsked, made: Path, broker: MessageBroker) -> _Way:
    with authority(made, asked.delay_ms, full=False):
        _name_broker(made, asked.url)
        with running_gateway(made, asked.processes) as gateway:
            _order(gateway, "pause")
            link = broker.connect("bench")
            try:
                _until_nobody_takes(link)
                for first in range(0, asked.messages, _SLICE):
                    link.publish([_message(n) for n in range(first, min(first + _SLICE, asked.messages))])
                time.sleep(2)
                gateway.begin()
                _order(gateway, "resume")
                return _answered(gateway, asked.messages)
            finally:
                link.close()


def _name_broker(made: Path, url: str) -> None:
    with (made / "tongguan.toml").open("a") as file:
        file.write(f'\n[broker]\nurl = "{url}"\n')


def _answered(gateway: RunningGateway, messages: int) -> _Way:
    """Until each has its answer in InBox."""
    inbox = mailbox(gateway.home) / "InBox"
    gateway.until(lambda: count(inbox), max(1, messages // 10))
    few = sum(gateway.used.now_mb)
    took = gateway.until(lambda: count(inbox), messages)
    used = gateway.used
    return _Way(messages / took, used.seconds * 1000 / messages, used, few)


def _message(n: int) -> OutgoingMessage:
    text = template().replace(_MARK, f'reference="bench-{n}"'.encode()).decode()
    told = {"name": f"m{n:07d}.xml", "content_type": "application/xml", "body": text}
    return OutgoingMessage(orjson.dumps(told), _QUEUE, message_id=f"bench-{n}")


def _order(gateway: RunningGateway, do: str) -> None:
    with gateway.journal() as client:
        client.give_order("bench", "bench", {"do": do, "what": "account", "name": _ACCOUNT})


def _until_nobody_takes(link: BrokerLink) -> None:
    while (depth := link.depth(_QUEUE)) is None or depth.consumers:
        link.beat()
        time.sleep(0.1)


@contextmanager
def _queue_lent(broker: MessageBroker) -> Iterator[None]:
    """Refuse a queue that holds somebody's messages; one that was not there before is not left behind."""
    with closing(broker.connect("bench")) as link:
        depth = link.depth(_QUEUE)
    if depth is not None and (depth.messages or depth.consumers):
        raise BrokerBroken(f"队列 {_QUEUE} 正在使用：请换一个虚拟主机", f"queue {_QUEUE} is in use: take another virtual host")
    try:
        yield
    finally:
        if depth is None:
            with closing(broker.connect("bench")) as link:
                link.delete_queue(_QUEUE)
