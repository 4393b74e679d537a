"""What an authority has made is kept up to a day of China, and is gone when that is over: whether anything else happens or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from counter_desk import CounterDesk, write_types
from patience import Patience

from tongguan.simulators.books.store import MadeDocument
from tongguan.simulators.customs.made_documents import drop_expired
from tongguan.simulators.script.durations import end_of, months_later, stamp
from tongguan.simulators.server.scheduler import Clockwork, Feed

pytestmark = pytest.mark.requirement("DP-07")


def desk_with(folder: Path, *untils: str) -> CounterDesk:
    desk = CounterDesk(folder / "home", write_types(folder / "types", {"XX.list": {}}))
    for row, until in enumerate(untils, 1):
        name = "paper.pdf" if until else ""
        desk.office.store.keep_made(MadeDocument(1, row, str(row), "1", "2026-01-31", until, "", name, "", b"paper"))
    return desk


def kept(desk: CounterDesk) -> list[str]:
    return [one.until for one in desk.office.store.every_made(1)]


@pytest.mark.parametrize(
    ("made", "until"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-31", "2028-02-29"),
        ("2026-02-28", "2026-03-28"),
        ("2026-03-31", "2026-04-30"),
        ("2026-12-31", "2027-01-31"),
    ],
)
def test_the_same_day_of_the_next_month_or_its_last_one(made: str, until: str) -> None:
    assert months_later(made, 1) == until
    assert stamp(end_of(until) - 0.001)[:10] == until
    assert stamp(end_of(until))[11:] == "00:00:00.000+08:00"


def test_its_last_day_is_whole(tmp_path: Path) -> None:
    desk = desk_with(tmp_path, "2026-02-28", "", "2026-03-01")
    desk.at("2026-02-28")

    assert drop_expired(desk.office) == end_of("2026-02-28")
    assert kept(desk) == ["2026-02-28", "", "2026-03-01"]
    desk.at("2026-03-01")
    assert drop_expired(desk.office) == end_of("2026-03-01")
    assert kept(desk) == ["", "2026-03-01"]
    desk.office.store.close()


def test_it_goes_though_nothing_is_asked_or_made(tmp_path: Path) -> None:
    desk = desk_with(tmp_path, "2026-02-28", "2026-03-01", "2099-01-01")
    desk.at("2026-02-28", speed=86_400)

    async def until_gone() -> None:
        going, patience = asyncio.create_task(Clockwork(desk.office, Feed(desk.office)).run()), Patience()
        while len(kept(desk)) > 1 and not patience.over():
            await asyncio.sleep(patience.pause)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)

    asyncio.run(until_gone())
    assert kept(desk) == ["2099-01-01"]
    desk.office.store.close()
