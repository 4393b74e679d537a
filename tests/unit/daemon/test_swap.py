"""SIGHUP: the new gateway is built whole beside the one that runs, which stays in every part while anything of it is wrong."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from homes import new_home
from sites import wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system.threads import ASKS

RUN = [sys.executable, "-c", "from tongguan.gateway.cli import main; main()", "run", "--home"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = new_home(tmp_path / "home", language="en")
    change_settings(made, "gateway", "settle", "0s")
    return made


@pytest.fixture
def daemon(home: Path) -> Iterator[Callable[[], Daemon]]:
    running = [Daemon(home)]
    running[0].start()

    def hang_up() -> Daemon:
        running[0] = running[0].swapped()
        return running[0]

    yield hang_up
    running[0].stop()


def append(home: Path, text: str) -> None:
    with open(home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write(text)


def open_files() -> int:
    """How many files are open but the journal's, whose readers come and go with the work."""
    count = 0
    for handle in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since
            count += "tongguan.db" not in os.readlink(f"/proc/self/fd/{handle}")
    return count


def threads() -> set[str]:
    """What runs for as long as the gateway does."""
    return {thread.name for thread in threading.enumerate()} - {ASKS}


def works(home: Path, name: str) -> None:
    (home / "mailboxes/demo/OutBox" / name).write_text("<no message/>")
    wait_until((home / "mailboxes/demo/Status" / f"{name}.status.json").exists, f"{name} to be refused")


def _route(home: Path) -> None:
    change_settings(home, "route.customs", "url", "ftp://nowhere")


def _token(home: Path) -> None:
    append(
        home,
        '\n[route.gateway]\nenvironment = "test"\nurl = "http://127.0.0.1:1"\ncertificates = ["trust/customs.pem"]\ntoken = "file:secrets/none"\n',
    )


def _ca(home: Path) -> None:
    append(
        home,
        '\n[route.gateway]\nenvironment = "test"\nurl = "https://127.0.0.1:1"\ncertificates = ["trust/customs.pem"]\nca = "trust/none.pem"\n',
    )


def _certificate(home: Path) -> None:
    (home / "trust/mofcom.pem").write_text("no certificate")


def _profile(home: Path) -> None:
    folder = home / "profiles/mofcom/XX.broken"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text("title = ")


def _authority(home: Path) -> None:
    append(home, '\n[route.costums]\nenvironment = "test"\nurl = "http://127.0.0.1:1"\ncertificates = ["trust/customs.pem"]\n')


def _authority_of_card(home: Path) -> None:
    text = (home / "tongguan.toml").read_text()
    (home / "tongguan.toml").write_text(text.replace('authority = "customs"', 'authority = "costums"', 1))


def _group(home: Path) -> None:
    text = (home / "tongguan.toml").read_text()
    (home / "tongguan.toml").write_text(text.replace("[[account]]\n", '[[account]]\ngroup = "nobodys-group"\n', 1))


def _card(home: Path) -> None:
    append(
        home,
        '\n[[account]]\nname = "x"\ntitle = "x"\nuscc = "x"\n[[account.card]]\nname = "e"\nauthority = "mofcom"\nkind = "eport"\n',
    )


def _database(home: Path) -> None:
    append(home, '\n[database]\nurl = "sqlite:///other.db"\n')


def _environment(home: Path) -> None:
    text = (home / "tongguan.toml").read_text().replace('environment = "test"', 'environment = "production"')
    (home / "tongguan.toml").write_text(text)


def _unreadable(home: Path) -> None:
    (home / "tongguan.toml").write_bytes(b"\xff\xfe")


def _gone(home: Path) -> None:
    (home / "tongguan.toml").unlink()


