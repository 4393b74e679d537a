"""Events through a real broker: every move of a real gateway, at least once, in order, whatever the broker or the gateway goes through."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import bodies as b
import brokers
import pytest
from queue_client import QueueClient, client, content, key, once, with_broker
from sites import Site, make_site, wait_until

pytestmark = pytest.mark.requirement("GW-02")
QUEUE = "listening"


@pytest.fixture(scope="module")
def virtual_host() -> Iterator[str]:
    with brokers.virtual_host() as name:
        yield name


@pytest.fixture(scope="module")
def queued(tmp_path_factory: pytest.TempPathFactory, virtual_host: str) -> Iterator[Site]:
    """A site with a broker, and somebody who listens to all of it."""
    made = make_site(tmp_path_factory.mktemp("queued"))
    with_broker(made.home, brokers.address_of(virtual_host))
    with client(virtual_host) as listener:
        listener.queue(QUEUE, binding="#")
    made.simulate("--fast")
    made.run()
    yield made
    for name in list(made.processes):
        made.stop(name, kill=True)


@pytest.fixture(scope="module")
def listener(virtual_host: str) -> Iterator[QueueClient]:
    with client(virtual_host) as made:
        yield made


def told(listener: QueueClient, reference: str) -> list[dict[str, Any]]:
    """The events of a document by its key, as a careful client takes them."""
    return [event for event in map(content, once(listener.take(QUEUE))) if event["document"] == reference]


def accepted(listener: QueueClient, reference: str) -> bool:
    return any(event["state"] == "accepted" for event in told(listener, reference))


def assert_whole(events: list[dict[str, Any]]) -> None:
    """Nothing is missing, and nothing is out of order."""
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


def application(type_: str, reference: str) -> bytes:
    return b.xml(b.message(type_, "declare", like="ok-declare.xml", reference=reference))


@pytest.mark.requirement("ME-11")
@pytest.mark.requirement("EX-08")
@pytest.mark.parametrize("type_", ["ME.application", "EX.application"])
def test_every_step_to_the_approval_comes_by_itself(queued: Site, listener: QueueClient, type_: str) -> None:
    if type_ == "ME.application":
        b.registered(queued, "ME.registration")
    name = queued.drop(application(type_, reference := b.fresh("ev")))
    queued.wait(name)
    wait_until(lambda: accepted(listener, reference), "the event of the approval")
    wait_until(lambda: queued.document(type_, reference)["updated_at"] and quiet(listener), "the last event")  # type: ignore[index]

    events = told(listener, reference)
    assert_whole(events)
    states = [event["state"] for event in events if event["kind"] == "message"]
    assert states == sorted(states, key=["received", "checked", "sealed", "sent", "accepted"].index)
    moved = [event for event in events if event["kind"] == "document"][-1]
    shown = queued.document(type_, reference)
    assert shown is not None
    assert (moved["business_status"], moved["numbers"]) == (shown["business_status"], shown["numbers"])
    assert any(event.get("receipts") for event in events)
    assert {key(each) for each in listener.came[QUEUE] if content(each)["document"] == reference} == {
        f"demo.{type_}.{word}" for word in {*states, "changed"}
    }


def quiet(listener: QueueClient) -> bool:
    """Nothing more has come for a moment."""
    count = len(listener.take(QUEUE))
    time.sleep(1)
    return len(listener.take(QUEUE)) == count


def test_killed_between_event_and_cursor_the_gateway_tells_all_at_least_once_and_in_order(
    queued: Site, listener: QueueClient
) -> None:
    references = [b.fresh("kill") for _ in range(30)]
    for n, reference in enumerate(references):
        queued.drop(b.xml(b.application("declare", reference=reference)))
        if n % 10 == 9:  # what is in hand at each of three kills would be held
            wait_until(lambda: any(accepted(listener, reference) for reference in references[n - 9 : n + 1]), "events")  # noqa: B023
            queued.stop(kill=True)
            queued.run()
    wait_until(lambda: all(accepted(listener, reference) for reference in references), "all approvals")

    for reference in references:
        assert_whole(told(listener, reference))


def sent_before(listener: QueueClient) -> dict[str, int]:
    """Every event so far, by its id."""
    return {content(each)["event_id"]: content(each)["sequence"] for each in listener.take(QUEUE)}


@pytest.mark.requirement("GW-08")
def test_events_are_told_once_more_with_the_ids_and_numbers_that_they_had(queued: Site, listener: QueueClient) -> None:
    name = queued.drop(b.xml(b.application("declare", reference=(reference := b.fresh("again")))))
    queued.wait(name)
    wait_until(lambda: accepted(listener, reference) and quiet(listener), "all events")
    before = sent_before(listener)

    def dry_run() -> Any:
        return json.loads(queued.command("events", "replay", "--since", "1h", "--dry-run", "--json", check=True).stdout)

    # How far all is told is kept a moment later.
    dry = wait_until(lambda: (said := dry_run())["events"] == len(before) and said, "that all of them count as told")
    assert dry["dry_run"] is True
    assert dry["of"]["demo.NA.application"] >= len(told(listener, reference))
    listener.queue("late")
    again = json.loads(queued.command("events", "replay", "--since", "1h", "--queue", "late", "--json", check=True).stdout)
    came = listener.take("late")
    assert again["events"] == len(came) == len(before)
    assert {content(each)["event_id"]: content(each)["sequence"] for each in came} == before
    assert came[0].headers["routing_key"].startswith("demo.")
    assert sent_before(listener) == before
    had = len(listener.came[QUEUE])

    queued.command("events", "replay", "--since", "1h", "--account", "demo", check=True)
    assert sent_before(listener) == before
    assert len(listener.came[QUEUE]) == had + len(before)


@pytest.mark.requirement("GW-08")
def test_a_replay_of_nothing_or_to_nowhere_is_told(queued: Site) -> None:
    coming = queued.command("events", "replay", "--since", "2099-01-01", "--lang", "en")
    none = json.loads(queued.command("events", "replay", "--since", "0s", "--json", check=True).stdout)
    nowhere = queued.command("events", "replay", "--since", "1h", "--queue", "nowhere", "--lang", "en")
    nobody = queued.command("events", "replay", "--since", "1h", "--account", "dem", "--lang", "en")
    when = queued.command("events", "replay", "--since", "yesterdayish", "--lang", "en")
    empty = queued.command("events", "replay", "--since", "", "--lang", "en")
    turned = queued.command("events", "replay", "--since", "1h", "--until", "2h", "--lang", "en")

    assert (coming.returncode, coming.stderr) == (2, "--since 2099-01-01 is still to come\n")
    assert none["events"] == 0
    assert (nowhere.returncode, nowhere.stderr) == (1, "there is no queue nowhere\n")
    assert "demo" in nobody.stderr
    assert (when.returncode, "is no time" in when.stderr) == (2, True)
    assert (empty.returncode, "is no time" in empty.stderr) == (2, True)
    assert (turned.returncode, turned.stderr) == (2, "--until 2h is before --since 1h\n")


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("queue", ["tongguan.submit.demo", "tongguan.dead"])
def test_a_replay_into_a_queue_of_the_gateway_is_refused(queued: Site, queue: str) -> None:
    refused = queued.command("events", "replay", "--since", "1h", "--queue", queue, "--lang", "en")

    assert refused.returncode == 2
    assert refused.stderr == f"{queue} is the gateway's own, no place for events: name a queue of who listens\n"


@pytest.mark.requirement("GW-08")
def test_queues_show_what_is_there_and_what_waits(queued: Site, listener: QueueClient) -> None:
    wait_until(lambda: quiet(listener), "all events")
    seen = json.loads(queued.command("queues", "--json").stdout)
    screen = queued.command("queues", "--lang", "en").stdout

    assert (seen["reachable"], seen["events"]["waiting"], seen["replies"]["waiting"]) == (True, 0, 0)
    assert [queue["name"] for queue in seen["queues"]] == ["tongguan.submit.demo", "tongguan.dead"]
    assert seen["broker"] == "127.0.0.1:5672"
    assert "tongguan.submit.demo" in screen
    assert "guest:guest" not in screen + json.dumps(seen)
