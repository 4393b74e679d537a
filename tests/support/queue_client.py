"""An integrator's side of the broker, on the bare AMQP library: it shares nothing with the gateway's own connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import amqp
import brokers
from asyncapi import fits
from sites import wait_until


class QueueClient:
    """One connection; queues of the caller's own, what came in each, in order."""

    def __init__(
        self, virtual_host: str, *, user: str = "guest", password: str = "guest", port: int = brokers.ADDRESS[1]
    ) -> None:
        self._connection = amqp.Connection(f"127.0.0.1:{port}", userid=user, password=password, virtual_host=virtual_host)
        self._connection.connect()
        self.channel = self._connection.channel()
        self.came: dict[str, list[amqp.Message]] = {}

    def queue(self, name: str, *, binding: str = "", **arguments: Any) -> str:
        """A durable queue that takes what it gets; with a `binding`, events of these keys."""
        self.channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
        if binding:
            self.channel.exchange_declare("tongguan.events", "topic", durable=True, auto_delete=False)
            self.channel.queue_bind(name, "tongguan.events", routing_key=binding)
        return name

    def take(self, name: str) -> list[amqp.Message]:
        """All that came into a queue so far, in order."""
        came = self.came.setdefault(name, [])
        while (message := self.channel.basic_get(name, no_ack=True)) is not None:
            came.append(message)
        return came

    def wait(
        self, name: str, enough: Callable[[list[amqp.Message]], Any], what: str, seconds: float = 30.0
    ) -> list[amqp.Message]:
        """What came, once it is enough."""
        wait_until(lambda: enough(self.take(name)), what, seconds)
        return self.came[name]

    def close(self) -> None:
        self._connection.close()


def with_broker(home: Path, url: str, **more: str) -> None:
    """A home that nothing runs in gets a broker."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"url": url, **more}.items()]
    with open(home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write("\n[broker]\n" + "\n".join(lines) + "\n")


@contextmanager
def client(virtual_host: str, **more: Any) -> Iterator[QueueClient]:
    made = QueueClient(virtual_host, **more)
    try:
        yield made
    finally:
        made.close()


def content(message: amqp.Message) -> dict[str, Any]:
    """The JSON of a message, which must be as docs/asyncapi.json says."""
    return fits(json.loads(message.body))


def key(message: amqp.Message) -> str:
    return str(message.delivery_info["routing_key"])


def once(messages: list[amqp.Message]) -> list[amqp.Message]:
    """As a careful client takes them: what came before, by its id, is left out."""
    found = {str(message.properties["message_id"]): message for message in reversed(messages)}
    return [message for message in messages if found.pop(str(message.properties["message_id"]), None) is not None]
