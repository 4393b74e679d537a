"""Audit: whatever is altered in, or taken out of, the history is found and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bodies as b
import pytest
from sites import Site, make_site, wait_until

pytestmark = pytest.mark.requirement("GW-11")


@dataclass(frozen=True)
class Past:
    """A home that has lived: two runs, some messages with verdicts. Each test alters a copy."""

    site: Site
    message: str

    def copy(self, folder: Path) -> Site:
        shutil.copytree(self.site.home, folder, ignore=shutil.ignore_patterns("*.sock", "simulators"))
        return Site(folder)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    site = make_site(tmp_path_factory.mktemp("past"))
    site.simulate("--fast")
    site.run()
    b.done(site, b.application("declare"))
    site.stop("run")
    site.run()
    status = b.done(site, b.application("declare"))
    b.refused(site, b.application("save", Year="26"))
    site.stop("run")
    site.stop("simulate")
    yield Past(site, status["message_id"])


def verdict(site: Site) -> tuple[int, dict[str, Any]]:
    said = site.command("audit", "verify", "--json", "--lang", "en")
    found: dict[str, Any] = json.loads(said.stdout)
    return said.returncode, found


def test_an_untouched_history_is_whole(past: Past) -> None:
    code, said = verdict(past.site)

    assert code == 0
    assert said["ok"] is True
    assert said["runs"] >= 2 and said["moves"] > 10


Entry = tuple[str, int]


def entry(base: sqlite3.Connection, *, nth: int) -> Entry:
    """Run and number of the nth entry of the last but one run."""
    (run,) = base.execute("SELECT run FROM history GROUP BY run ORDER BY count(*) DESC LIMIT 1").fetchone()
    told = "SELECT DISTINCT entry FROM move WHERE run = ? AND line LIKE '%null%' ORDER BY entry LIMIT 1 OFFSET ?"
    (number,) = base.execute(told, (run, nth)).fetchone()
    return run, number


def change_time(base: sqlite3.Connection, at: Entry) -> None:
    base.execute("UPDATE history SET at = at + 1 WHERE run = ? AND entry = ?", at)


def change_hash(base: sqlite3.Connection, at: Entry) -> None:
    base.execute("UPDATE history SET hash = replace(hash, substr(hash, 1, 1), '!') WHERE run = ? AND entry = ?", at)


def change_move(base: sqlite3.Connection, at: Entry) -> None:
    (n,) = base.execute("SELECT min(n) FROM move WHERE run = ? AND entry = ?", at).fetchone()
    base.execute("UPDATE move SET line = replace(line, 'null', '\"me\"') WHERE n = ?", (n,))


def take_move(base: sqlite3.Connection, at: Entry) -> None:
    (n,) = base.execute("SELECT max(n) FROM move WHERE run = ? AND entry = ?", at).fetchone()
    base.execute("DELETE FROM move WHERE n = ?", (n,))


def take_entry(base: sqlite3.Connection, at: Entry) -> None:
    base.execute("DELETE FROM history WHERE run = ? AND entry = ?", at)


def take_entry_with_its_moves(base: sqlite3.Connection, at: Entry) -> None:
    take_entry(base, at)
    base.execute("DELETE FROM move WHERE run = ? AND entry = ?", at)


@pytest.mark.parametrize(
    "alter", [change_time, change_hash, change_move, take_move, take_entry, take_entry_with_its_moves], ids=lambda f: f.__name__
)
def test_the_first_altered_or_missing_entry_is_named(
    past: Past, tmp_path: Path, alter: Callable[[sqlite3.Connection, Entry], None]
) -> None:
    site = past.copy(tmp_path / "home")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        at, later = entry(base, nth=2), entry(base, nth=3)
        alter(base, at)
        change_time(base, later)
    code, said = verdict(site)

    assert code == 1
    assert f"run {at[0]} entry {at[1]}" in said["broken"], said
    assert "altered" in said["broken"] or "missing" in said["broken"]
    shown = site.command("audit", "verify")
    assert shown.returncode == 1 and at[0] in shown.stdout.replace("\n", "")


def test_rows_cut_off_at_the_end_are_noticed_by_the_anchor(past: Past, tmp_path: Path) -> None:
    site = past.copy(tmp_path / "home")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        run, last = base.execute("SELECT run, max(entry) FROM history GROUP BY run ORDER BY count(*) DESC LIMIT 1").fetchone()
        take_entry_with_its_moves(base, (run, last))
    code, said = verdict(site)

    assert code == 1
    assert str(last) in said["broken"] and "missing" in said["broken"]


def test_a_whole_run_taken_away_is_noticed(past: Past, tmp_path: Path) -> None:
    site = past.copy(tmp_path / "home")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        run, _ = entry(base, nth=0)
        for table, column in (("history", "run"), ("move", "run"), ("run", "id")):
            base.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))
    code, said = verdict(site)

    assert code == 1
    assert run in said["broken"]


def test_an_altered_body_is_named_with_its_message(past: Past, tmp_path: Path) -> None:
    site = past.copy(tmp_path / "home")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        (other,) = base.execute("SELECT content FROM body WHERE message_id <> ? AND role = 'source'", (past.message,)).fetchone()
        base.execute("UPDATE body SET content = ? WHERE message_id = ? AND role = 'source'", (other, past.message))
    code, said = verdict(site)

    assert code == 1
    assert past.message in said["broken"] and "source" in said["broken"]


def test_a_state_that_no_history_tells_of_is_found(past: Past, tmp_path: Path) -> None:
    site = past.copy(tmp_path / "home")
    with sqlite3.connect(site.home / "tongguan.db") as base:
        base.execute("UPDATE message SET state = 'rejected' WHERE id = ?", (past.message,))
    code, said = verdict(site)

    assert code == 1
    assert past.message in said["broken"]


def test_the_timeline_of_a_message_is_its_history(past: Past) -> None:
    said = json.loads(past.site.command("timeline", past.message, "--json", check=True).stdout)

    assert past.message in json.dumps(said)


@pytest.fixture(scope="module")
def ordered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A home in which everything was ordered that moves no message, once beside the daemon and once without."""
    site = make_site(tmp_path_factory.mktemp("ordered"))
    site.simulate("--fast")
    site.run()
    name = b.done(site, b.application("declare"))["message_id"]
    for running in (True, False):
        if not running:
            site.stop("run")
        why = "beside" if running else "alone"
        site.command("pause", "account", "demo", "--why", f"{why}: stocktaking", check=True)
        site.command("resume", "account", "demo", "--why", f"{why}: counted", check=True)
        site.command("pause", "route", "customs", "--why", f"{why}: maintenance", check=True)
        site.command("resume", "route", "customs", "--why", f"{why}: over", check=True)
        site.command("card", "bind", "demo-mofcom", check=True)
        pin = site.home / "secrets" / "mofcom.pin"
        site.command("card", "pin", "demo-mofcom", "--pin-file", str(pin), check=True)
        site.command("mailbox", "adopt", "demo", "--why", f"{why}: moved", check=True)
        site.command("answers", name, "--again", check=True)
    site.command("pause", "route", "customs", "--why", "a third time", check=True)
    yield site
    site.stop("simulate")


