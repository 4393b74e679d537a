"""The wall clock may be set while the gateway runs or is down: nothing waits longer, or shorter, than it was meant to."""

from __future__ import annotations

import random
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from clocks import Machine
from journals import Database, comes, moves, stored, submission, written

from tongguan.gateway.journal.clock_changes import LEAST_MS, STEADY_MS
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.model.message import State
from tongguan.gateway.model.notification import Notification
from tongguan.gateway.system import clock
from tongguan.outbox.sms import Notifier

HOUR, DAY = 3_600_000, 86_400_000
JUMPS = (-DAY, -HOUR, -30_000, -1500, 1500, 30_000, HOUR, DAY, 400 * DAY)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine().rules(monkeypatch)


def waits(journal: Journal, ms: int, id_: str = "m", **more: object) -> None:
    now = clock.now_ms()
    written(journal, comes(submission(id_, due_at=now + ms, **more)))


def due(journal: Journal) -> list[str]:
    """What could be claimed now."""
    claim = journal.claim("s", ["read"], limit=99)
    if claim is None:
        return []
    journal.give_back(claim.token)
    return list(claim.keys)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_wait_is_as_long_as_it_was_meant_to_be_when_the_clock_is_set_meanwhile(
    database: Database, machine: Machine, jump: int
) -> None:
    journal = database.open()
    waits(journal, 10_000)
    machine.wall += jump
    assert due(journal) == []
    machine.passes(10_000 - LEAST_MS - 1)
    assert due(journal) == []
    machine.passes(2 * LEAST_MS + 2)

    assert due(journal) == ["m"]
    journal.close()


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("away", [0, 5000])
def test_a_wait_is_as_long_as_it_was_meant_to_be_when_the_clock_is_set_while_the_gateway_is_down(
    database: Database, machine: Machine, jump: int, away: int
) -> None:
    journal = database.open()
    waits(journal, 10_000)
    journal.close()
    machine.passes(away)
    machine.wall += jump
    again = database.open()
    machine.passes(10_000 - LEAST_MS - away - 1)
    assert due(again) == []
    machine.passes(2 * LEAST_MS + 2)

    assert due(again) == ["m"]
    again.close()


@pytest.mark.parametrize("jump", [-400 * DAY, -HOUR])
def test_a_machine_that_started_anew_with_a_clock_behind_keeps_nobody_waiting(
    database: Database, machine: Machine, jump: int
) -> None:
    journal = database.open()
    waits(journal, 10_000)
    journal.close()
    machine.starts_anew()
    machine.wall += jump
    again = database.open()
    machine.passes(10_000 + LEAST_MS)

    assert due(again) == ["m"]
    assert again.timekeeper.unsteady() == jump
    again.close()


def test_a_machine_that_was_off_for_a_day_has_no_wrong_clock(database: Database, machine: Machine) -> None:
    journal = database.open()
    waits(journal, HOUR)
    journal.close()
    machine.starts_anew()
    machine.wall += DAY
    again = database.open()

    assert due(again) == ["m"]
    assert again.timekeeper.unsteady() == 0
    again.close()


def test_steps_too_small_to_count_are_counted_together(database: Database, machine: Machine) -> None:
    journal = database.open()
    waits(journal, 10_000)
    for _ in range(100):
        machine.wall -= LEAST_MS // 2
        journal.timekeeper.look()
    machine.passes(10_000 + LEAST_MS)

    assert due(journal) == ["m"]
    journal.close()


def test_what_begins_to_wait_after_the_jump_waits_as_long_as_it_was_meant_to(database: Database, machine: Machine) -> None:
    journal = database.open()
    machine.wall += DAY
    waits(journal, 1000)
    machine.passes(1000)

    assert due(journal) == ["m"]
    journal.close()


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_deadlines_probes_and_short_messages_move_with_the_clock(database: Database, machine: Machine, jump: int) -> None:
    journal, now = database.open(), machine.wall
    waits(journal, HOUR, deadline_at=now + 2 * HOUR)
    journal.close_lane(ClosedLane(Lane("card:a"), "card", "", now, now + 5000, "do"))
    journal.close_lane(ClosedLane(Lane("card:b"), "pin", "", now, None, "do"))
    note = Notification("n", "demo", "r", "m", "d", "ref", "13800000000", "text", now, now + 4000)
    written(journal, comes(submission("other", lane=None, due_at=None), notifications=(note,)))
    machine.wall += jump
    journal.timekeeper.look()

    assert stored(journal, "m").deadline_at == now + 2 * HOUR + jump
    assert journal.lanes["card:a"].probe_at == now + 5000 + jump
    assert journal.lanes["card:b"].probe_at is None
    with journal.search() as records:
        assert records.lanes() == journal.lanes
    assert journal.notifications.due(machine.wall + 3999, 9) == []
    [waiting] = journal.notifications.due(machine.wall + 4000, 9)
    assert (waiting.at, waiting.next_at) == (now + jump, now + 4000 + jump)
    journal.close()


def test_no_short_message_is_given_up_because_the_clock_was_set_forward(database: Database, machine: Machine) -> None:
    """It is found due at once, by whoever looks first."""
    journal, now, told = database.open(), machine.wall, list[str]()
    note = Notification("n", "demo", "r", "m", "d", "ref", "13800000000", "text", now, now + 4000)
    written(journal, comes(submission("other", lane=None, due_at=None), notifications=(note,)))
    schedule = SimpleNamespace(least_wait=timedelta(seconds=2), most_wait=timedelta(hours=1))
    settings: Any = SimpleNamespace(schedule=schedule, sms=SimpleNamespace(give_up=timedelta(days=1)))
    alerts: Any = SimpleNamespace(tell=lambda code, *_, **__: told.append(code), over=lambda code: None)
    notifier = Notifier(journal, SimpleNamespace(send=lambda notes: ["away"] * len(notes)), alerts, settings)
    machine.wall += 400 * DAY
    assert not notifier.turn()
    machine.passes(5000)
    assert notifier.turn()

    [waiting] = journal.notifications.due(machine.wall + HOUR, 9)
    assert waiting.next_at is not None and waiting.next_at < machine.wall + HOUR and told == []
    journal.close()


