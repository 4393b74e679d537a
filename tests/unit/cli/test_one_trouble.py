"""One trouble is one line in one language: in the alerts, in the heartbeat, in `tongguan status`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.watching.receipt_watch import ReceiptWatch
from tongguan.gateway.journal.port import FlowJournal
from tongguan.gateway.model.errors import in_both, many
from tongguan.gateway.model.lane import ClosedLane, Lane
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system import clock, logs
from tongguan.outbox.alerts import Alerts

pytestmark = pytest.mark.requirement("GW-08")
Say = Callable[..., Any]
HAN = re.compile(r"[一-鿿]")


@pytest.fixture
def lonely(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A gateway that runs while no authority does, with a card whose PIN is wrong and a route that is shut."""
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    daemon = Daemon(home)
    why = in_both("卡不接受 PIN", "the card refused the PIN")
    away = in_both("连接不上", "cannot connect")
    daemon.journal.close_lane(ClosedLane(Lane("card", "demo-mofcom"), "pin", why, 1, None, "tongguan card pin demo-mofcom"))
    for kind in ("route", "ask"):
        lane = Lane(kind, "mofcom")
        daemon.journal.close_lane(ClosedLane(lane, "route", away, 1, clock.now_ms() + 3_600_000, "tongguan doctor"))
    daemon.start()
    yield daemon
    daemon.stop()


def standing(home: Path) -> list[tuple[str, str]]:
    path = home / "alerts.jsonl"
    lines = [orjson.loads(line) for line in (path.read_bytes().splitlines() if path.exists() else [])]
    last = {(line["code"], line["about"]): bool(line.get("over")) for line in lines}
    return sorted(key for key, over in last.items() if not over)


def test_a_card_and_a_route_are_told_once_each_and_in_the_language_of_who_looks(
    lonely: Daemon, home: Path, tongguan: Say
) -> None:
    told = [("lane", "card:demo-mofcom"), ("lane", "route:mofcom"), ("receipts", "customs"), ("receipts", "ministries")]
    wait_until(lambda: standing(home) == told, "the alerts")
    heart = home / "mailboxes/demo/Status/heartbeat.json"
    wait_until(lambda: len(orjson.loads(heart.read_bytes())["problems"]) == 4, "the heartbeat")

    for language, strange in (("en", HAN), ("zh", re.compile(r"\b(shut|cannot be fetched|refused)\b"))):
        said = tongguan("status", "--json", "--lang", language).json["problems"]
        lines = [p["text"] for p in said if p["code"] in ("lane", "receipts", "card")]
        assert len(lines) == 4 and not [line for line in lines if strange.search(line)], lines
    lanes = tongguan("status", "--lang", "en").out
    assert len(re.findall(r"(?m)^route .* out of reach", lanes)) == 3, lanes
    assert not re.search(r"(?m)^route .*\bopen\b", lanes)


def test_a_broker_that_is_away_is_told_in_the_language_of_who_looks(
    home: Path, monkeypatch: pytest.MonkeyPatch, tongguan: Say
) -> None:
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    with (home / "tongguan.toml").open("a") as settings:
        settings.write('\n[broker]\nurl = "amqp://127.0.0.1:1/"\n')
    daemon = Daemon(home)
    daemon.start()
    try:
        wait_until(lambda: {code for code, _ in standing(home)} >= {"broker", "events"}, "the broker to be missed")
        heart = home / "mailboxes/demo/Status/heartbeat.json"
        wait_until(
            lambda: {p["code"] for p in orjson.loads(heart.read_bytes())["problems"]} >= {"broker", "events"}, "the heartbeat"
        )
        chinese, english = (tongguan("status", "--lang", each).out for each in ("zh", "en"))
    finally:
        daemon.stop()

    assert "所有账户的队列收不到报文" in chinese and "事件暂时发不出" in chinese
    assert "nothing is taken from the queue of every account" in english and "events wait" in english


def test_one_is_one_in_english() -> None:
    assert (many(1, "message"), many(2, "message"), many(0, "receipt")) == ("1 message", "2 messages", "0 receipts")


@pytest.fixture
def watched(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ReceiptWatch, Alerts, dict[Lane, Any], Callable[[float], None]]:
    now = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    lanes: dict[Lane, Any] = {}
    settings = read_settings(home)
    alerts = Alerts(home / "alerts.jsonl", repeat=settings.alerts.repeat)
    journal = cast(FlowJournal, SimpleNamespace(lanes=cast(Mapping[Lane, ClosedLane], lanes)))

    def later(seconds: float) -> None:
        now[0] += seconds

    return ReceiptWatch(settings, journal, alerts), alerts, lanes, later


def test_a_first_poll_that_fails_is_no_alert_before_the_authority_had_time_to_come_up(watched: Any) -> None:
    receipts, alerts, _, later = watched
    receipts.trouble("mofcom", in_both("连接不上", "cannot connect"))
    receipts.look()
    assert alerts.problems() == [] and receipts.shown("mofcom") is None
    receipts.well("mofcom")
    later(10)
    receipts.look()
    assert alerts.problems() == []

    receipts.trouble("mofcom", in_both("连接不上", "cannot connect"))
    receipts.look()
    assert [p.about for p in alerts.problems()] == ["mofcom"]
    assert receipts.shown("mofcom")["open"] is False


def test_where_its_lane_tells_of_a_route_receipts_do_not_and_the_next_poll_is_waited_for(watched: Any) -> None:
    receipts, alerts, lanes, later = watched
    later(10)
    receipts.trouble("mofcom", in_both("连接不上", "cannot connect"))
    receipts.look()
    lanes[Lane("route", "mofcom")] = SimpleNamespace(reason="route")
    receipts.look()
    assert alerts.problems() == []

    lanes.clear()
    later(5)
    receipts.look()
    assert alerts.problems() == []
    later(60)
    receipts.look()
    assert [p.about for p in alerts.problems()] == ["mofcom"]
