"""What is watched beside the flow: nothing that hangs or fails holds up the watching of anything else, and every trouble has its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tongguan.gateway.daemon.watching.health_checks import HealthChecks
from tongguan.gateway.daemon.watching.lane_probes import Watching
from tongguan.gateway.flow.site import Site
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import Kind, Message, State
from tongguan.gateway.model.outcome import Outcome
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import disk
from tongguan.gateway.system.storage.disk import Shortage, shortages
from tongguan.outbox.alerts import Alerts
from tongguan.routes.reply import Reply

DAY_MS = 86_400_000


class Route:
    """An authority that answers as the test says; `here` lets its health be told."""

    def __init__(self, answer: str = "receipt", *, hangs: bool = False) -> None:
        self.answer, self.asked = answer, list[str]()
        self.here = threading.Event()
        if not hangs:
            self.here.set()

    def healthy(self) -> bool:
        return self.here.wait(60)

    def submit_ask(self, wire_id: str) -> Future[Reply]:
        self.asked.append(wire_id)
        future: Future[Reply] = Future()
        future.set_result(cast(Reply, SimpleNamespace(kind=self.answer)))
        return future


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open("sqlite:///tongguan.db", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def alerts(tmp_path: Path) -> Alerts:
    return Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=4))


def site(journal: Journal, home: Path, **routes: Route) -> Site:
    settings = SimpleNamespace(
        schedule=SimpleNamespace(probe=timedelta(seconds=5)),
        gateway=SimpleNamespace(language="en", say=lambda zh, en: en),
        home=home,
        account=["demo", "other"],
        mailbox=lambda account: home / "mailboxes" / account,
    )
    looks = SimpleNamespace(last=lambda name: None)
    made = SimpleNamespace(
        rules=SimpleNamespace(settings=settings, accounts={}, cards={}, encrypt_to={}, secrets_to={}, shared_keys={}),
        journal=journal,
        routes=routes,
        cards={},
        looks=looks,
    )
    return cast(Site, made)


def shut(journal: Journal, *names: str) -> None:
    for name in names:
        journal.close_lane(ClosedLane(Lane(name), "route", "refused", clock.now_ms(), clock.now_ms() - 1, "tongguan doctor"))


def sent(journal: Journal, count: int, *, deadline: int = -60_000, state: State = State.SENT) -> list[Message]:
    now = clock.now_ms()
    messages = [
        Message(
            id=f"m{n:03}", kind=Kind.SUBMISSION, account="demo", type="T", operation="declare", state=state,
            received_at=now, updated_at=now, deadline_at=now + deadline, route="mofcom",
        )
        for n in range(count)
    ]  # fmt: skip
    journal.finish([(Outcome(m, None, "read"),) for m in messages])
    return messages


def checks(of: Site, alerts: Alerts) -> HealthChecks:
    return HealthChecks(of, alerts, cast(Any, SimpleNamespace(tell=lambda again: None)))


def test_an_authority_that_hangs_keeps_no_other_lane_shut(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    hangs, well = Route(hangs=True), Route()
    watching = Watching(site(journal, tmp_path, mofcom=hangs, customs=well), alerts, journal.timekeeper)
    shut(journal, "route:mofcom", "route:customs", "ask:customs")
    while len(journal.lanes) > 1:
        watching.probe(patience=0.05)
    assert list(journal.lanes) == ["route:mofcom"]
    hangs.here.set()
    while journal.lanes:
        watching.probe(patience=0.05)
    watching.probe(patience=0.05)

    assert alerts.problems() == []
    watching.close()


def test_a_probe_that_fails_in_a_way_of_its_own_is_no_answer(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    class Broken(Route):
        def healthy(self) -> bool:
            raise ZeroDivisionError

    watching = Watching(site(journal, tmp_path, mofcom=Broken(), customs=Route()), alerts, journal.timekeeper)
    shut(journal, "route:mofcom", "route:customs")
    watching.probe()

    assert list(journal.lanes) == ["route:mofcom"]
    probe_at = journal.lanes["route:mofcom"].probe_at
    assert probe_at is not None and probe_at > clock.now_ms(), "and is asked again later"
    watching.close()


def test_a_lane_that_a_person_paused_while_it_was_probed_stays_paused(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    route = Route(hangs=True)
    watching = Watching(site(journal, tmp_path, mofcom=route), alerts, journal.timekeeper)
    shut(journal, "route:mofcom")
    watching.probe(patience=0.01)
    paused = replace(journal.lanes["route:mofcom"], reason="paused", probe_at=None)
    journal.close_lane(paused)
    route.here.set()
    watching.probe()

    assert journal.lanes == {"route:mofcom": paused}
    watching.close()


def test_a_lane_that_opened_while_the_gateway_was_down_ends_its_alert(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    shut(journal, "route:mofcom")
    watching = Watching(site(journal, tmp_path, mofcom=Route()), alerts, journal.timekeeper)
    watching.probe()
    alerts.tell("lane", "route:mofcom is shut", do="look", about="route:mofcom")
    later = Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=4))
    Watching(site(journal, tmp_path), later, journal.timekeeper).probe()

    assert later.about("lane") == []
    assert b'"over":true' in (tmp_path / "alerts.jsonl").read_bytes().splitlines()[-1]
    watching.close()


@pytest.mark.parametrize("answer", ["later", "lost"])
def test_an_authority_that_does_not_answer_is_not_asked_a_hundred_times(
    journal: Journal, alerts: Alerts, tmp_path: Path, answer: str
) -> None:
    sent(journal, 100)
    route = Route(answer)
    checks(site(journal, tmp_path, mofcom=route), alerts).deadlines()

    assert len(route.asked) <= 8
    assert len(alerts.about("deadline")) == 100
    with journal.search() as records:
        assert records.overdue(clock.now_ms(), 200) == [], "all are looked at again in a day"
        assert all(m.state is State.SENT for m in records.messages([f"m{n:03}" for n in range(100)]).values())


def test_what_has_no_verdict_is_asked_for_many_at_a_time(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    messages = sent(journal, 100)
    route = Route("receipt")
    checks(site(journal, tmp_path, mofcom=route), alerts).deadlines()

    assert sorted(route.asked) == sorted(m.wire_id for m in messages)
    assert all("the authority has it" in problem.text for problem in alerts.problems()[:50])


def test_a_shut_route_is_not_asked(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    sent(journal, 3)
    shut(journal, "route:mofcom")
    route = Route("receipt")
    checks(site(journal, tmp_path, mofcom=route), alerts).deadlines()

    assert route.asked == []
    assert len(alerts.about("deadline")) == 3


def test_what_was_not_sent_is_held_before_any_authority_is_asked(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    class Hangs(Route):
        def submit_ask(self, wire_id: str) -> Future[Reply]:
            with journal.read() as records:
                self.asked.append(str(records.messages(["m000"])["m000"].state))
            return super().submit_ask(wire_id)

    sent(journal, 1, state=State.SEALED)
    now = clock.now_ms()
    other = Message(
        id="sent", kind=Kind.SUBMISSION, account="demo", type="T", operation="declare", state=State.SENT,
        received_at=now, updated_at=now, deadline_at=now - 1, route="mofcom",
    )  # fmt: skip
    journal.finish([(Outcome(other, None, "read"),)])
    route = Hangs()
    checks(site(journal, tmp_path, mofcom=route), alerts).deadlines()

    assert route.asked[0] == "held"


def test_the_alert_of_a_deadline_ends_with_the_verdict_also_after_a_restart(
    journal: Journal, alerts: Alerts, tmp_path: Path
) -> None:
    sent(journal, 2)
    of = site(journal, tmp_path, mofcom=Route())
    checks(of, alerts).deadlines()
    with journal.read() as records:
        message = records.messages(["m000"])["m000"]
    journal.finish([(Outcome(replace(message, state=State.ACCEPTED, deadline_at=None), State.SENT, "settle"),)])
    later = Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=4))
    checks(of, later).deadlines()

    assert later.about("deadline") == ["m001"]


def disk_of(monkeypatch: pytest.MonkeyPatch, *, free: int, whole: int, names: int = 1000) -> None:
    seen = SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=whole, f_files=names and 1_000_000, f_favail=names)
    monkeypatch.setattr(os, "statvfs", lambda path: seen)


@pytest.mark.parametrize(
    ("free", "whole", "names", "full"),
    [
        (0, 40_000_000, 9, True),
        (300_000, 40_000_000, 9, True),
        (30_000_000, 40_000_000, 9, None),
        (1_000_000, 500_000_000_000, 9, True),
        (900_000_000, 500_000_000_000, 9, False),
        (2_000_000_000, 500_000_000_000, 9, None),
        (400_000_000_000, 500_000_000_000, 0, None),  # a file system that does not count its names
    ],
)
def test_a_disk_is_short_of_room_by_its_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, whole: int, names: int, full: bool | None
) -> None:
    disk_of(monkeypatch, free=free, whole=whole, names=names)

    assert shortages([tmp_path, tmp_path, tmp_path / "gone"]) == ([] if full is None else [Shortage(tmp_path, free, full)])


def test_a_disk_without_names_left_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = SimpleNamespace(f_bavail=10**12, f_frsize=1, f_blocks=10**12, f_files=1000, f_favail=0)
    monkeypatch.setattr(disk.os, "statvfs", lambda path: seen)

    (short,) = shortages([tmp_path])
    left = disk.room(tmp_path)

    assert short.full and left is not None and left.tight
    assert short.look == f"df -i {tmp_path}"
    assert "inode" in short.said[0] and short.said[1] == f"the disk of {tmp_path} has no inodes left: no file can be made"
    assert left.left[1] == "no inodes left: no file can be made"


def test_a_disk_with_little_room_says_how_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disk_of(monkeypatch, free=900_000_000, whole=500_000_000_000)

    (short,) = shortages([tmp_path])

    assert (short.look, short.said[1]) == (f"df -h {tmp_path}", f"the disk of {tmp_path} has 900 MB left")


def test_a_full_disk_is_told_and_its_end(
    journal: Journal, alerts: Alerts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = checks(site(journal, tmp_path), alerts)
    disk_of(monkeypatch, free=0, whole=10**9)
    of.disks()
    assert [p.code for p in alerts.problems()] == ["disk"]
    disk_of(monkeypatch, free=10**9, whole=10**9)
    of.disks()

    assert alerts.problems() == []


def test_what_waits_for_a_person_is_told_and_its_end(journal: Journal, alerts: Alerts, tmp_path: Path) -> None:
    of = checks(site(journal, tmp_path), alerts)
    old = clock.now_ms() - DAY_MS
    messages = [
        Message(
            id=state,
            kind=Kind.SUBMISSION,
            account="demo",
            type="T",
            operation="declare",
            state=State(state),
            received_at=old,
            updated_at=old,
        )
        for state in ("held", "quarantined", "sealed")
    ]
    journal.finish([(Outcome(m, None, "read"),) for m in messages])
    of.stock()
    assert {p.code for p in alerts.problems()} == {"held", "quarantined", "backlog"}
    journal.finish([(Outcome(replace(m, state=State.GIVEN_UP), m.state, "give up"),) for m in messages])
    of.stock()

    assert alerts.problems() == []
