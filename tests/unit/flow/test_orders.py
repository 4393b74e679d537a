"""Orders of operators: looked for all the time, at no cost while nobody writes to the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import new_home

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.orders import Orders
from tongguan.gateway.journal.client import JournalClient

PAUSE = {"do": "pause", "what": "account", "name": "demo"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(new_home(tmp_path / "home"))
    yield made
    made.stop()


@pytest.fixture
def asked(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows whenever the journal is asked for orders."""
    times: list[int] = []
    ask = daemon.journal.carry_out_orders
    monkeypatch.setattr(daemon.journal, "carry_out_orders", lambda act: times.append(1) or ask(act))
    return times


def given(daemon: Daemon) -> str:
    """An order that another process leaves."""
    with JournalClient.open(daemon.settings.database.url, daemon.settings.home) as client:
        return client.give_order("wang", "why", PAUSE)


def test_the_journal_is_not_asked_for_orders_while_nobody_writes_to_it(daemon: Daemon, asked: list[int]) -> None:
    orders = Orders(daemon.site, monotonic=lambda: 1.0)

    assert [orders.turn() for _ in range(10)] == [False] * 10
    assert len(asked) == 2


def test_an_order_in_the_same_tick_of_the_file_s_clock_is_carried_out_at_the_look_after_it(
    daemon: Daemon, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon.journal, "last_write", lambda: "one tick")
    orders = Orders(daemon.site, monotonic=lambda: 1.0)
    orders.turn()
    given(daemon)

    assert orders.turn()


def test_an_order_of_another_process_is_carried_out_at_the_next_look(daemon: Daemon, asked: list[int]) -> None:
    orders = Orders(daemon.site, monotonic=lambda: 1.0)
    for _ in range(3):
        orders.turn()
        id_ = given(daemon)

        assert orders.turn()
        with daemon.journal.search() as records:
            assert records.order_result(id_)[1]["done"] == "pause"


def test_every_five_seconds_the_journal_is_asked_in_any_case(daemon: Daemon, asked: list[int]) -> None:
    now = [1.0]
    orders = Orders(daemon.site, monotonic=lambda: now[0])
    for _ in range(3):
        orders.turn()
        orders.turn()
        now[0] += 5.0

    assert len(asked) == 4
