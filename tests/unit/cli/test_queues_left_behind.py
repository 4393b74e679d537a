"""`tongguan queues` and queues that nobody takes from, or somebody else: of an account that has left the settings, of two gateways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import amqp
import brokers
import pytest
from journals import comes, open_journal, submission, written
from queue_client import client, with_broker

Tongguan = Callable[..., Any]


@pytest.mark.requirement("GW-02")
def test_messages_in_the_queue_of_an_account_that_left_are_told_of(tongguan: Tongguan, home: Path) -> None:
    with brokers.virtual_host() as virtual_host, client(virtual_host) as sender:
        with_broker(home, brokers.address_of(virtual_host))
        journal = open_journal(home)
        written(journal, comes(submission(account="former")), comes(submission(account="never-queued")))
        journal.close()
        for name in ("demo", "former"):
            sender.queue(f"tongguan.submit.{name}")

        assert tongguan("queues", "--json").code == 0
        empty = tongguan("queues", "--lang", "en").out
        sender.channel.basic_publish_confirm(amqp.Message(b"{}"), routing_key="tongguan.submit.former")
        told = tongguan("queues", "--json")
        screen = tongguan("queues", "--lang", "en").out

    queues = {queue["name"]: (queue["messages"], queue["served"]) for queue in json.loads(told.out)["queues"]}
    assert told.code == 1
    assert queues == {"tongguan.submit.demo": (0, True), "tongguan.dead": (None, True), "tongguan.submit.former": (1, False)}
    assert "✗ account former is not among the settings any more: nobody takes from its queue" in screen
    assert "· account former is not among the settings any more, and its queue is empty" in empty
    assert "rabbitmqctl delete_queue tongguan.submit.former -p VHOST" in empty and "✗" not in empty


@pytest.mark.requirement("GW-02")
def test_a_second_one_who_takes_from_an_accounts_queue_is_told_of(tongguan: Tongguan, home: Path) -> None:
    """A copy of the home, a consumer that somebody tries out: what it takes never comes to the gateway."""
    with brokers.virtual_host() as virtual_host, client(virtual_host) as sender:
        with_broker(home, brokers.address_of(virtual_host))
        sender.queue("tongguan.submit.demo")
        sender.channel.basic_consume("tongguan.submit.demo")
        alone = tongguan("queues", "--lang", "en")
        sender.channel.basic_consume("tongguan.submit.demo")
        shared = tongguan("queues", "--lang", "en")
        doctor = tongguan("doctor", "--lang", "en").out

    screen = shared.out
    assert alone.code == 0 and "✗" not in alone.out
    assert shared.code == 1
    assert "✗ tongguan.submit.demo has 2 consumers: somebody beside this gateway takes messages of account demo" in screen
    assert "✗ broker tongguan.submit.demo: tongguan.submit.demo has 2 consumers" in doctor
    assert "rabbitmqctl list_consumers" in screen and "rabbitmqctl list_consumers" in doctor
