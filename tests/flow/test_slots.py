"""What days begin by themselves: once a slot, whatever stops, comes late, or runs beside."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from daily_slots import PROFILE, TYPE, days, it_is, slots_of, write_daily
from rounds import turn
from workshop import Workshop, open_workshop

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.slots import Slots
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles

pytestmark = pytest.mark.requirement("GW-09")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    shop = open_workshop(tmp_path, monkeypatch, types=write_daily(tmp_path / "types"))
    yield shop
    shop.end()


def test_a_day_begins_each_combination_once_and_its_messages_go_the_usual_way(shop: Workshop) -> None:
    it_is(shop.daemon, "2030-03-02T02:59:00")
    turn(shop.daemon)
    assert days(shop.daemon.journal) == [("1", "2030-03-01"), ("2", "2030-03-01")]

    it_is(shop.daemon, "2030-03-02T03:00:00")
    shop.turns(lambda: all(m.state == "accepted" for m in slots_of(shop.daemon.journal)))
    assert days(shop.daemon.journal) == [(kind, f"2030-03-0{day}") for kind in "12" for day in (1, 2)]
    name = f"{TYPE}-daily-1-2030-03-02"
    found = shop.site.document(TYPE, name)
    assert found is not None and found["body"] == {"Title": "日报", "Kind": "1"} and found["numbers"]["own"].startswith("XD30")
    status = shop.site.status(f"{name}.json")
    assert status is not None and (status["state"], status["reference"]) == ("accepted", name)


def test_days_that_were_missed_are_caught_up_once(shop: Workshop) -> None:
    it_is(shop.daemon, "2030-03-02T04:00:00")
    turn(shop.daemon)
    shop.stop()
    it_is(shop.daemon, "2030-03-09T02:00:00")
    turn(shop.daemon)
    turn(shop.daemon)

    assert days(shop.daemon.journal) == [(kind, f"2030-03-0{day}") for kind in "12" for day in (2, 8)]


def test_a_fast_clock_begins_its_days_by_itself(shop: Workshop) -> None:
    with (shop.home / "tongguan.toml").open("a") as settings:
        settings.write("\n[clock]\nspeed = 100000\n")
    shop.daemon.start()

    shop.turns(lambda: len({day for _, day in days(shop.daemon.journal)}) >= 3)
    found = days(shop.daemon.journal)
    assert len(set(found)) == len(found)


def test_two_that_make_the_same_slots_at_once_make_them_once(shop: Workshop) -> None:
    it_is(shop.daemon, "2030-03-02T04:00:00")
    site, meet = shop.daemon.site, threading.Barrier(8)
    made: list[bool] = []

    def one() -> None:
        slots = Slots(site)
        meet.wait()
        made.append(slots.turn())

    site.journal.start(shop.daemon._thread)  # type: ignore[attr-defined]
    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made.count(True) == 1 and len(slots_of(shop.daemon.journal)) == 2


def test_two_gateways_on_one_journal_begin_each_slot_once(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their anchors know nothing of each other, so nobody asks them here (`test_several`)."""
    monkeypatch.setattr("tongguan.gateway.journal.journal.disagreement", lambda *_: None)
    first = shop.daemon
    home = Path(
        shutil.copytree(
            shop.home, shop.home.parent / "second", ignore=shutil.ignore_patterns("tongguan.db*", "anchor*", "*.log", "*.sock")
        )
    )
    with (home / "tongguan.toml").open("a") as settings:
        settings.write(f'\n[database]\nurl = "sqlite:///{shop.home}/tongguan.db"\n')
    second = Daemon(home)
    meet = threading.Barrier(2)

    def begins(daemon: Daemon) -> bool:
        meet.wait()
        return daemon.slots.turn()

    try:
        for day in range(2, 8):
            for daemon in (first, second):
                it_is(daemon, f"2030-03-0{day}T04:00:00")
            with ThreadPoolExecutor(2) as both:
                made = list(both.map(begins, (first, second)))
            assert any(made)
            for daemon in (first, second):  # whoever was overtaken finds them there at its next look
                daemon.slots.turn()
    finally:
        second.stop()
    assert days(first.journal) == [(kind, f"2030-03-0{day}") for kind in "12" for day in range(2, 8)]
    shop.turns(lambda: all(m.state == "accepted" for m in slots_of(first.journal)))


def test_one_that_decided_before_another_wrote_writes_nothing(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    it_is(shop.daemon, "2030-03-02T04:00:00")
    late, finish = Slots(shop.daemon.site), shop.daemon.journal.finish

    def overtaken(chains: object, **more: object) -> object:
        monkeypatch.setattr(shop.daemon.journal, "finish", finish)
        assert Slots(shop.daemon.site).turn()
        return finish(chains, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(shop.daemon.journal, "finish", overtaken)

    assert not late.turn() and not late.turn()
    assert len(slots_of(shop.daemon.journal)) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('at = "3 o\'clock"', "is no time of day"),
        ("", "a time of day (at)"),
        ('at = "03:00"\nsetting = "merge"', "a time of day (at)"),
        ('setting = "lunch"', "setting"),
    ],
)
def test_a_calendar_that_says_no_time_stops_the_start(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(SettingsWrong) as told:
        load_profiles(write_daily(tmp_path / "types", PROFILE.replace('at = "03:00"', wrong)))

    assert said in told.value.en and f"{TYPE}/profile.toml:" in told.value.en


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('operation = "save"', 'operation = "declare"', "unknown operation 'declare'"),
        ('allowed = ["", "draft"]', 'allowed = ["draft"]', 'allowed has ""'),
        ('Title = "日报"', 'Titel = "日报"', "unknown field 'Titel'; did you mean 'Title'?"),
    ],
)
def test_what_a_calendar_begins_must_be_there(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SettingsWrong) as told:
        load_profiles(write_daily(tmp_path / "types", PROFILE.replace(old, new)))

    assert said in told.value.en


def test_a_site_whose_setting_leaves_it_to_a_person_has_no_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = write_daily(tmp_path / "types", PROFILE.replace('at = "03:00"', 'setting = "merge"'))
    shop = open_workshop(tmp_path, monkeypatch, types=types)
    settings = shop.home / "tongguan.toml"
    text = settings.read_text()
    try:
        settings.write_text(text.replace("[schedule]", '[schedule]\nmerge = "ask"'))
        turn(shop.daemon)
        assert slots_of(shop.daemon.journal) == []
        shop.stop()
        settings.write_text(text.replace("[schedule]", '[schedule]\nmerge_at = "04:30"'))
        it_is(shop.daemon, "2030-03-02T04:29:59")
        turn(shop.daemon)
        assert [day for _, day in days(shop.daemon.journal)] == ["2030-03-01"] * 2
    finally:
        shop.end()
