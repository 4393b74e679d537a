"""Results that are kept up to a day: gone from InBox and journal after it, whatever happens meanwhile, and nothing else goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from journals import answer, body, comes, submission, written
from sqlalchemy import create_engine, text
from workshop import Workshop, open_workshop

from tongguan.gateway.model.message import State
from tongguan.gateway.system.storage import files

pytestmark = pytest.mark.requirement("DP-07")
LAST, OVER = "2026-02-28", "2026-03-01"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A gateway with the installed types."""
    shop = open_workshop(tmp_path, monkeypatch)
    yield shop
    shop.end()


def result(shop: Workshop, name: str, until: str | None) -> Path:
    """A result of this name, once it lies in InBox."""
    message = submission(name, state=State.ACCEPTED, operation="print", type="DP.print", lane=None, due_at=None, waits=False)
    kept = answer(name, kind="result", name=f"Result_{name}", suffix=".pdf", content=b"%PDF", kept_until=until)
    written(shop.daemon.journal, comes(message, answers=(kept,), bodies=(body(name, b"%PDF", "result"),)))
    found: list[Path] = shop.turns(lambda: list((shop.site.mailbox / "InBox").glob(f"Result_{name}_*")))
    shop.turns(lambda: not counted(shop, "answer WHERE written = 0"))
    return found[0]


def counted(shop: Workshop, what: str) -> int:
    engine = create_engine(f"sqlite:///{shop.home}/tongguan.db")
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM {what}")).scalar_one()
    engine.dispose()
    return int(found)


def gone(shop: Workshop, name: str) -> bool:
    return not counted(shop, f"answer WHERE message_id = '{name}'") and not counted(shop, f"body WHERE message_id = '{name}'")


def test_it_is_there_to_the_end_of_its_day_and_then_gone(shop: Workshop) -> None:
    paper, other, always = result(shop, "m1", LAST), result(shop, "m2", OVER), result(shop, "m3", None)

    shop.daemon.retention.expire(LAST)
    assert paper.exists() and not gone(shop, "m1")
    shop.daemon.retention.expire(OVER)

    assert (paper.exists(), other.exists(), always.exists()) == (False, True, True)
    assert (gone(shop, "m1"), gone(shop, "m2"), gone(shop, "m3")) == (True, False, False)
    shop.daemon.retention.expire("2026-02-01")  # the clock has gone back
    assert (paper.exists(), other.exists()) == (False, True)
    shop.stop()
    assert shop.site.command("audit", "verify").returncode == 0


@pytest.mark.parametrize("step", ["unlink", "sync", "forget"])
def test_what_a_crash_has_left_of_it_goes_at_the_next_look(shop: Workshop, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    papers = [result(shop, name, LAST) for name in ("m1", "m2")]

    place, name = {"unlink": (os, "unlink"), "sync": (files, "sync_folder"), "forget": (shop.daemon.journal, "forget_results")}[
        step
    ]
    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(place, name, fails)
        shop.daemon.retention.expire(OVER)
    assert not gone(shop, "m1")

    shop.stop()
    shop.daemon.retention.expire(OVER)
    assert [paper.exists() for paper in papers] == [False, False]
    assert gone(shop, "m1") and gone(shop, "m2")
    shop.stop()
    assert shop.site.command("audit", "verify").returncode == 0


def fails(*_: object, **__: object) -> None:
    raise OSError(5, "a disk fails")


def test_a_file_that_the_enterprise_has_taken_or_made_a_folder_of_keeps_nothing_else(shop: Workshop) -> None:
    taken, folder, paper = (result(shop, name, LAST) for name in ("m1", "m2", "m3"))
    taken.unlink()
    folder.unlink()
    folder.mkdir()

    shop.daemon.retention.expire(OVER)

    assert folder.is_dir() and not paper.exists()
    assert all(gone(shop, name) for name in ("m1", "m2", "m3"))


def test_one_that_is_still_to_be_written_goes_once_it_is(shop: Workshop) -> None:
    paper = result(shop, "m1", LAST)
    shop.daemon.journal.write_again("m1")

    shop.daemon.retention.expire(OVER)
    assert not gone(shop, "m1")
    shop.turns(lambda: not counted(shop, "answer WHERE written = 0"))
    shop.daemon.retention.expire(OVER)

    assert not paper.exists() and gone(shop, "m1")


def test_a_shorter_retention_of_prints_and_bodies_leaves_no_file_behind(shop: Workshop) -> None:
    paper = result(shop, "m1", LAST)
    shop.stop()
    with (shop.home / "tongguan.toml").open("a") as settings:
        settings.write('\n[retention]\nbodies = "1ms"\nprints = "1ms"\n')
    shop.daemon.retention.turn()
    assert paper.exists()

    shop.daemon.retention.expire(OVER)

    assert not paper.exists() and gone(shop, "m1")


def test_many_are_removed_in_portions(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tongguan.gateway.journal.writing.retention.PORTION", 2)
    papers = [result(shop, f"m{n}", LAST) for n in range(5)]

    shop.daemon.retention.expire(OVER)

    assert not any(paper.exists() for paper in papers)
    assert not counted(shop, "answer") and not counted(shop, "body")
