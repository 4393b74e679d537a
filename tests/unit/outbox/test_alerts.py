"""Alerts: every trouble is told, and so is its end, whatever the disk, the clock or a restart do meanwhile."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tongguan.gateway.system import clock, times
from tongguan.outbox import alerts as module
from tongguan.outbox.alerts import MOST_LINES, MOST_LISTED, SPELL, UNSEEN, Alerts


class Time:
    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def ms(self) -> int:
        return round(self.seconds * 1000)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(clock, "monotonic", lambda: made.seconds)
    return made


def begin(home: Path, time: Time | None = None) -> Alerts:
    more = {"now_ms": time.ms} if time else {}
    return Alerts(home / "alerts.jsonl", repeat=timedelta(hours=4), **more)


def lines(home: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (home / "alerts.jsonl").read_bytes().splitlines()]


def story(home: Path) -> list[tuple[str, str, bool]]:
    return [(line["code"], line["about"], bool(line.get("over"))) for line in lines(home)]


def test_what_an_earlier_run_told_and_is_not_true_any_more_ends_and_the_file_shows_both(tmp_path: Path) -> None:
    begin(tmp_path).tell("lane", "shut", do="look", about="card:a")
    later = begin(tmp_path)
    assert later.problems() == []
    later.over("lane", "card:a")
    later.over("lane", "card:a")

    assert story(tmp_path) == [("lane", "card:a", False), ("lane", "card:a", True)]


def test_what_those_of_other_settings_told_and_ended_until_they_ended_is_known_to_those_that_follow(tmp_path: Path) -> None:
    former = begin(tmp_path)
    former.tell("lane", "shut", do="look", about="card:a")
    later = begin(tmp_path)
    former.over("lane", "card:a")
    former.tell("GW-A01", "hangs", do="look", about="second: stop")
    later.follow(former)

    assert (later.about("lane"), later.about("GW-A01")) == ([], ["second: stop"])
    later.over("lane", "card:a")
    later.over("GW-A01", "second: stop")
    assert story(tmp_path) == [
        ("lane", "card:a", False),
        ("lane", "card:a", True),
        ("GW-A01", "second: stop", False),
        ("GW-A01", "second: stop", True),
    ]


def test_what_an_earlier_run_told_and_is_still_true_is_not_told_again_before_its_time(tmp_path: Path, time: Time) -> None:
    begin(tmp_path, time).tell("lane", "shut", do="look", about="card:a")
    began = lines(tmp_path)[0]["since"]
    time.seconds += 60
    later = begin(tmp_path, time)
    assert not later.tell("lane", "shut", do="look", about="card:a")
    [problem] = later.problems()
    assert times.show(problem.since) == began
    time.seconds += 4 * 3600
    assert later.tell("lane", "shut", do="look", about="card:a")

    assert [line["since"] for line in lines(tmp_path)] == [began, began]
    assert lines(tmp_path)[-1]["held_back"] == 1


def test_a_trouble_for_which_something_else_must_be_done_is_told_at_once(tmp_path: Path, time: Time) -> None:
    alerts = begin(tmp_path, time)
    assert alerts.tell("card", "waits for its PIN", do="card pin", about="a")
    assert not alerts.tell("card", "still waits for its PIN", do="card pin", about="a")
    assert alerts.tell("card", "is another one", do="card bind", about="a")
    later = begin(tmp_path, time)
    assert not later.tell("card", "is another one", do="card bind", about="a")
    assert later.tell("card", "waits for its PIN", do="card pin", about="a")

    assert [line["do"] for line in lines(tmp_path)] == ["card pin", "card bind", "card pin"]
    assert len({line["since"] for line in lines(tmp_path)}) == 1


def test_of_one_that_changes_all_the_time_the_file_ends_with_what_must_be_done(tmp_path: Path, time: Time) -> None:
    alerts = begin(tmp_path, time)
    for n in range(100):
        alerts.tell("card", "x", do=f"card {n}", about="a")
    assert len(lines(tmp_path)) == MOST_LINES
    time.seconds += SPELL
    alerts.tick()

    assert lines(tmp_path)[-1]["do"] == "card 99"


def test_what_an_earlier_run_told_and_nobody_sees_any_more_ends_after_a_while(tmp_path: Path, time: Time) -> None:
    begin(tmp_path, time).tell("gone", "a trouble that this release does not know", do="look")
    later = begin(tmp_path, time)
    time.seconds += UNSEEN - 1
    later.tick()
    assert story(tmp_path) == [("gone", "", False)]
    time.seconds += 2
    later.tick()

    assert story(tmp_path) == [("gone", "", False), ("gone", "", True)]
    assert begin(tmp_path, time).about("gone") == []


def test_troubles_of_a_code_that_are_not_named_any_more_are_over(tmp_path: Path) -> None:
    for about in ("a", "b"):
        begin(tmp_path).tell("deadline", "late", do="look", about=about)
    alerts = begin(tmp_path)
    alerts.tell("other", "stays", do="look")
    alerts.tell("deadline", "late", do="look", about="c")
    alerts.only("deadline", {"b", "c"})

    assert sorted(alerts.about("deadline")) == ["b", "c"]
    assert story(tmp_path)[2:] == [("other", "", False), ("deadline", "c", False), ("deadline", "a", True)]


def test_a_trouble_that_comes_and_goes_fills_no_disk_and_the_file_ends_with_the_truth(tmp_path: Path, time: Time) -> None:
    alerts = begin(tmp_path, time)
    for _ in range(500):
        time.seconds += 0.1
        alerts.tell("station", "broken", do="look")
        alerts.over("station")
    alerts.tell("station", "broken", do="look")
    assert len(lines(tmp_path)) <= MOST_LINES * 2
    time.seconds += SPELL
    alerts.tick()
    assert not lines(tmp_path)[-1].get("over")
    alerts.over("station")
    time.seconds += SPELL
    alerts.tick()

    assert lines(tmp_path)[-1]["over"]
    before = len(lines(tmp_path))
    for _ in range(100):
        time.seconds += 1
        alerts.tick()
    assert len(lines(tmp_path)) == before


def test_a_clock_that_was_set_back_holds_no_alert_back(tmp_path: Path, time: Time) -> None:
    alerts = begin(tmp_path, time)
    alerts.tell("X", "one", do="look")
    time.seconds -= 86_400
    assert alerts.tell("X", "two", do="look")
    assert not alerts.tell("X", "three", do="look")


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """No file of this process may grow beyond some bytes more than this one has: a write ends in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_no_half_line_and_all_is_written_once_there_is_room(tmp_path: Path) -> None:
    alerts = begin(tmp_path)
    alerts.tell("X", "one", do="look")
    with full_disk(tmp_path / "alerts.jsonl"):
        alerts.tell("Y", "two", do="look")
        alerts.over("X")
        assert len(lines(tmp_path)) == 1
    alerts.tick()

    assert story(tmp_path) == [("X", "", False), ("Y", "", False), ("X", "", True)]


