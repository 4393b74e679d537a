"""What was taken out of the settings stops nobody else; what waits for it is held with words, and goes on when it is back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from homes import new_home
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.orders import carry_out
from tongguan.gateway.flow.receipts import verification
from tongguan.gateway.flow.submission.send import Doubt, act_send, incoming
from tongguan.gateway.journal.port import Claim
from tongguan.gateway.model.errors import Deferred, Held, in_language
from tongguan.gateway.model.ids import new_id
from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Body, Outcome
from tongguan.gateway.system import clock
from tongguan.routes.reply import Reply

ACCOUNT = """
[[account]]
name = "gone"
title = "另一企业"
uscc = "91210200MA0EXAMPLD"
mofcom_code = "2100MA0EXAMPD"
mailbox = "mailboxes/gone"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return new_home(tmp_path / "home", language="en")


@pytest.fixture
def opened(home: Path) -> Iterator[Callable[[], Daemon]]:
    """Start over, as after a restart."""
    daemons: list[Daemon] = []

    def again() -> Daemon:
        if daemons:
            daemons.pop().stop()
        daemons.append(Daemon(home))
        return daemons[0]

    yield again
    for daemon in daemons:
        daemon.stop()


def message(account: str, lane: str, state: State, **more: Any) -> Message:
    now = clock.now_ms()
    facts: dict[str, Any] = {"type": "NA.application", "operation": "declare", "source": f"{account}.xml", **more}
    return Message(
        id=new_id(),
        kind=Kind.SUBMISSION,
        account=account,
        state=state,
        received_at=now,
        updated_at=now,
        lane=Lane(lane),
        due_at=now,
        seal_number=1,
        route=lane.partition(":")[2],
        **facts,
    )


def came(daemon: Daemon, *messages: Message) -> None:
    sealed = [Body(m.id, "sealed:1", b"<sealed/>") for m in messages]
    daemon.journal.finish([(Outcome(m, None, "read", bodies=(body,)),) for m, body in zip(messages, sealed, strict=True)])


def stored(daemon: Daemon, id_: str) -> Message:
    with daemon.journal.read() as records:
        found = records.message(id_)
    assert found is not None
    return found


def turn(daemon: Daemon, name: str) -> None:
    for station in daemon.stations:
        if station.name == name:
            station.turn()