def listed(site: Site, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.command(*words, "--json", check=True).stdout)
    return found


@pytest.mark.long
def test_each_order_that_moves_no_message_is_history_with_who_and_why(ordered: Site) -> None:
    rows = listed(ordered, "audit", "list")
    told = {(row["about"], row["step"]) for row in rows}

    wanted = {
        ("gateway", "start"), ("gateway", "stop"), ("lane:account:demo", "close"), ("lane:account:demo", "open"),
        ("lane:route:customs", "close"), ("lane:route:customs", "open"), ("lane:card:demo-mofcom", "bind"),
        ("lane:card:demo-mofcom", "pin"), ("lane:account:demo", "adopt"),
    }  # fmt: skip
    assert wanted <= told
    assert "answers" in {row["step"].split()[0] for row in rows}
    for row in rows:
        assert row["at"] and row["who"]
        if row["step"] not in ("start", "stop"):
            assert "@" in row["who"] and row["why"], row
    for lane in ("account:demo", "route:customs"):
        whys = [row["why"] for row in rows if row["about"] == f"lane:{lane}" and row["step"] in ("close", "open")]
        assert [why.split(":")[0] for why in whys[:4]] == ["beside", "beside", "alone", "alone"]
    for language, head in (("zh", "经手"), ("en", "who")):
        said = ordered.command("audit", "list", "--lang", language, check=True).stdout
        assert head in said and "stocktaking" in said
    assert verdict(ordered)[0] == 0


@pytest.mark.parametrize(
    ("about", "steps"),
    [
        ("account:demo", ["close", "open", "adopt", "close", "open", "adopt"]),
        ("route:customs", ["close", "open", "close", "open", "close"]),
        ("card:demo-mofcom", ["bind", "pin", "bind", "pin"]),
        ("gateway", ["start", "stop"]),
    ],
)
def test_the_timeline_of_what_can_be_shut_is_told(ordered: Site, about: str, steps: list[str]) -> None:
    rows = listed(ordered, "timeline", about)

    assert [row["step"] for row in rows if row["step"] != "settings"][: len(steps)] == steps
    for language, head in (("zh", "经手"), ("en", "who")):
        assert head in ordered.command("timeline", about, "--lang", language, check=True).stdout


def test_who_paused_a_lane_is_seen_where_one_looks(ordered: Site) -> None:
    ordered.run()
    try:
        waits = ordered.drop(b.xml(b.application("declare")))
        ordered.wait(waits)
        lanes = {lane["name"]: lane for lane in json.loads(ordered.command("status", "--json").stdout)["lanes"]}
        assert "@" in lanes["route:customs"]["who"] and lanes["route:customs"]["text"] == "a third time"

        def told() -> bool:
            said = json.loads((ordered.mailbox / "Status" / "heartbeat.json").read_bytes())["routes"]["customs"]
            return said.get("text") == "a third time" and "@" in str(said.get("who"))

        wait_until(told, "the heartbeat to tell who paused it")
        for language in ("zh", "en"):
            said = ordered.command("status", "--lang", language).stdout
            assert "a third time" in said and "@" in said
    finally:
        ordered.stop("run")