def test_of_very_many_troubles_of_a_code_some_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    alerts = begin(tmp_path)
    for n in range(1000):
        alerts.tell("deadline", f"message {n}", do="look", about=str(n))
    alerts.tell("lane", "shut", do="look")
    problems = alerts.problems()

    assert [p.code for p in problems].count("deadline") == MOST_LISTED + 1
    assert [p.code for p in problems].count("lane") == 1
    assert any(f"+{1000 - MOST_LISTED}" in p.text for p in problems)


def test_the_file_is_moved_aside_when_it_is_large_and_what_stands_begins_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2000)
    alerts = begin(tmp_path)
    alerts.tell("lane", "shut", do="look", about="card:a")
    for n in range(100):
        alerts.tell("X", "come", do="look", about=str(n))
        alerts.over("X", str(n))
    alerts.tick()

    assert (tmp_path / "alerts.jsonl").stat().st_size < 4000
    assert (tmp_path / "alerts.jsonl.1").exists()
    assert "card:a" in begin(tmp_path).about("lane")


def test_a_file_that_hangs_holds_up_nobody_who_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts, hangs, going = begin(tmp_path), threading.Event(), threading.Event()
    entered = threading.Event()
    append = alerts._append

    def slow(data: bytes) -> None:
        entered.set()
        hangs.wait(30)
        append(data)

    monkeypatch.setattr(alerts, "_append", slow)
    thread = threading.Thread(target=alerts.serve, args=(lambda: not going.is_set(),), daemon=True)
    thread.start()
    while not alerts._aside:
        threading.Event().wait(0.01)
    alerts.tell("X", "one", do="look")
    assert entered.wait(30)
    alerts.tell("Y", "two", do="look")
    alerts.over("X")
    assert [p.code for p in alerts.problems()] == ["Y"]
    hangs.set()
    going.set()
    thread.join()
    alerts.tick()

    assert story(tmp_path) == [("X", "", False), ("Y", "", False), ("X", "", True)]