UNKNOWN = {
    _authority: "unknown authority 'costums'; did you mean 'customs'?",
    _authority_of_card: "unknown authority 'costums'; did you mean 'customs'?",
    _group: "the system has no group nobodys-group",
}
WRONG = [_route, _token, _ca, _certificate, _profile, _card, _database, _environment, _unreadable, _gone, *UNKNOWN]


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__)
def test_whatever_is_wrong_the_old_gateway_stays_in_every_part(
    home: Path, daemon: Callable[[], Daemon], spoil: Callable[[Path], None]
) -> None:
    before = daemon()
    parts = (before.site, before.tellers, before.mailboxes, before.stations, before.journal.listeners)
    spoil(home)
    wait_until(lambda: "recount" not in threads(), "the recount to end")
    running = threads()
    handles = open_files()
    after = daemon()

    assert after is before and not before.supervisor.stopping.is_set()
    assert (after.site, after.tellers, after.mailboxes, after.stations, after.journal.listeners) == parts
    problems = {problem.code for problem in after.alerts.problems()}
    assert "settings" in problems and "thread" not in problems, "the end of what was built is no failure"
    wait_until(lambda: threads() == running, "the same threads to run")
    wait_until(lambda: open_files() <= handles + 2, "what was built for the new settings to be closed")
    works(home, "a.xml")


