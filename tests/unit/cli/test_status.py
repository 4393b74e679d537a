"""`tongguan status` sees from outside what the gateway cannot tell: that it is dead, hung, silent, without disk or journal."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sites import wait_until

from tongguan.gateway.cli.health import liveness
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.model.errors import each_of
from tongguan.gateway.system import clock, logs, times
from tongguan.outbox.status.file_writer import FileWriter

pytestmark = pytest.mark.requirement("GW-08")
Say = Callable[..., Any]
HOUR_MS = 3_600_000


def page(home: Path, account: str = "demo") -> Path:
    return home / "mailboxes" / account / "Status" / "heartbeat.json"


@pytest.fixture
def running(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose gateway runs and has told so; it asks no authority for receipts, as there is none.

    It says nothing of its own to the standard output, which is here the commands' too.
    """
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    daemon = Daemon(home)
    daemon.doors = []
    daemon.start()
    wait_until(page(home).exists, "the first heartbeat")
    os.utime(home / "daemon.lock", (1, 1))  # it began long ago
    yield home
    daemon.stop()


def codes(said: Any) -> dict[str, str]:
    return {p["code"]: p["level"] for p in said.json["problems"]}


def troubles(tongguan: Say) -> tuple[int, dict[str, str]]:
    said = tongguan("status", "--json")
    return said.code, codes(said)


def silence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The teller's thread writes no heartbeat any more."""
    beats = threading.Semaphore(0)
    write = FileWriter.page

    def all_but_beats(pen: FileWriter, name: str, content: bytes) -> None:
        beats.release() if name == "heartbeat.json" else write(pen, name, content)

    monkeypatch.setattr(FileWriter, "page", all_but_beats)
    assert beats.acquire(timeout=60)


def age(home: Path, by_ms: int) -> None:
    """Make the last heartbeat older, or newer, than it is."""
    told = orjson.loads(page(home).read_bytes())
    page(home).write_bytes(orjson.dumps({**told, "at": times.show(clock.now_ms() - by_ms)}))


def test_a_home_where_nothing_ever_ran_is_told_with_the_command_to_type(tongguan: Say, home: Path) -> None:
    said = tongguan("status", "--lang", "en")

    assert said.code == 2
    assert "does not run; it never ran here" in said.out
    assert f"tongguan run --home {home}" in said.out


def test_whether_it_runs_is_not_told_to_a_user_who_may_not_see_it(
    tongguan: Say, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(home / "daemon.lock"))

    (home / "daemon.lock").touch()
    monkeypatch.setattr(liveness, "daemon_runs", refused)
    told, said = tongguan("status", "--json"), tongguan("status", "--lang", "en")

    assert (told.code, told.json["running"], codes(told)) == (2, None, {"unseen": "critical"})
    assert "not seen whether it runs" in said.out and f"sudo -u '#{os.getuid()}' tongguan status --home {home}" in said.out
    assert "tongguan_up 0" in tongguan("status", "--metrics").out


def test_of_a_stopped_gateway_whose_mailboxes_tell_nothing_it_is_not_said_that_it_never_ran(tongguan: Say, home: Path) -> None:
    (home / "daemon.lock").touch()
    said = tongguan("status", "--lang", "en").out

    assert "the gateway does not run" in said and "never ran" not in said


def test_a_gateway_that_was_stopped_is_told_with_its_last_heartbeat(tongguan: Say, home: Path) -> None:
    daemon = Daemon(home)
    daemon.start()
    wait_until(page(home).exists, "the first heartbeat")
    daemon.stop()
    at = orjson.loads(page(home).read_bytes())["at"]

    assert troubles(tongguan) == (2, {"stopped": "critical"})
    assert at in tongguan("status").out


