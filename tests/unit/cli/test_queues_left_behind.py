"""`tongguan queues` and queues that nobody takes from, or somebody else: of an account that has left the settings, of two gateways."""

from __future__ import annotations

import json
from pathlib import Path

import amqp
import brokers
import pytest
from homes import new_home
from journals import comes, open_journal, submission, written
from queue_client import client, with_broker

from tongguan.gateway.cli import main


@pytest.mark.requirement("GW-02")
def test_messages_in_the_queue_of_an_account_that_left_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    new_home(home)
    with brokers.virtual_host() as virtual_host, client(virtual_host) as sender:
        with_broker(home, brokers.address_of(virtual_host))
        journal = open_journal(home)
        written(journal, comes(submission(account="former")), comes(submission(account="never-queued")))
        journal.close()
        for name in ("demo", "former"):
            sender.queue(f"tongguan.submit.{name}")

        def shown(*words: str) -> tuple[int, str]:
            with pytest.raises(SystemExit) as ended:
                main(["queues", "--home", str(home), *words])
            return int(ended.value.code or 0), capsys.readouterr().out

        assert shown("--json")[0] == 0
        empty = shown("--lang", "en")[1]
        sender.channel.basic_publish_confirm(amqp.Message(b"{}"), routing_key="tongguan.submit.former")
        code, told = shown("--json")
        screen = shown("--lang", "en")[1]

    queues = {queue["name"]: (queue["messages"], queue["served"]) for queue in json.loads(told)["queues"]}
    assert code == 1
    assert queues == {"tongguan.submit.demo": (0, True), "tongguan.dead": (None, True), "tongguan.submit.former": (1, False)}
    assert "✗ account former is not among the settings any more: nobody takes from its queue" in screen
    assert "· account former is not among the settings any more, and its queue is empty" in empty
    assert "rabbitmqctl delete_queue tongguan.submit.former" in empty and "✗" not in empty


@pytest.mark.requirement("GW-02")
def test_a_second_one_who_takes_from_an_accounts_queue_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of the home, a consumer that somebody tries out: what it takes never comes to the gateway."""
    home = tmp_path / "home"
    new_home(home)
    with brokers.virtual_host() as virtual_host, client(virtual_host) as sender:
        with_broker(home, brokers.address_of(virtual_host))
        sender.queue("tongguan.submit.demo")

        def shown(*words: str) -> tuple[int, str]:
            with pytest.raises(SystemExit) as ended:
                main([*words, "--home", str(home), "--lang", "en"])
            return int(ended.value.code or 0), capsys.readouterr().out

        sender.channel.basic_consume("tongguan.submit.demo")
        alone = shown("queues")
        sender.channel.basic_consume("tongguan.submit.demo")
        code, screen = shown("queues")
        doctor = shown("doctor")[1]

    assert alone[0] == 0 and "✗" not in alone[1]
    assert (
        code == 1
        and "✗ tongguan.submit.demo has 2 consumers: somebody beside this gateway takes messages of account demo" in screen
    )
    assert "✗ broker tongguan.submit.demo: tongguan.submit.demo has 2 consumers" in doctor
    assert "rabbitmqctl list_consumers" in screen and "rabbitmqctl list_consumers" in doctor