@pytest.mark.parametrize(
    "wrong",
    [{"url": "ftp://nowhere"}, {"url": "http://[::1"}, {"url": "https://a.example", "ca": "trust/none.pem"}],
    ids=lambda wrong: " ".join(wrong.values()),
)
def test_config_check_finds_what_the_start_refuses_of_a_route(home: Path, wrong: dict[str, str]) -> None:
    text = (home / "tongguan.toml").read_text()
    was = re.search(r"(?m)^url = .*$", text)
    assert was
    (home / "tongguan.toml").write_text(text.replace(was[0], "\n".join(f'{key} = "{value}"' for key, value in wrong.items()), 1))
    with pytest.raises(SettingsWrong) as refused:
        Daemon(home)
    said = subprocess.run([*RUN[:-2], "config", "check", "--home", str(home)], check=False, capture_output=True, text=True)

    assert said.returncode == 78
    assert str(refused.value) in said.stdout


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize(("spoil", "why"), UNKNOWN.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_what_the_settings_name_and_nobody_knows_is_refused_by_check_and_start_alike(
    home: Path, tongguan: Callable[..., Any], spoil: Callable[[Path], None], why: str
) -> None:
    spoil(home)
    checked = tongguan("config", "check")

    assert checked.code == 78 and checked.out.count(why) == 1
    with pytest.raises(SettingsWrong) as refused:
        Daemon(home)
    assert why in str(refused.value)


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("place", ["mailboxes/former", "../elsewhere"])
def test_files_of_an_account_that_left_the_settings_are_told_with_where_they_wait_and_what_to_do(
    home: Path, tongguan: Callable[..., Any], place: str
) -> None:
    right = (home / "tongguan.toml").read_text()
    append(home, f'\n[[account]]\nname = "former"\ntitle = "x"\nuscc = "91210200MA0EXAMPLD"\nmailbox = "{place}"\n')
    process = subprocess.Popen([*RUN, str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until((home / "daemon.sock").exists, "the gateway to start")
        (home / "tongguan.toml").write_text(right)
        outbox = (home / place).resolve() / "OutBox"
        assert str(outbox) not in tongguan("config", "check").out
        (outbox / ".half").write_text("<not")
        process.send_signal(signal.SIGSTOP)  # nothing is taken while this is dropped
        (outbox / "a.xml").write_text("<a/>")
        checked = tongguan("config", "check", "--lang", "en")
        (outbox / "a.xml").unlink()
        process.send_signal(signal.SIGCONT)
        said = tongguan("reload", "--lang", "en")
        (outbox / "b.xml").write_text("<b/>")
        again = tongguan("reload", "--lang", "en")
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()

    assert (
        checked.code == 0 and f"! mailbox {outbox.parent.name}: {outbox} is no account's: nobody takes its 1 file" in checked.out
    )
    assert "move them to their account's OutBox, or put that account back" in checked.out
    assert said.code == 0 and str(outbox) not in said.out
    if outbox.is_relative_to(home):  # of another place nobody knows any more, once the settings are in use
        assert again.code == 0 and f"! {outbox} is no account's: nobody takes its 1 file\n" in again.out
        assert f"{outbox} is no account's" in tongguan("doctor", "--lang", "en").out
        assert f"{outbox} is no account's: nobody takes its 1 file" in tongguan("status", "--lang", "en").out


def test_every_certificate_that_is_missing_is_told_at_once(home: Path) -> None:
    for file in ("mofcom.pem", "customs.pem", "ministries.pem"):
        (home / "trust" / file).unlink()
    with pytest.raises(SettingsWrong) as refused:
        Daemon(home)

    assert [name for name in ("mofcom.pem", "customs.pem", "ministries.pem") if name in str(refused.value)] == [
        "mofcom.pem",
        "customs.pem",
        "ministries.pem",
    ]


def test_new_settings_are_in_force_and_the_same_card_is_the_same_one(home: Path, daemon: Callable[[], Daemon]) -> None:
    before = daemon()
    card, run = before.site.cards["demo-mofcom"], before.journal.run
    works(home, "a.xml")
    change_settings(home, "gateway", "language", "zh")
    after = daemon()
    works(home, "b.xml")

    assert after is not before and after.settings.gateway.language == "zh"
    assert after.site.cards["demo-mofcom"] is card
    assert after.journal.run == run
    assert before.supervisor.names() == [] or before.supervisor.stopping.is_set()
    assert not [p for p in after.alerts.problems() if p.code in ("thread", "settings", "station")]


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize("change", [("settle", "1s"), ("language", "zh")], ids=" ".join)
def test_what_a_thread_of_the_former_gateway_had_to_tell_is_over_with_it(
    home: Path, daemon: Callable[[], Daemon], change: tuple[str, str]
) -> None:
    def fails() -> bool:
        raise RuntimeError("of the former one")

    before = daemon()
    before.supervisor.loop("door:former", fails, lambda: None)
    wait_until(lambda: [p for p in before.alerts.problems() if p.code == "thread"], "the failure to be told")
    change_settings(home, "gateway", *change)
    after = daemon()

    assert after is not before
    assert not [p for p in after.alerts.problems() if p.code == "thread"]
    assert ("thread", "door:former") not in after.alerts.told()


def test_wrong_settings_that_are_mended_are_no_trouble_any_more(home: Path, daemon: Callable[[], Daemon]) -> None:
    right = (home / "tongguan.toml").read_text()
    _route(home)
    daemon()
    (home / "tongguan.toml").write_text(right)

    assert "settings" not in {problem.code for problem in daemon().alerts.problems()}


def test_many_hangups_and_a_term_in_the_middle_end_the_process_cleanly(home: Path) -> None:
    process = subprocess.Popen([*RUN, str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until((home / "daemon.sock").exists, "the gateway to start")
    _certificate(home)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    change_settings(home, "gateway", "language", "zh")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0


#: a gateway whose second start fails, where everything of the first has ended
FAILS = """
import sys
from tongguan.gateway.daemon import daemon
from tongguan.gateway.cli import main
start, begun = daemon.Daemon.start, []
def fails(self):
    begun.append(self)
    if len(begun) == {which}:
        raise RuntimeError("no more threads, says the test")
    start(self)
daemon.Daemon.start = fails
main()
"""


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize("which", [1, 2])
def test_a_gateway_that_does_not_start_ends_the_process_with_its_reason(home: Path, which: int) -> None:
    words = [sys.executable, "-c", FAILS.format(which=which), "run", "--home", str(home)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if which > 1:
        wait_until((home / "daemon.sock").exists, "the gateway to start")
        process.send_signal(signal.SIGHUP)
    _, said = process.communicate()

    assert process.returncode == 70
    assert "no more threads, says the test" in said
    assert "no more threads, says the test" in (home / "alerts.jsonl").read_text()