def test_a_gateway_that_was_killed_is_told_and_its_journal_is_read(tongguan: Say, home: Path) -> None:
    script = (
        "import sys, os; from pathlib import Path; from tongguan.gateway.daemon.daemon import Daemon\n"
        "Daemon(Path(sys.argv[1])).start(); print('up', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_until(page(home).exists, "the first heartbeat")
    process.kill()
    process.wait()

    said = tongguan("status", "--json")
    assert (said.code, codes(said)) == (2, {"stopped": "critical"})


def test_a_gateway_that_runs_is_well(tongguan: Say, running: Path) -> None:
    assert wait_until(lambda: troubles(tongguan) == (0, {}), "all well")


WRONG = {
    "a key": ("[gateway]", "[gateway]\nlangauge = 1"),
    "a value": ('environment = "test"', 'environment = "tset"'),
    "an account": ('kind = "enterprise"', 'kind = "ship"\ntitel = "x"'),
    "a card": ('role = "legal"', 'role = "chief"'),
    "a route": ('url = "http', 'url = 3 # "http'),
    "two that do not fit": ('[route.customs]\nenvironment = "test"', '[route.customs]\nenvironment = "production"'),
    "what is missing": ("uscc =", "# uscc ="),
    "no toml": ("[gateway]", "[gateway"),
}


@pytest.mark.parametrize("what", WRONG)
def test_while_a_gateway_runs_wrong_settings_hide_nothing_of_it(tongguan: Say, running: Path, what: str) -> None:
    was, now = WRONG[what]
    path = running / "tongguan.toml"
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, now, 1))

    said = tongguan("status", "--json", "--lang", "en")
    found = said.json
    assert (said.code, found["running"], found["environment"]) == (78, True, "test")
    assert found["heartbeat_at"]
    assert codes(said) == {"settings": "critical"}
    told = tongguan("status", "--lang", "zh")
    assert told.code == 78 and "设置有错，网关仍用启动时的设置" in told.out and "tongguan config check" in told.out
    assert tongguan("config", "check").code == 78
    path.write_text(text)
    assert wait_until(lambda: troubles(tongguan) == (0, {}), "all well")


def test_one_that_has_just_begun_is_not_silent_by_its_forerunners_heartbeat(
    tongguan: Say, running: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(liveness, "heartbeats", lambda settings: {"demo": {"at": times.show(clock.now_ms() - HOUR_MS)}})
    assert "silent" in troubles(tongguan)[1] or "silent" in dict(_life(running))
    os.utime(running / "daemon.lock")

    assert dict(_life(running)) == {"begun": "WELL"}


def test_what_its_forerunner_told_is_not_told_as_its_own(tongguan: Say, running: Path, monkeypatch: Any) -> None:
    left = {"at": times.show(clock.now_ms() - 15_000), "problems": [{"code": "thread", "text": "x", "since": "y", "do": "z"}]}
    monkeypatch.setattr("tongguan.gateway.cli.health.report.heartbeats", lambda settings: {"demo": {**left, "cards": {"a": {}}}})
    os.utime(running / "daemon.lock")
    said = tongguan("status", "--json")

    assert (said.code, codes(said), said.json["cards"], said.json["heartbeat_at"]) == (0, {"begun": "well"}, {}, None)
    assert "first heartbeat is still to come" in tongguan("status", "--lang", "en").out


def test_a_pause_is_said_and_is_no_fault_for_status_and_heartbeat_alike(tongguan: Say, running: Path) -> None:
    assert tongguan("pause", "account", "demo", "--why", "stocktaking").code == 0
    wait_until(lambda: orjson.loads(page(running).read_bytes()).get("accounts"), "the pause in the heartbeat")
    told = orjson.loads(page(running).read_bytes())

    assert "lane" not in [problem["code"] for problem in told["problems"]]
    assert troubles(tongguan)[1]["lane"] == "well"
    assert "· lane: account:demo" in tongguan("status").out


def _life(home: Path) -> list[tuple[str, str]]:
    from tongguan.gateway.settings import read_settings

    settings = read_settings(home)
    found = liveness.troubles_of_life(settings, True, liveness.heartbeats(settings))
    return [(each.code, each.level.name) for each in found]


@pytest.mark.parametrize("by_ms", [25_000, HOUR_MS, -HOUR_MS])
def test_a_gateway_that_holds_the_home_and_says_nothing_for_some_heartbeats_is_told(
    tongguan: Say, running: Path, monkeypatch: Any, by_ms: int
) -> None:
    silence(running, monkeypatch)
    age(running, by_ms)

    assert troubles(tongguan) == (2, {"silent": "critical"})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"at": 1}', b'{"at": "soon"}', b"\xff"])
def test_a_heartbeat_that_cannot_be_read_is_none(tongguan: Say, home: Path, content: bytes) -> None:
    page(home).parent.mkdir(parents=True, exist_ok=True)
    page(home).write_bytes(content)

    assert troubles(tongguan) == (2, {"stopped": "critical"})


