"""A gateway with a broker of its own virtual host, and an enterprise that speaks to it as integrators do: by kombu alone."""

from __future__ import annotations

import base64
import itertools
import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import amqp
import brokers
import kombu
import kombu.exceptions
from endpoint import add_settings
from patience import here
from sites import FINAL, Site, make_site, wait_until

QUICK = '\n[schedule]\nleast_wait = "100ms"\nprobe = "200ms"\n'
_ids = itertools.count(1)


def fresh_id() -> str:
    return f"id-{os.getpid()}-{next(_ids)}"


@dataclass
class QueueSite:
    """A running site, and the address of its broker."""

    site: Site
    url: str
    virtual_host: str = ""
    account: str = "demo"
    sent: list[str] = field(default_factory=list)

    @property
    def queue(self) -> str:
        return f"tongguan.submit.{self.account}"

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel of the enterprise's own, with confirms."""
        with kombu.Connection(
            self.url, transport_options={"confirm_publish": True} if self.url.startswith("amqp") else {}
        ) as connection:
            yield connection.default_channel

    def send(self, *envelopes: Any, queue: str = "", **properties: Any) -> list[str]:
        """Publish; each with an id of its own unless one is given. Their ids."""
        ids = []
        with self.channel() as channel:
            producer = kombu.Producer(channel)
            for envelope in envelopes:
                told = {"message_id": fresh_id(), "content_type": "application/json", "delivery_mode": 2, **properties}
                body = envelope if isinstance(envelope, bytes) else json.dumps(envelope, ensure_ascii=False).encode()
                given = {name: value for name, value in told.items() if value is not None}
                producer.publish(
                    body, routing_key=queue or self.queue, content_encoding=given.pop("content_encoding", "utf-8"), **given
                )
                ids.append(str(told["message_id"]))
        return ids

    def run(self) -> None:
        """Start the gateway, and wait until each account's queue is there: what is sent to none is gone."""
        self.site.run()

        wait_until(lambda: self.is_there(self.queue), f"{self.queue} to be declared")

    def is_there(self, queue: str) -> bool:
        with kombu.Connection(self.url) as connection:
            try:
                return bool(connection.default_channel.queue_declare(queue, passive=True))
            except connection.channel_errors:
                return False

    def insist(self, envelopes: Mapping[str, Any], **properties: Any) -> None:
        """Publish these by their ids, each again until the broker has confirmed it: what an integrator does."""
        left = dict(envelopes)

        def confirmed() -> bool:
            try:
                with self.channel() as channel:
                    returned: list[Any] = []
                    producer = kombu.Producer(channel, on_return=lambda *told: returned.append(told))
                    while left:
                        id_, told = next(iter(left.items()))
                        producer.publish(
                            json.dumps(told).encode(),
                            routing_key=self.queue,
                            mandatory=True,
                            message_id=id_,
                            content_type="application/json",
                            content_encoding="utf-8",
                            delivery_mode=2,
                            confirm_timeout=here(5),
                            **properties,
                        )
                        if returned:
                            return False
                        del left[id_]
            except (OSError, amqp.AMQPError, kombu.exceptions.KombuError):
                return False
            return True

        wait_until(confirmed, f"{len(left)} messages to be confirmed")

    def done(self, references: Collection[str]) -> bool:
        """Has each of these done its work? Fails when one did it twice."""
        with closing(sqlite3.connect(f"file:{self.site.home}/tongguan.db?mode=ro", uri=True, timeout=5)) as base:
            rows = base.execute("SELECT reference, COUNT(*) FROM message WHERE state = 'accepted' GROUP BY 1").fetchall()
        found = {reference: count for reference, count in rows if reference in references}
        assert all(count == 1 for count in found.values()), found
        return len(found) == len(references)

    def ready(self, queue: str = "") -> int:
        """Messages that nobody has been handed, as the broker knows it at this moment; `depth` lags by seconds."""
        with self.channel() as channel:
            return int(channel.queue_declare(queue or self.queue, passive=True).message_count)

    def depth(self, queue: str = "") -> int:
        """Messages that wait, or are out and not acknowledged."""
        if not self.virtual_host:
            with self.channel() as channel:
                return int(channel._size(queue or self.queue))
        told = brokers.control("list_queues", "-p", self.virtual_host, "name", "messages", "--no-table-headers")
        found = dict(line.split("\t") for line in told.splitlines() if "\t" in line)
        return int(found.get(queue or self.queue, 0))

    def dead(self) -> list[Any]:
        """What lies in `tongguan.dead`; it is taken."""
        found = []
        with self.channel() as channel:
            while (message := kombu.Queue("tongguan.dead", channel=channel, no_declare=True).get(no_ack=True)) is not None:
                found.append(message)
        return found

    def statuses(self) -> list[dict[str, Any]]:
        """Status of every message."""
        folder = self.site.mailbox / "Status" / "by-id"
        return [json.loads(p.read_bytes()) for p in folder.iterdir() if p.suffix == ".json"] if folder.is_dir() else []

    def about(self, reference: str) -> list[dict[str, Any]]:
        return [status for status in self.statuses() if status["reference"] == reference]

    def wait(self, reference: str, *states: str) -> dict[str, Any]:
        """The one message of this reference, once it is in one of these states."""

        def look() -> dict[str, Any] | None:
            return next((s for s in self.about(reference) if s["state"] in {*states, *FINAL}), None)

        found = wait_until(look, f"{reference} to be {states}")
        assert found["state"] in states, found["faults"]
        return dict(found)

    def problems(self) -> list[dict[str, Any]]:
        try:
            return json.loads((self.site.mailbox / "Status" / "heartbeat.json").read_bytes())["problems"]
        except FileNotFoundError:
            return []

    def problem(self, code: str) -> dict[str, Any]:
        """The trouble of this code, once the heartbeat tells it."""
        return wait_until(lambda: next((p for p in self.problems() if p["code"] == code), None), f"the trouble {code}")

    def well(self, code: str) -> None:
        wait_until(lambda: all(p["code"] != code for p in self.problems()), f"{code} to be over: {self.problems()}")


def envelope(content: str | bytes, *, name: str | None = None, kind: str = "application/xml", **more: Any) -> dict[str, Any]:
    """A submission as docs/integrators.md tells it; bytes go as base64."""
    carried = {"body": content} if isinstance(content, str) else {"body_base64": base64.b64encode(content).decode()}
    return {"content_type": kind, **({"name": name} if name else {}), **carried, **more}


def attachment(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "body_base64": base64.b64encode(content).decode()}


def open_queue_site(
    folder: Path, virtual_host: str, *, settings: str = "", broker: Sequence[str] = (), url: str = ""
) -> QueueSite:
    """A home with this broker, not running yet."""
    site = make_site(folder)
    address = url or brokers.address_of(virtual_host)
    lines = "\n".join([f'url = "{address}"', *broker])
    add_settings(site.home, f"\n[broker]\n{lines}\n{QUICK}{settings}")
    return QueueSite(site, address, virtual_host)
