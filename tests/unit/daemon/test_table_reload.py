"""Code tables of a home are taken up by themselves, and nothing along with them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from homes import new_home
from patience import wait_until

from tongguan.gateway.daemon.assembly import make_rules
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.watching import table_reload
from tongguan.gateway.daemon.watching.table_reload import TableReload
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.profile.loading import load_profiles
from tongguan.gateway.settings import read_settings

pytestmark = pytest.mark.requirement("GW-09")
HEADER = "code,zh,en,rate\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = new_home(tmp_path / "home", language="en")
    change_settings(made, "gateway", "settle", "0s")
    return made


@pytest.fixture
def daemon(home: Path) -> Iterator[Daemon]:
    made = Daemon(home)
    yield made
    made.stop()


def rates(home: Path, rows: str, *, header: str = HEADER) -> None:
    (home / "profiles" / "tables").mkdir(parents=True, exist_ok=True)
    (home / "profiles" / "tables" / "usd_rate.csv").write_text(header + rows, "utf-8")


def codes(home: Path) -> list[str]:
    return list(load_profiles(home=home).tables["usd_rate"].rows)


def reload_of(daemon: Daemon) -> tuple[TableReload, list[str]]:
    called: list[str] = []
    return TableReload(daemon.settings, daemon.alerts, lambda: called.append("again")), called


def problems(daemon: Daemon) -> set[str]:
    return {problem.code for problem in daemon.alerts.problems()}


def test_a_home_adds_rows_to_an_installed_table_or_puts_its_own_in_their_place(home: Path) -> None:
    before = codes(home)
    rates(home, "EUR,欧元,Euro,1.2000\nXXX,试用币,Trial,2\n")

    table = load_profiles(home=home).tables["usd_rate"]

    assert list(table.rows) == [*before, "XXX"]
    assert (table.rows["EUR"]["rate"], table.rows["USD"]["rate"], table.codes["试用币"]) == ("1.2000", "1", "XXX")
    assert make_rules(read_settings(home)).fingerprint != make_rules(read_settings(new_home(home.parent / "other"))).fingerprint


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        ("EUR,欧元,Euro\n", "code,zh,en\n", "the header must begin with code,zh,en,rate"),
        ("EUR,欧元,Euro,1,x\n", "code,zh,en,rate,more\n", "the header must be code,zh,en,rate"),
        ("EUR,欧元,Euro,1\nEUR,欧元,Euro,2\n", HEADER, "'EUR' is empty or stands twice"),
    ],
)
def test_a_table_that_does_not_fit_is_complained_about(home: Path, rows: str, header: str, says: str) -> None:
    rates(home, rows, header=header)

    with pytest.raises(SettingsWrong, match=r"usd_rate\.csv") as wrong:
        load_profiles(home=home)
    assert says in wrong.value.text("en")


def test_tables_are_taken_up_once_they_have_rested(home: Path, daemon: Daemon) -> None:
    look, called = reload_of(daemon)
    look.turn()
    rates(home, "XXX,试用币,Trial,2\n")
    look.turn()
    rates(home, "XXX,试用币,Trial,2\nXXY,又一币,Another,3\n")
    look.turn()
    assert called == []

    look.turn()
    look.turn()
    assert called == ["again"]


def test_a_folder_that_cannot_be_read_now_keeps_no_gateway_from_starting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(root: Path) -> Mapping[Path, str]:
        raise PermissionError(f"{root} cannot be read")

    rates(home, "XXX,试用币,Trial,2\n")
    with monkeypatch.context() as patch:
        patch.setattr(table_reload, "said_by_home", unreadable)
        called: list[str] = []
        daemon = Daemon(home, again=lambda: called.append("again"))
        with pytest.raises(PermissionError):
            daemon.tables.turn()
    for _ in range(3):
        daemon.tables.turn()
    assert called == ["again"], "what runs is not known, so it is taken up once"
    daemon.stop()


@pytest.mark.parametrize("besides", ["settings", "wrong settings", "types"])
def test_what_else_was_changed_is_not_taken_up_along_with_them(home: Path, daemon: Daemon, besides: str) -> None:
    look, called = reload_of(daemon)
    settings = (home / "tongguan.toml").read_text()
    if besides == "settings":
        change_settings(home, "gateway", "language", "zh")
    elif besides == "types":
        (home / "profiles" / "mofcom" / "XX.new").mkdir(parents=True)
    else:
        (home / "tongguan.toml").write_text(settings + "\n[nonsense]\n")
    rates(home, "XXX,试用币,Trial,2\n")
    look.turn()
    look.turn()
    assert called == [] and "tables" in problems(daemon)

    (home / "tongguan.toml").write_text(settings)
    if besides == "types":
        (home / "profiles" / "mofcom" / "XX.new").rmdir()
        (home / "profiles" / "mofcom").rmdir()
        look.turn()
    look.turn()
    assert called == ["again"]
    look.turn()
    assert "tables" not in problems(daemon)


#: a gateway that looks at its tables often
LOOKS = """
from datetime import timedelta
from tongguan.gateway.daemon import daemon
from tongguan.gateway.cli import main
daemon._TABLES = timedelta(seconds=0.2)
main()
"""


def test_a_running_gateway_takes_them_up_and_keeps_its_own_while_they_are_wrong(home: Path) -> None:
    log = home / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", LOOKS, "run", "--home", str(home)], stdout=out, stderr=out)
    try:
        wait_until(lambda: b"started" in log.read_bytes(), "the gateway to start")
        rates(home, "XXX,试用币,Trial\n")
        wait_until(lambda: b"settings wrong" in log.read_bytes(), "the wrong table to be told", moves=log.read_bytes)
        assert b"settings swapped" not in log.read_bytes()
        rates(home, "XXX,试用币,Trial,2\n")
        wait_until(lambda: b"settings swapped" in log.read_bytes(), "the table to be taken up", moves=log.read_bytes)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
