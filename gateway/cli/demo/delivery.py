"""How the demo's messages reach the gateway: as files, or through a broker's queue. What became of them is read in the mailbox either way."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.cli.demo.examples import Example
from tongguan.gateway.daemon.start_checks import sample
from tongguan.gateway.model.errors import BrokerBroken
from tongguan.gateway.model.queueing import SUBMISSIONS, BrokerLink, MessageBroker, OutgoingMessage, PublishResult
from tongguan.gateway.settings import Broker
from tongguan.gateway.system.storage import files

USUAL = "amqp://guest:guest@127.0.0.1:5672//"  #: where a broker on this machine is
_QUEUE = SUBMISSIONS + sample.NAME
_KINDS = {"xml": "application/xml", "json": "application/json", "zip": "application/zip"}

Deliver = Callable[[Sequence[Example]], None]


def by_folder(home: Path) -> Deliver:
    """As an ERP does it: written beside, then renamed, so that it is taken at once."""
    outbox = home / "mailboxes" / sample.NAME / "OutBox"

    def deliver(examples: Sequence[Example]) -> None:
        for example in examples:
            part = outbox / f"{example.file}.tmp"
            part.write_bytes(example.content)
            files.move(part, outbox / example.file)

    return deliver


@contextmanager
def by_queue(home: Path, url: str) -> Iterator[Deliver]:
    """Through the broker at an address, which the home's gateway is told too; CommandWrong when somebody else uses the demo's queue."""
    broker = _broker(url)
    with _linked(broker) as link:
        depth = link.depth(_QUEUE)
        if depth is not None and (depth.messages or depth.consumers):
            raise CommandWrong(
                f"队列 {_QUEUE} 正在使用：用 --broker 指明另一个虚拟主机",
                f"queue {_QUEUE} is in use: name another virtual host with --broker",
            )
        link.declare_queue(_QUEUE)
    with (home / "tongguan.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'\n[broker]\nurl = "{url}"\n')

    def deliver(examples: Sequence[Example]) -> None:
        if not examples:
            return
        with _linked(broker) as link:  # one that is kept would have to be kept alive
            results = link.publish([_sent(example) for example in examples])
        if any(result is not PublishResult.CONFIRMED for result in results):
            raise BrokerBroken(f"消息服务器不收 {_QUEUE} 的消息", f"the broker takes nothing for {_QUEUE}")

    yield deliver
    with _linked(broker) as link:
        link.delete_queue(_QUEUE)


def _broker(url: str) -> MessageBroker:
    # Imported here: a demo without a broker need not load what speaks to one.
    from tongguan.routes.broker.broker import make_broker

    broker = make_broker(Broker(url=url), Path())
    if broker is None:
        raise CommandWrong("没有给出消息服务器的地址", "no broker is named")
    return broker


@contextmanager
def _linked(broker: MessageBroker) -> Iterator[BrokerLink]:
    link = broker.connect("demo")
    try:
        yield link
    finally:
        link.close()


def _sent(example: Example) -> OutgoingMessage:
    kind = example.file.rpartition(".")[2].lower()
    told: dict[str, str] = {"name": example.file, "content_type": _KINDS[kind]}
    try:
        if kind == "zip":
            raise ValueError
        told["body"] = example.content.decode()
    except ValueError:  # packed, or in another encoding
        told["body_base64"] = base64.b64encode(example.content).decode()
    return OutgoingMessage(orjson.dumps(told), _QUEUE, message_id=example.name)