def test_a_pipe_that_nobody_reads_fails_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alerts.jsonl")
    alerts = begin(tmp_path)

    assert alerts.tell("X", "one", do="look")
    assert [p.code for p in alerts.problems()] == ["X"]


@pytest.mark.parametrize(
    "rest", [b'{"at": "2026', b"\xff\xfe\n", b"null\n", b'{"code": "X"}\n', b'{"code":"X","about":"","at":"?"}\n']
)
def test_whatever_stands_in_the_file_the_next_run_begins(tmp_path: Path, rest: bytes) -> None:
    begin(tmp_path).tell("lane", "shut", do="look", about="card:a")
    with (tmp_path / "alerts.jsonl").open("ab") as file:
        file.write(rest)
    alerts = begin(tmp_path)

    assert alerts.about("lane") == ["card:a"]
    alerts.over("lane", "card:a")
    assert orjson.loads((tmp_path / "alerts.jsonl").read_bytes().splitlines()[-1])["over"]


def test_old_lines_go_and_those_of_what_stands_stay_in_both_files(tmp_path: Path, time: Time) -> None:
    began = begin(tmp_path, time)
    began.tell("held", "one message waits", do="look")
    began.tell("receipts", "gone", do="look", about="customs")
    began.over("receipts", "customs")
    (tmp_path / "alerts.jsonl").rename(tmp_path / "alerts.jsonl.1")
    time.seconds += 3600
    began.tell("lane", "shut", do="look", about="card:a")
    began.over("lane", "card:a")
    (tmp_path / "alerts.jsonl").write_bytes(b"half a li\n" + (tmp_path / "alerts.jsonl").read_bytes())
    hour_ago = time.ms() - 1800_000

    assert began.forget(hour_ago) == 2
    assert [orjson.loads(line)["code"] for line in (tmp_path / "alerts.jsonl.1").read_bytes().splitlines()] == ["held"]
    assert began.forget(hour_ago) == 0
    assert (tmp_path / "alerts.jsonl").read_bytes().count(b"\n") == 3
    assert began.forget(time.ms() + 1) == 2
    assert (tmp_path / "alerts.jsonl").read_bytes() == b"half a li\n"
    assert (tmp_path / "alerts.jsonl").stat().st_mode & 0o777 == 0o600
    began.over("held")
    assert began.forget(time.ms() + 1) == 2


def test_a_restart_finds_what_stood_before_its_old_lines_went(tmp_path: Path, time: Time) -> None:
    first = begin(tmp_path, time)
    first.tell("held", "one message waits", do="look")
    first.forget(time.ms() + 1)
    time.seconds += 60
    later = begin(tmp_path, time)

    assert not later.tell("held", "one message waits", do="look")
    assert len(lines(tmp_path)) == 1