@pytest.mark.requirement("GW-06")
def test_a_receipt_of_an_account_that_is_gone_is_held_and_the_others_are_looked_at(
    opened: Callable[[], Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = SimpleNamespace(account="somebody else's", kind="business", code="22", message=None)
    monkeypatch.setattr(verification, "_told", lambda rules, route, raw, **clocks: genuine)
    daemon = opened()
    gone, ours = (incoming(name, b"<receipt/>", route="mofcom", now=clock.now_ms()) for name in ("gone", "demo"))
    daemon.journal.finish([(gone,), (ours,)])
    turn(daemon, "receipts")
    held = stored(daemon, gone.message.id)

    assert stored(daemon, ours.message.id).state is State.QUARANTINED
    assert (held.state, held.needs) == (State.HELD, "account gone")
    assert "gone" in (held.hold_reason or "")


@pytest.mark.parametrize(
    ("station", "lane", "state", "more", "needs"),
    [
        ("read", "read", State.RECEIVED, {"account": "gone"}, "account gone"),
        ("unsigned", "unsigned", State.CHECKED, {"account": "gone"}, "account gone"),
        ("card:demo-mofcom", "card:demo-mofcom", State.CHECKED, {"account": "gone"}, "account gone"),
        ("ask:mofcom", "ask:mofcom", State.CHECKED, {"account": "gone"}, "account gone"),
        ("unsigned", "unsigned", State.CHECKED, {"type": "XX.gone"}, "type XX.gone"),
        ("ask:mofcom", "ask:mofcom", State.CHECKED, {"type": "XX.gone"}, "type XX.gone"),
    ],
)
def test_a_message_for_which_something_is_gone_is_held_with_words(
    opened: Callable[[], Daemon], station: str, lane: str, state: State, more: dict[str, str], needs: str
) -> None:
    daemon = opened()
    waiting = message(more.pop("account", "demo"), lane, state, **more)
    source = b'<NA.application xmlns="x" operation="declare"/>'
    daemon.journal.finish([(Outcome(waiting, None, "read", bodies=(Body(waiting.id, "source", source),)),)])
    turn(daemon, station)
    held = stored(daemon, waiting.id)

    assert (held.state, held.held_from) == (State.HELD, state)
    assert held.needs == needs
    assert needs.split()[1] in (held.hold_reason or "") and "put" in (held.hold_do or "")


def test_a_message_in_the_lane_of_a_route_that_is_gone_is_held_with_words(opened: Callable[[], Daemon]) -> None:
    daemon = opened()
    waiting = message("demo", "route:gone", State.SEALED)
    came(daemon, waiting)
    daemon = opened()
    turn(daemon, "route:gone")
    held = stored(daemon, waiting.id)

    assert (held.state, held.needs) == (State.HELD, "route gone")


def test_what_was_held_for_an_account_goes_on_by_itself_when_it_is_back(home: Path, opened: Callable[[], Daemon]) -> None:
    daemon = opened()
    waiting = message("gone", "unsigned", State.CHECKED)
    came(daemon, waiting)
    turn(daemon, "unsigned")
    held = stored(daemon, waiting.id)
    opened()
    still = stored(opened(), waiting.id)
    settings = home / "tongguan.toml"
    settings.write_text(settings.read_text() + ACCOUNT)
    back = stored(opened(), waiting.id)

    assert (held.state, still.state) == (State.HELD, State.HELD)
    assert (back.state, back.lane, back.hold_reason, back.needs) == (State.CHECKED, "unsigned", None, None)


def test_a_receipt_that_ended_the_gateway_three_times_alone_is_held(opened: Callable[[], Daemon]) -> None:
    receipt = incoming("demo", b"<receipt/>", route="mofcom", now=clock.now_ms())
    opened().journal.finish([(receipt,)])
    for _ in range(3):
        assert opened().journal.claim("receipts", ("verify", "settle"), limit=1) is not None  # and the process ends here
    daemon = opened()
    turn(daemon, "receipts")
    held = stored(daemon, receipt.message.id)

    assert held.state is State.HELD
    assert "three times" in (held.hold_reason or "")


def held_by_order(daemon: Daemon, lane: str) -> Message:
    waiting = message("demo", lane, State.CHECKED)
    came(daemon, waiting)
    carry_out(daemon.site, {"do": "hold", "ids": [waiting.id]}, who="me", why="")
    return waiting


def test_what_is_released_into_the_lane_of_a_card_that_is_gone_goes_to_another_that_suits(opened: Callable[[], Daemon]) -> None:
    daemon = opened()
    waiting = held_by_order(daemon, "card:gone")
    carry_out(daemon.site, {"do": "release", "ids": [waiting.id]}, who="me", why="")
    went_on = stored(daemon, waiting.id)

    assert (went_on.state, went_on.lane) == (State.CHECKED, "card:demo-mofcom")


@pytest.mark.parametrize("lane", ["card:gone", "presence:gone", "route:gone", "ask:gone"])
def test_what_nobody_would_take_up_is_not_released_and_the_order_says_what_is_missing(
    opened: Callable[[], Daemon], lane: str
) -> None:
    daemon = opened()
    waiting = held_by_order(daemon, lane)
    settings = daemon.settings.model_copy(
        update={"account": tuple(a.model_copy(update={"card": ()}) for a in daemon.settings.account)}
    )
    bare = dataclasses.replace(daemon.site, rules=dataclasses.replace(daemon.site.rules, settings=settings))
    done = carry_out(bare, {"do": "release", "ids": [waiting.id]}, who="me", why="")

    assert stored(daemon, waiting.id).state is State.HELD
    assert "gone is not in the settings: put" in (in_language(done["messages"][waiting.id], "en") or "")


def test_what_was_held_for_an_account_goes_on_when_new_settings_have_it(home: Path) -> None:
    before = Daemon(home)
    before.start()
    waiting = message("gone", "unsigned", State.CHECKED)
    came(before, waiting)
    wait_until(lambda: stored(before, waiting.id).state is State.HELD, "it to be held")
    settings = home / "tongguan.toml"
    settings.write_text(settings.read_text() + ACCOUNT)
    after = before.swapped()
    try:
        wait_until(lambda: stored(after, waiting.id).needs is None, "it to go on")
    finally:
        after.stop()


class Route:
    """Answers everything with bytes that are no receipt."""

    def submit_ask(self, wire_id: str) -> Future[Reply]:
        raise ZeroDivisionError(wire_id)

    def send_many(self, items: Sequence[tuple[str, bytes]]) -> list[Reply]:
        return [Reply("receipt", receipt=b"<no receipt/>", status=200) for _ in items]


def test_one_message_of_a_batch_that_cannot_be_answered_leaves_the_others_answers_alone(opened: Callable[[], Daemon]) -> None:
    daemon = opened()
    gone, ours, doubtful = (message(name, "route:mofcom", State.SEALED) for name in ("gone", "demo", "demo"))
    came(daemon, gone, ours, doubtful)
    site = dataclasses.replace(daemon.site, routes={"mofcom": Route()})  # type: ignore[dict-item]
    doubtful = dataclasses.replace(doubtful, doubtful=True)
    answers = act_send(site, Claim(1, "send", 1000, (gone, ours, doubtful)))

    assert [type(answer) for answer in answers] in ([Held, Doubt, ZeroDivisionError], [Held, Deferred, ZeroDivisionError])