def test_a_mailbox_that_hears_nothing_is_named(tongguan: Say, running: Path, monkeypatch: Any) -> None:
    silence(running, monkeypatch)
    page(running).unlink()
    said = tongguan("status", "--json")

    assert (said.code, codes(said)) == (2, {"silent": "critical"})
    assert str(page(running).parent) in said.out


def test_a_journal_that_another_holds_is_told(tongguan: Say, running: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tongguan.gateway.cli.health.report.LOCKED_SECONDS", 0.2)
    base = sqlite3.connect(running / "tongguan.db", isolation_level=None)
    base.execute("BEGIN IMMEDIATE")
    said = tongguan("status", "--json")
    base.execute("ROLLBACK")
    base.close()

    assert said.code == 2
    assert codes(said)["journal"] == "critical"
    assert "locked" in said.out
    wait_until(lambda: troubles(tongguan)[0] == 0, "all well")


def test_a_journal_that_is_gone_or_spoilt_is_told(tongguan: Say, running: Path) -> None:
    for file in running.glob("tongguan.db*"):
        shutil.move(file, running / f"kept-{file.name}")
    assert troubles(tongguan)[1]["journal"] == "critical"
    (running / "tongguan.db").write_bytes(b"no database" * 1000)
    said = tongguan("status", "--json")
    (running / "tongguan.db").unlink()
    for file in running.glob("kept-*"):
        shutil.move(file, running / file.name.removeprefix("kept-"))

    assert said.code == 2
    assert codes(said)["journal"] == "critical"


def test_what_stops_a_station_is_told_in_the_homes_language(home: Path) -> None:
    daemon = Daemon(home)
    base = sqlite3.connect(home / "tongguan.db", isolation_level=None)
    base.execute("CREATE TRIGGER full BEFORE INSERT ON marker BEGIN SELECT RAISE(ABORT, 'full'); END")

    def work() -> bool:
        daemon.journal.set_markers({"x": "y"})
        return True

    assert daemon._guarded(work) is False
    told, told_en = each_of(next(problem.text for problem in daemon.alerts.problems() if problem.code == "station"))
    base.execute("DROP TRIGGER full")
    base.close()
    daemon.stop()

    assert "停了：日志库写不进" in told and "cannot be written" not in told
    assert "cannot be written" in told_en and "停了" not in told_en


@pytest.mark.parametrize("gone", ["tongguan.db", "anchor.jsonl", "secrets/anchor.key"])
def test_what_a_start_would_refuse_is_told_of_a_gateway_that_does_not_run(tongguan: Say, home: Path, gone: str) -> None:
    Daemon(home).stop()
    (home / gone).unlink()

    assert troubles(tongguan) == (2, {"stopped": "critical", "journal": "critical"})
    doctor = tongguan("doctor", "--json").json
    assert ["tongguan audit accept" in line["do"] for line in doctor if line["check"] == "journal"] == [True]
    if gone == "tongguan.db":
        for words in (["list"], ["show", "x"], ["audit", "verify"]):
            said = tongguan(*words, "--lang", "en")
            assert (said.code, "tongguan audit accept" in said.err) == (78, True)


@pytest.mark.parametrize(("free", "level", "code"), [(0, "critical", 2), (500_000_000, "warning", 1)])
def test_a_disk_without_room_is_told_at_once(
    tongguan: Say, running: Path, monkeypatch: Any, free: int, level: str, code: int
) -> None:
    wait_until(lambda: troubles(tongguan)[0] == 0, "all well")
    seen = SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=10**12, f_files=9, f_favail=9)
    monkeypatch.setattr(os, "statvfs", lambda path: seen)
    assert troubles(tongguan) == (code, {"disk": level})
    monkeypatch.undo()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder as on a file system that nobody can write; skips the test where that may not be done."""
    for words in (["--bind", str(folder), str(folder)], ["-o", "remount,ro,bind", str(folder)]):
        if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_home_that_may_only_be_read_is_looked_at_all_the_same(tongguan: Say, home: Path, killed: bool) -> None:
    daemon = Daemon(home)
    daemon.start()
    wait_until(page(home).exists, "the first heartbeat")
    copy = home.parent / "copy"
    if killed:
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*.sock", "*.tmp"))
    daemon.stop()
    place = copy if killed else home
    with read_only(place):
        said = tongguan("status", "--json", "--home", place)

    assert said.code == 2
    assert codes(said) == {"stopped": "critical", "mailbox": "critical"}, "and nobody can write a mailbox there"
