"""A test home whose business days are short: what is dated goes by them, for gateway, command line and simulators; what works does not."""

from __future__ import annotations

import json
import shutil
import signal
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from homes import begins
from sites import Site, wait_until
from test_every_step import abandon
from workshop import Workshop, open_workshop

from tongguan.gateway.daemon.fast_clock import HELD_FOR
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.business_clock import FILE, BusinessClock, kept_line
from tongguan.gateway.system.storage import files

pytestmark = pytest.mark.requirement("GW-09")
DAY, NEW_YEAR = 86_400_000, "2031-01-01"
BOUNDS = {"from": -5, "to": 5}
STATEMENT = ({"声明.pdf": b.pdf()}, ("声明.pdf", "00000002"))


def business(home: Path) -> int:
    """What time it is in the business, by the file that everybody reads."""
    return BusinessClock(kept_line(home)).now_ms()


def told(site: Site) -> dict[str, Any]:
    """What the command line says of the clock."""
    clock: dict[str, Any] = json.loads(site.command("status", "--json").stdout)["clock"]
    return clock


def heartbeat(site: Site) -> dict[str, Any]:
    page: dict[str, Any] = json.loads((site.mailbox / "Status" / "heartbeat.json").read_bytes())
    return page


def declared(site: Site) -> dict[str, Any]:
    files_, attached = STATEMENT
    status = b.done(site, b.with_files(b.inspection("declare"), attached), "sent", "accepted", files=files_)
    return site.wait_business(b.INSPECTION, status["document"], "同意")


def test_what_is_dated_goes_by_business_days_and_what_works_by_the_machines(fast_site: Site) -> None:
    site = fast_site
    begins(site.home, NEW_YEAR)
    site.simulate()
    site.run()
    before = business(site.home)
    document = declared(site)
    after = business(site.home)

    issued = [times.read(r["issued_at"]) for r in document["receipts"]]
    moments = [before, times.read(document["created_at"]), *issued, times.read(document["updated_at"]), after]
    assert moments == sorted(moments), "created, answered, told of: in order by one clock"
    assert len(issued) >= 3
    assert NEW_YEAR <= document["body"]["ApplyDate"] <= document["created_at"][:10], "filled before customs was asked of it"
    assert document["numbers"]["unified"].startswith("EW2031")
    [message] = document["messages"]
    assert abs(times.read(message["received_at"]) - time.time() * 1000) < DAY
    moved, today = times.read(document["updated_at"]), round(time.time() * 1000)
    near = [{f"operated_{end}": times.china_date(at + days * DAY) for end, days in BOUNDS.items()} for at in (moved, today)]
    found = [site.result(site.drop(b.xml(b.query(b.INSPECTION, "list", filters=days)))).read_text() for days in near]
    assert [document["numbers"]["unified"] in text for text in found] == [True, False]


@pytest.mark.long
def test_a_restart_goes_on_where_it_was_and_simulators_and_command_line_agree(fast_site: Site) -> None:
    site = fast_site
    begins(site.home, NEW_YEAR)
    site.simulate()
    site.run()
    first = declared(site)
    site.stop()
    stopped, at = business(site.home), time.time()
    assert told(site)["speed"] == 1, "while no gateway runs its days are no shorter than others"
    site.run()
    again, since = business(site.home), time.time() - at

    assert times.read(first["updated_at"]) <= stopped <= again <= stopped + (since + 1) * DAY
    assert told(site)["speed"] == heartbeat(site)["clock"]["speed"] == 86_400
    second = declared(site)
    assert times.read(second["created_at"]) > again
    assert times.read(second["receipts"][0]["issued_at"]) >= times.read(second["created_at"])
    site.stop(kill=True)
    killed = business(site.home)
    (site.home / FILE).unlink()
    site.run()
    assert business(site.home) >= killed, "the journal knows it too"