def test_a_jump_is_known_until_the_clock_was_steady_for_a_while_or_is_back(database: Database, machine: Machine) -> None:
    journal = database.open()

    def unsteady() -> int:
        journal.timekeeper.look()
        return journal.timekeeper.unsteady()

    assert unsteady() == 0
    machine.wall -= HOUR
    assert unsteady() == -HOUR
    machine.passes(STEADY_MS - 1000)
    assert unsteady() == -HOUR
    machine.passes(2000)
    assert unsteady() == 0
    machine.wall += DAY
    assert unsteady() == DAY
    machine.wall -= DAY
    assert unsteady() == 0
    journal.close()


def test_a_span_that_came_twice_is_known_for_ever(database: Database, machine: Machine) -> None:
    journal, noon = database.open(), machine.wall
    machine.wall += HOUR
    journal.timekeeper.look()
    assert not journal.timekeeper.came_twice(noon + HOUR // 2), "skipped, but never twice"
    machine.wall -= HOUR
    journal.timekeeper.look()
    machine.passes(400 * DAY)
    journal.timekeeper.look()
    journal.close()
    again = database.open()

    assert [again.timekeeper.came_twice(noon + at) for at in (-1000, HOUR // 2, HOUR, HOUR + 1000)] == [False, True, True, False]
    again.close()


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -DAY, DAY, 400 * DAY])
@pytest.mark.parametrize("running", [True, False], ids=["running", "down"])
def test_since_when_the_clock_was_not_set_by_a_day_or_more_is_known_for_ever(
    database: Database, machine: Machine, jump: int, running: bool
) -> None:
    journal = database.open()
    waits(journal, 10_000)
    if not running:
        journal.close()
    machine.wall += jump
    journal = journal if running else database.open()
    journal.timekeeper.look()
    set_at = machine.wall if abs(jump) >= DAY else 0
    machine.passes(5 * DAY)
    journal.timekeeper.look()
    journal.close()
    again = database.open()

    assert again.timekeeper.even_since == set_at
    again.close()


@pytest.mark.parametrize(("away", "doubtful"), [(10 * DAY, False), (60 * DAY, True)])
def test_a_machine_that_was_off_for_a_month_may_have_a_wrong_clock(
    database: Database, machine: Machine, away: int, doubtful: bool
) -> None:
    journal = database.open()
    waits(journal, 10_000)
    journal.close()
    machine.starts_anew()
    machine.wall += away
    again = database.open()

    assert again.timekeeper.even_since == (machine.wall if doubtful else 0)
    again.close()


def test_a_journal_of_an_earlier_release_is_held_against_its_last_commit(database: Database, machine: Machine) -> None:
    journal = database.open()
    waits(journal, 10_000)
    journal._writer.submit(lambda group: group.connection.exec_driver_sql("DELETE FROM marker WHERE name = 'clock'") and None)
    journal.dispose()
    machine.wall -= HOUR
    again = database.open()
    machine.passes(10_000 + LEAST_MS)

    assert due(again) == ["m"]
    again.close()


def test_while_the_clock_runs_as_it_should_nothing_is_written_but_a_marker_a_minute(database: Database, machine: Machine) -> None:
    journal = database.open()
    commits: list[int] = []
    write = journal._writer._write
    journal._writer._write = lambda requests, **more: (commits.append(1), write(requests, **more))[1]  # type: ignore[method-assign,func-returns-value]
    for _ in range(600):
        machine.passes(200)
        journal.timekeeper.look()

    assert len(commits) == 2
    journal.close()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_to_the_clock_each_message_is_tried_again_within_its_wait_of_real_time(
    database: Database, machine: Machine, seed: int
) -> None:
    """Any sequence of jumps, restarts of the gateway and of the machine, and messages deferred in between."""
    chance = random.Random(seed)
    journal, until, made = database.open(), dict[str, int](), 0
    passed = 0  # real time
    for _ in range(40):
        match chance.choice(("wait", "jump", "restart", "reboot", "pass", "pass")):
            case "wait":
                made += 1
                wait = chance.choice((0, 500, 5000, 60_000, HOUR))
                waits(journal, wait, f"m{made}")
                until[f"m{made}"] = passed + wait
            case "jump":
                machine.wall += chance.choice(JUMPS)
            case "restart":
                journal.close() if chance.random() < 0.5 else journal.dispose()
                if chance.random() < 0.5:
                    machine.wall += chance.choice(JUMPS)
                journal = database.open()
            case "reboot":
                journal.timekeeper.look()  # a jump just before is known, as the upkeep looks every second
                journal.dispose()
                machine.starts_anew()
                machine.wall += chance.choice([jump for jump in JUMPS if jump < 0])
                journal = database.open()
            case "pass":
                step = chance.choice((100, 3000, 61_000, HOUR))
                machine.passes(step)
                passed += step
        if claim := journal.claim("s", ["read"], limit=999):
            written(journal, *(moves(m, State.SENT) for m in claim.messages), token=claim.token)
            for key in claim.keys:
                del until[key]
        late = {key: passed - at for key, at in until.items() if passed - at > LEAST_MS}
        assert not late
    journal.close()
