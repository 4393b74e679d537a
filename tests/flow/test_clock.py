"""Somebody sets the machine's clock while messages wait: each is tried again when it was meant to be, and ops are told."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from rounds import turn
from sites import wait_until
from workshop import Workshop, open_workshop

from tongguan.gateway.journal import clock_changes
from tongguan.gateway.system import clock, times
from tongguan.inbox.calendar import Calendar

pytestmark = pytest.mark.requirement("GW-08")
HOUR, DAY = 3_600_000, 86_400_000
_names = itertools.count()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    made = open_workshop(tmp_path, monkeypatch)
    yield made
    monkeypatch.undo()
    made.stop()
    made.mofcom.down()
    made.customs.down()


def set_clock(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    real = clock.now_ms
    monkeypatch.setattr(clock, "now_ms", lambda: real() + by)


def alerts(shop: Workshop, code: str) -> list[dict[str, Any]]:
    try:
        lines = (shop.home / "alerts.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [a for a in map(json.loads, lines) if a["code"] == code]


def waiting(shop: Workshop, answer: str) -> tuple[str, str]:
    """A message that the authority put off: the name of its file, its reference."""
    reference = f"clock-{next(_names)}"
    shop.mofcom.says[reference] = [answer, "take"]
    name = shop.site.drop(b.xml(b.application("declare", reference=reference)))
    shop.turns(lambda: shop.mofcom.posts(reference))
    shop.turns(lambda: (s := shop.site.status(name)) and s["next_attempt_at"])
    return name, reference


@pytest.mark.parametrize("by", [-DAY, -HOUR, HOUR, DAY])
@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_a_message_that_waits_goes_out_at_its_time(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, by: int, restarted: bool
) -> None:
    name, _ = waiting(shop, "busy")
    if restarted:
        shop.stop()
    set_clock(monkeypatch, by)
    shop.play(name, "sent")

    [alert] = alerts(shop, "clock")
    length = ("1 天", "1 day") if abs(by) == DAY else ("1 小时", "1 hour")
    assert alert["do"] and f"向{'前' if by > 0 else '后'}跳了 {length[0]}；" in alert["text"]


def test_a_deadline_is_not_reached_by_setting_the_clock(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    name, _ = waiting(shop, "503")
    set_clock(monkeypatch, 400 * DAY)

    assert shop.play(name, "sent")["state"] == "sent"


def test_a_shut_route_is_probed_again_though_the_clock_went_back(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.mofcom.down()
    name = shop.site.drop(b.xml(b.application("declare")))
    shop.turns(lambda: "route:mofcom" in shop.daemon.journal.lanes)
    set_clock(monkeypatch, -HOUR)
    shop.mofcom.up()

    shop.play(name, "sent")


@pytest.mark.parametrize("by", [HOUR, 400 * DAY], ids=["an hour", "a year"])
def test_a_shut_route_that_is_probed_just_after_the_clock_was_set_is_probed_again_soon(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    shop.mofcom.down()
    name = shop.site.drop(b.xml(b.application("declare")))
    shop.turns(lambda: "route:mofcom" in shop.daemon.journal.lanes)
    set_clock(monkeypatch, by)
    shop.daemon.watching.probe()
    shop.daemon.watching.clock()
    set_clock(monkeypatch, 100)
    shop.daemon.watching.probe()
    shop.mofcom.up()

    assert shop.daemon.journal.lanes["route:mofcom"].probe_at < clock.now_ms() + 60_000
    shop.play(name, "sent")


@pytest.mark.parametrize("by", [-4000 * DAY, -2 * DAY, 9000 * DAY], ids=["long ago", "the day before yesterday", "far ahead"])
@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_what_the_authority_said_while_the_clock_was_wrong_is_believed_once_it_is_right(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, by: int, restarted: bool
) -> None:
    name = shop.site.drop(b.xml(b.application("declare", reference=(reference := f"clock-{next(_names)}"))))
    shop.play(name, "sent")
    set_clock(monkeypatch, by)
    shop.decide(reference, "30", b.APPLICATION)
    shop.turns(lambda: aside(shop))
    shop.daemon.watching.look()
    turn(shop.daemon)
    assert aside(shop) == 1

    if restarted:
        shop.stop()
    set_clock(monkeypatch, -by)
    turn(shop.daemon)
    shop.daemon.watching.look()

    assert shop.play(name, "accepted")["state"] == "accepted"
    assert aside(shop) == 0


@pytest.mark.parametrize("by", [-4000 * DAY, 9000 * DAY], ids=["long ago", "far ahead"])
def test_the_answer_to_a_message_that_a_wrong_clock_did_not_believe_is_believed_once_it_is_right(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    name, _ = waiting(shop, "busy")
    set_clock(monkeypatch, by)
    shop.turns(lambda: aside(shop))
    assert shop.site.status(name)["state"] != "sent"

    set_clock(monkeypatch, -by)
    turn(shop.daemon)
    shop.daemon.watching.look()

    assert shop.play(name, "sent")["state"] == "sent"
    assert (aside(shop), len(shop.mofcom.kept)) == (0, 1)


def test_nor_does_the_answer_to_a_question_stay_aside_that_is_put_anew(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = shop.play(shop.site.drop(b.xml(b.application("declare"))), "sent")
    set_clock(monkeypatch, -4000 * DAY)
    name = shop.site.drop(b.xml(b.query(b.APPLICATION, "status", document=declared["document"])))
    shop.turns(lambda: aside(shop))

    set_clock(monkeypatch, 4000 * DAY)
    turn(shop.daemon)
    shop.daemon.watching.look()

    shop.play(name, "rejected")
    assert aside(shop) == 0


def test_what_no_clock_believes_is_not_looked_at_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.mofcom.issue(shop.mofcom.stranger.seal(shop.mofcom.unsigned(code="30")))
    shop.turns(lambda: aside(shop))
    set_clock(monkeypatch, -DAY)
    turn(shop.daemon)
    shop.daemon.watching.look()

    assert aside(shop) == 1


def aside(shop: Workshop) -> int:
    """Receipts in quarantine."""
    with shop.daemon.journal.search() as records:
        return sum(count for _, _, state, count in records.tally() if state == "quarantined")


def test_the_alert_of_the_clock_ends_when_it_is_right_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    turn(shop.daemon)
    set_clock(monkeypatch, -HOUR)
    shop.turns(lambda: alerts(shop, "clock"))
    set_clock(monkeypatch, HOUR)

    shop.turns(lambda: alerts(shop, "clock")[-1].get("over"))


def test_the_alert_of_the_clock_ends_when_it_was_steady_for_a_while(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    turn(shop.daemon)
    set_clock(monkeypatch, DAY)
    shop.turns(lambda: alerts(shop, "clock"))
    monkeypatch.setattr(clock_changes, "STEADY_MS", 1)

    shop.turns(lambda: alerts(shop, "clock")[-1].get("over"))


def test_jobs_of_the_calendar_go_on_though_the_clock_went_back(monkeypatch: pytest.MonkeyPatch) -> None:
    called = threading.Semaphore(0)
    calendar = Calendar("Asia/Shanghai", on_trouble=lambda name, trouble: None)
    calendar.every("job", times.from_ms(DAY) - times.from_ms(0), called.release)
    calendar.start()
    assert called.acquire(timeout=30)
    calendar.again()

    assert called.acquire(timeout=30)
    wait_until(lambda: calendar._alarm.get_job("job").next_run_time, "the next time")
    calendar.stop()
