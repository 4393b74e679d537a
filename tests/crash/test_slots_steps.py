"""The process stops at every commit of a day's slots: each of them is there once, and its message comes to its end."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from daily_slots import days, it_is, slots_of, write_daily
from rounds import turn
from test_agreement_steps import crash_at_commit
from test_every_step import Crash, abandon
from workshop import Workshop, open_workshop

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.system.storage import files

NOW = "2030-03-02T04:00:00"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A home that was started once."""
    shop = open_workshop(tmp_path, monkeypatch, types=write_daily(tmp_path / "types"))
    assert shop.daemon
    shop.stop()
    yield shop
    files.crash_point = lambda place: None
    shop.mofcom.down()
    shop.customs.down()


@pytest.mark.requirement("GW-09")
def test_a_crash_at_any_commit_leaves_each_slot_once(shop: Workshop, tmp_path: Path) -> None:
    for n in itertools.count(1):
        home = Path(shutil.copytree(shop.home, tmp_path / f"home-{n}"))
        crashed = crashes(Daemon(home), n)
        again = Daemon(home)
        it_is(again, NOW)
        for _ in range(6):
            turn(again)
        assert days(again.journal) == [("1", "2030-03-02"), ("2", "2030-03-02")]
        assert {m.state for m in slots_of(again.journal)} == {"accepted"}
        assert again.journal.verify().broken is None
        again.stop()
        shutil.rmtree(home)
        if not crashed:
            break
    assert n > 3


def crashes(daemon: Daemon, n: int) -> bool:
    """Work up to the nth commit; False when the work came to its end before."""
    it_is(daemon, NOW)
    crash_at_commit(n)
    try:
        for _ in range(6):
            turn(daemon)
    except Crash:
        abandon(daemon)
        return True
    files.crash_point = lambda place: None
    daemon.stop()
    return False