def test_command_line_and_gateway_agree_to_the_second(own_site: Site) -> None:
    site = own_site
    with open(site.home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write("\n[clock]\nspeed = 2\n")
    begins(site.home, NEW_YEAR)
    site.run()
    page = wait_until(lambda: (p := heartbeat(site)) and "clock" in p and p, "the heartbeat to tell of the clock")
    line = kept_line(site.home)
    assert line is not None

    by_the_file = line.business + (times.read(page["at"]) - line.machine) * 2
    assert abs(times.read(page["clock"]["business_time"]) - by_the_file) < 1000
    shown = site.command("status", "--lang", "en").stdout
    assert f"business clock {NEW_YEAR}" in shown and "2 times as fast" in shown
    checked = site.command("config", "check", "--lang", "en", check=True).stdout
    assert "✓ clock: business clock" in checked


def test_another_speed_at_sighup_goes_on_from_where_it_is(fast_site: Site) -> None:
    site = fast_site
    begins(site.home, NEW_YEAR)
    site.run()
    before = business(site.home)
    change_settings(site.home, "clock", "speed", "1")
    site.processes["run"].send_signal(signal.SIGHUP)
    wait_until(lambda: told(site)["speed"] == 1, "the new speed")
    slow = business(site.home)

    assert slow >= before
    assert business(site.home) < slow + DAY
    change_settings(site.home, "clock", "speed", "0")
    site.processes["run"].send_signal(signal.SIGHUP)
    wait_until(lambda: any(p["code"] == "settings" for p in heartbeat(site)["problems"]), "the wrong speed to be told")
    assert told(site)["speed"] == 1


def test_without_a_speed_nothing_is_kept_or_shown(own_site: Site) -> None:
    own_site.run()
    own_site.wait(own_site.drop(b.xml(b.application("save"))))

    assert not (own_site.home / FILE).exists()
    assert "clock" not in json.loads(own_site.command("status", "--json").stdout)
    wait_until(lambda: "clock" not in heartbeat(own_site), "a heartbeat without it")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = open_workshop(tmp_path, monkeypatch)
    with open(made.home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write("\n[clock]\nspeed = 86400\n")
    yield made
    monkeypatch.undo()
    made.stop()
    made.mofcom.down()
    made.customs.down()


def alerts(shop: Workshop) -> list[dict[str, Any]]:
    path = shop.home / "alerts.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [a for a in map(json.loads, lines) if a["code"] == "business-clock"]


@pytest.mark.parametrize("harm", ["lost", "damaged", "another's"])
def test_a_file_that_is_lost_or_damaged_is_mended_while_the_gateway_runs(shop: Workshop, harm: str) -> None:
    file = shop.home / FILE
    shop.turns(file.exists)
    right, now = file.read_bytes(), shop.daemon.site.business.now_ms()
    match harm:
        case "lost":
            file.unlink()
        case "damaged":
            file.write_bytes(right[:-9])
        case _:
            begins(shop.home, "2001-01-01", speed=7)
    shop.turns(lambda: file.exists() and file.read_bytes() == shop.daemon.site.business.line.text().encode())

    assert len(right) - 9 < len(file.read_bytes())
    assert business(shop.home) >= now
    assert not alerts(shop)


def test_a_file_that_cannot_be_written_is_told_of_and_tried_again(shop: Workshop) -> None:
    file = shop.home / FILE
    shop.turns(file.exists)
    file.unlink()
    file.mkdir()
    shop.turns(lambda: alerts(shop))
    file.rmdir()
    shop.turns(lambda: alerts(shop)[-1].get("over"))

    assert kept_line(shop.home) == shop.daemon.site.business.line


def test_a_gateway_killed_while_it_writes_the_file_leaves_the_one_before(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.turns((shop.home / FILE).exists)
    before, now = (shop.home / FILE).read_bytes(), shop.daemon.site.business.now_ms()

    class Killed(BaseException):
        pass

    def die(place: str) -> None:
        if place == "rename":
            raise Killed

    monkeypatch.setattr(files, "crash_point", die)
    with pytest.raises(Killed):
        shop.daemon.fast_clock.end()
    monkeypatch.undo()

    assert (shop.home / FILE).read_bytes() == before
    assert business(shop.home) >= now


def test_the_machines_clock_may_be_set_a_message_is_sent_and_answered_by_business_time(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.turns((shop.home / FILE).exists)
    real, before = clock.now_ms, shop.daemon.site.business.now_ms()
    monkeypatch.setattr(clock, "now_ms", lambda: real() - 3 * 3_600_000)
    reference = b.fresh("clock")
    name = shop.site.drop(b.xml(b.application("declare", reference=reference)))
    shop.play(name, "sent")
    shop.decide(reference, "10", b.APPLICATION)
    document = shop.turns(lambda: (d := shop.site.document(b.APPLICATION, reference)) and len(d["receipts"]) == 2 and d)

    assert times.read(document["created_at"]) >= before
    assert kept_line(shop.home) == shop.daemon.site.business.line, "kept anew, with the machine's clock as it is now"


@pytest.mark.parametrize("copied", [True, False], ids=["put back", "killed"])
def test_days_in_which_nothing_ran_are_days(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, copied: bool
) -> None:
    """A home that was copied as it ran, and put back a month later; or left alone after its gateway was killed."""
    shop.turns((shop.home / FILE).exists)
    shutil.copytree(shop.home, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
    before = shop.daemon.site.business.now_ms()
    if copied:
        shop.turns(lambda: shop.daemon.site.business.now_ms() > before + 3 * DAY)
    abandon(shop.daemon)
    shop.daemons.clear()
    last = business(shop.home)
    if copied:
        for name in ("tongguan.db", "tongguan.db-wal", "anchor.jsonl", FILE):
            (shop.home / name).unlink(missing_ok=True)
            if (tmp_path / "copy" / name).exists():
                shutil.copy(tmp_path / "copy" / name, shop.home / name)
    wall, steady = clock.now_ms, clock.steady_ms
    monkeypatch.setattr(clock, "now_ms", lambda: wall() + 30 * DAY)
    monkeypatch.setattr(clock, "steady_ms", lambda: steady() + 30 * DAY)
    patience = (10 + 5) * DAY  #: what the line holds, and what passes meanwhile

    again = shop.daemon.site.business.now_ms()

    assert before <= again if copied else last <= again
    assert again <= (before if copied else last) + 30 * DAY + patience + HELD_FOR * 86_400


def test_a_document_may_be_older_than_its_century(shop: Workshop) -> None:
    """Certificates and signatures are of the machine's time: none is out of its own in a far year."""
    begins(shop.home, "2190-01-01")
    reference = b.fresh("far")
    status = shop.play(shop.site.drop(b.xml(b.application("declare", reference=reference))), "sent")

    assert status["received_at"] < "2100"
    document = shop.site.document(b.APPLICATION, reference)
    assert document is not None
    assert document["created_at"] > "2190"
    assert date.fromisoformat(document["receipts"][0]["issued_at"][:10]) >= date(2190, 1, 1) - timedelta(days=1)
