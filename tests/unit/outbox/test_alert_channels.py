"""An alert reaches people once when it begins, again after a while, and when it is over; a way that fails is tried again, and is told itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.settings import AlertCommand
from tongguan.gateway.system import clock, logs, times
from tongguan.outbox.alert_channels import (
    FIRST_WAIT,
    MOST_AT_ONCE,
    AlertChannel,
    AlertDigest,
    AlertNotSent,
    CommandSender,
)
from tongguan.outbox.alerts import AlertNotice, Alerts

pytestmark = pytest.mark.requirement("GW-08")
NOON = times.read("2026-11-20T12:00:00+08:00")


class Told:
    """A way that remembers what it sent, and fails while it is told to."""

    def __init__(self) -> None:
        self.sent: list[AlertDigest] = []
        self.fails = ""

    def send(self, digest: AlertDigest) -> None:
        if self.fails:
            raise AlertNotSent(self.fails)
        self.sent.append(digest)

    @property
    def heard(self) -> list[tuple[str, str, bool]]:
        return [(each.code, each.about, each.over) for digest in self.sent for each in digest.notices]


class Times:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.seconds = NOON, 0.0
        monkeypatch.setattr(clock, "monotonic", lambda: self.seconds)

    def __call__(self) -> int:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += round(seconds * 1000)
        self.seconds += seconds


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Times:
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    return Times(monkeypatch)


Ways = Callable[..., tuple[Told, AlertChannel]]


@pytest.fixture
def alerts(tmp_path: Path, at: Times) -> Alerts:
    return Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=4), now_ms=at, language="en", home=tmp_path)


def way(alerts: Alerts, at: Times, **settings: Any) -> tuple[Told, AlertChannel]:
    told = Told()
    made = AlertCommand(name=settings.pop("name", "duty"), run=("true",), **settings)

    def digest(notices: Sequence[AlertNotice], more: int) -> AlertDigest:
        return AlertDigest(notices, more, "test", Path("/h"), "en")

    channel = AlertChannel(made, told, alerts, digest, now_ms=at)
    before = alerts.listener

    def both(notice: AlertNotice) -> None:
        before(notice)
        channel.put(notice)

    alerts.listener = both
    return told, channel


def test_the_beginning_the_repeat_and_the_end_are_sent_once_each(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at)
    for hours in range(6):
        alerts.tell("lane", "route:mofcom is shut", do="tongguan doctor", about="route:mofcom")
        channel.turn()
        at.later(3600)
        assert len(told.sent) == 1 + hours // 4
    alerts.over("lane", "route:mofcom")
    channel.turn()

    assert told.heard == [("lane", "route:mofcom", False)] * 2 + [("lane", "route:mofcom", True)]
    words = [digest.subject.split("] ")[1].split(" ")[0] for digest in told.sent]
    assert words == ["ALERT", "STILL", "OVER"]
    assert "route:mofcom is shut" in told.sent[2].text, "what is over is said"
    assert not channel.turn()


def test_what_comes_together_goes_together_the_worst_first_and_of_very_many_the_number(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at)
    alerts.tell("card", "is out", do="look", about="a")
    channel.turn()
    alerts.over("card", "a")
    for n in range(MOST_AT_ONCE + 5):
        alerts.tell("deadline", f"no verdict {n}", do="look", about=str(n))
    channel.turn()

    assert len(told.sent) == 2 and len(told.sent[1].notices) == MOST_AT_ONCE and told.sent[1].more == 6
    assert told.sent[1].subject == f"[Tongguan test] ALERT deadline: no verdict 0 (+{MOST_AT_ONCE + 5})"
    assert "6 more: tongguan status --home /h" in told.sent[1].text


def test_a_way_that_fails_is_an_alert_and_sends_how_things_stand_when_it_works_again(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at)
    other, second = way(alerts, at, name="other")
    told.fails = "the server is away"
    alerts.tell("card", "is out", do="look", about="a")
    alerts.tell("disk", "is full", do="look", about="/")
    assert not channel.turn()
    second.turn()

    (problem,) = [p for p in alerts.problems() if p.code == "channel"]
    assert problem.about == "duty" and "the server is away" in problem.text
    assert problem.do.startswith("tongguan alerts test duty --home ")
    assert ("channel", "duty", False) in other.heard, "the others tell of it"
    alerts.over("card", "a")  # it may have arrived all the same
    told.fails = ""
    assert not channel.turn(), "it is not tried at once"
    at.later(FIRST_WAIT)
    assert channel.turn()
    assert told.heard == [("disk", "/", False), ("card", "a", True)]
    assert not [p for p in alerts.problems() if p.code == "channel"]
    assert not channel.turn(), "of its own failure it tells nobody"


def test_a_way_that_goes_on_failing_is_tried_more_and_more_seldom(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at)
    told.fails, tries = "no", []
    alerts.tell("disk", "is full", do="look")
    real = told.send
    channel._sender = type("Counting", (), {"send": lambda _, digest: (tries.append(at.seconds), real(digest))})()
    for _ in range(3600):
        channel.turn()
        at.later(1)

    pauses = [round(after - before) for before, after in pairwise(tries)]
    assert pauses[:4] == [5, 10, 20, 40] and max(pauses) == 300


def test_an_end_that_comes_while_the_beginning_is_being_sent_is_sent_too(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at)
    real = told.send

    def slow(digest: AlertDigest) -> None:
        real(digest)
        told.send = real  # type: ignore[method-assign]
        alerts.over("card", "a")

    told.send = slow  # type: ignore[method-assign]
    alerts.tell("card", "is out", do="look", about="a")
    channel.turn()
    channel.turn()

    assert told.heard == [("card", "a", False), ("card", "a", True)]


def test_in_quiet_hours_only_what_is_urgent_is_sent_and_what_still_stands_after_them(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at, quiet="22:00-07:00")
    at.later(11 * 3600)  # 23:00
    for code in ("card", "backlog", "disk"):
        alerts.tell(code, "x", do="look")
        channel.turn()
    alerts.over("backlog")
    channel.turn()
    assert [code for code, *_ in told.heard] == ["disk"]

    at.later(8 * 3600 + 1)  # 07:00:01
    channel.turn()
    assert [code for code, *_ in told.heard] == ["disk", "card"]


def test_only_the_codes_that_a_way_is_for_are_sent(alerts: Alerts, at: Times) -> None:
    told, channel = way(alerts, at, codes=["month"])
    alerts.tell("card", "x", do="look")
    alerts.tell("month", "x", do="look")
    channel.turn()

    assert [code for code, *_ in told.heard] == ["month"]


def test_what_an_earlier_run_told_is_not_told_again_and_its_end_is(tmp_path: Path, alerts: Alerts, at: Times) -> None:
    alerts.tell("card", "is out", do="look", about="a")
    later = Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=4), now_ms=at, language="en", home=tmp_path)
    told, channel = way(later, at)
    later.tell("card", "is out", do="look", about="a")
    assert not channel.turn()
    later.over("card", "a")
    channel.turn()

    assert told.heard == [("card", "a", True)] and "is out" in told.sent[0].text


def test_settings_that_were_swapped_lose_nothing_that_was_not_sent_yet(alerts: Alerts, at: Times) -> None:
    told, before = way(alerts, at)
    told.fails = "no"
    alerts.tell("disk", "is full", do="look")
    before.turn()
    after_told, after = way(alerts, at)
    after.follow(before)
    after.turn()

    assert after_told.heard == [("disk", "", False)]


def command(tmp_path: Path, program: str, **more: Any) -> CommandSender:
    script = tmp_path / "tell.py"
    script.write_text(program)
    return CommandSender(AlertCommand(name="x", run=(sys.executable, str(script), "a word"), **more), tmp_path)


def test_a_command_is_run_without_a_shell_and_reads_what_is_told(tmp_path: Path) -> None:
    notice = AlertNotice(NOON, "card", "a", "is out; rm -rf /", "tongguan card list", NOON)
    program = "import sys, os, json; open('got', 'w').write(json.dumps([sys.argv[1:], json.load(sys.stdin), os.environ['TONGGUAN_HOME']]))"
    command(tmp_path, program).send(AlertDigest([notice], 0, "test", tmp_path, "en"))

    words, given, home = json.loads((tmp_path / "got").read_text())
    assert (words, home) == (["a word"], str(tmp_path))
    assert given["alerts"][0] == {
        "at": "2026-11-20T12:00:00.000+08:00",
        "code": "card",
        "about": "a",
        "text": "is out; rm -rf /",
        "do": "tongguan card list",
        "since": "2026-11-20T12:00:00.000+08:00",
        "held_back": 0,
        "over": False,
    }


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; print('no line', file=sys.stderr); sys.exit(3)", "ended with 3: no line"),
        ("import time; time.sleep(60)", "did not end"),
    ],
)
def test_a_command_that_fails_or_hangs_has_not_told(tmp_path: Path, program: str, why: str) -> None:
    notice = AlertNotice(NOON, "card", "a", "is out", "", NOON)
    with pytest.raises(AlertNotSent, match=why):
        command(tmp_path, program, timeout="1s").send(AlertDigest([notice], 0, "test", tmp_path, "en"))


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    sender = CommandSender(AlertCommand(name="x", run=("/nowhere/tell",)), tmp_path)
    with pytest.raises(AlertNotSent, match="/nowhere/tell"):
        sender.send(AlertDigest([AlertNotice(NOON, "card", "a", "x", "", NOON)], 0, "test", tmp_path, "en"))
