"""Names of answers, alerts, and when to try again."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongguan.gateway.system.backoff import wait_before_next
from tongguan.gateway.system.storage import file_names
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.status.answers import receipt_name, result_name, technical_name


def test_answers_are_named_after_the_file_or_the_number() -> None:
    assert technical_name("a.XML", accepted=True) == "Successed_a"
    assert technical_name("a.zip", accepted=False) == "Failed_a"
    assert result_name("查询.json") == "Result_查询"
    assert receipt_name("26AA000001") == "Receipt_26AA000001"


@given(st.text(min_size=1, max_size=300))
def test_an_answer_s_name_has_room_for_its_time(text: str) -> None:
    for name in (technical_name(text, accepted=False), receipt_name(text), result_name(text)):
        whole = f"{name}_20261120180000123-99999.xml"

        assert len(os.fsencode(file_names.on_disk(whole))) <= 255
        assert file_names.on_disk(whole) == os.fsdecode(file_names.as_bytes(whole))


@pytest.mark.parametrize(("age", "wait"), [(0, 2), (30, 30), (100_000, 3600)])
def test_the_age_in_the_queue_is_the_next_wait(age: int, wait: int) -> None:
    bounds = {"least": timedelta(seconds=2), "most": timedelta(hours=1)}

    assert wait_before_next(timedelta(seconds=age), **bounds, part=0.0) == timedelta(seconds=wait)
    assert wait_before_next(timedelta(seconds=age), **bounds, part=1.0) == timedelta(seconds=wait * 1.2)


class Minutes:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now * 60_000


def lines(file: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def test_a_repeated_alert_is_held_back_and_counted(tmp_path: Path) -> None:
    minutes = Minutes()
    alerts = Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=1), now_ms=minutes)
    told = []
    for minutes.now in (0, 10, 20, 70):
        told.append(alerts.tell("X", f"{minutes.now}", do="look", about="card"))
    other = alerts.tell("X", "another", do="look", about="route")

    assert (told, other) == ([True, False, False, True], True)
    assert [(line["text"], line["held_back"]) for line in lines(tmp_path / "alerts.jsonl")] == [
        ("0", 0),
        ("70", 2),
        ("another", 0),
    ]


def test_a_trouble_stands_until_it_is_over(tmp_path: Path) -> None:
    minutes = Minutes()
    alerts = Alerts(tmp_path / "alerts.jsonl", repeat=timedelta(hours=1), now_ms=minutes)
    alerts.tell("X", "out", do="look")
    minutes.now = 5
    alerts.tell("X", "still out", do="look")

    [problem] = alerts.problems()
    assert (problem.text, problem.since) == ("still out", 0)
    alerts.over("X")
    alerts.over("X")
    assert alerts.problems() == []
    assert alerts.tell("X", "out again", do="look")
    assert [line.get("over", False) for line in lines(tmp_path / "alerts.jsonl")] == [False, True, False]


def test_an_alert_that_could_not_be_written_comes_with_the_next(tmp_path: Path) -> None:
    alerts = Alerts(tmp_path / "later" / "alerts.jsonl", repeat=timedelta(hours=1))
    alerts.tell("X", "one", do="look")
    (tmp_path / "later").mkdir()
    alerts.tell("Y", "two", do="look")

    assert [line["text"] for line in lines(tmp_path / "later" / "alerts.jsonl")] == ["one", "two"]
