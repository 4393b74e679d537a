"""Two accounts of one home: neither speaks for the other, whatever lies in the place of its folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from homes import new_home
from rounds import turn

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import SettingsWrong, StationBroken
from tongguan.gateway.settings import read_settings
from tongguan.gateway.system.printed import at_home
from tongguan.gateway.system.storage.folders import FOLDERS, MARKER

OTHER = """
[[account]]
name = "other"
title = "另一家示例有限公司"
uscc = "91210200MA0EXAMPLC"
mailbox = "{mailbox}"
"""

pytestmark = pytest.mark.requirement("GW-05")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    new_home(made)
    change_settings(made, "gateway", "settle", "0s")
    change_settings(made, "gateway", "language", "en")
    with (made / "tongguan.toml").open("a") as settings:
        settings.write(OTHER.format(mailbox="mailboxes/other"))
    return made


@pytest.fixture
def daemon(home: Path) -> Iterator[Daemon]:
    """Its doors and its tellers are played by hand."""
    made = Daemon(home)
    turns(made)
    yield made
    made.stop()


def turns(daemon: Daemon) -> None:
    """A few rounds of the doors and of the tellers, a second or more apart for the tellers."""
    for _ in range(3):
        for mailbox in daemon.mailboxes.values():
            mailbox.distrust()
            with suppress(StationBroken):
                daemon._empty(mailbox)
        daemon.tellers._page.due_at = 0.0
        for teller in daemon.tellers.each.values():
            teller._heartbeat_at = teller._index_at = teller._presence._look_at = 0.0
        daemon.tellers.catch_up()


def box(daemon: Daemon, account: str = "demo") -> Path:
    return daemon.settings.home / "mailboxes" / account


def drop(daemon: Daemon, name: str, account: str = "demo") -> None:
    part = box(daemon, account) / "OutBox" / f"{name}.tmp"
    part.write_text(f"<no message='{name}'/>")
    os.rename(part, part.with_name(name))
    daemon.mailboxes[account].hint(name.encode(), whole=True)


def lying(daemon: Daemon, account: str, *folders: str) -> list[str]:
    names = [p.name for folder in folders for p in (box(daemon, account) / folder).iterdir()]
    return sorted(name.split("_2")[0] for name in names if name[0] != ".")


def problems(daemon: Daemon) -> list[str]:
    return [f"{p.code} {p.text} {p.do}" for p in daemon.alerts.problems()]


def messages(daemon: Daemon) -> list[tuple[str, str | None]]:
    with daemon.journal.search() as records:
        return sorted((m.account, m.source) for m in records.list_messages([], limit=100))


def everything(folder: Path) -> list[str]:
    return sorted(os.path.join(where, name) for where, inner, names in os.walk(folder) for name in (*inner, *names))


@pytest.mark.parametrize("name", ["FailBox", "SentBox", "InBox", "Status/by-id", "Status/documents", "Status", "work", "OutBox"])
def test_a_link_into_another_accounts_outbox_makes_no_erp_speak_for_another(daemon: Daemon, name: str) -> None:
    drop(daemon, "a.xml")
    turns(daemon)
    path, aside = box(daemon) / name, daemon.settings.home / "aside"
    os.rename(path, aside)
    path.symlink_to(box(daemon, "other") / "OutBox")
    drop(daemon, "b.xml", "demo") if name != "OutBox" else None
    drop(daemon, "c.xml", "other")
    turns(daemon)

    assert messages(daemon) == [("demo", "a.xml"), ("other", "c.xml")]
    assert lying(daemon, "other", "OutBox", "FailBox", "InBox") == ["Failed_c", "c"]
    [problem] = problems(daemon)
    assert "mailbox" in problem and f"{path} is a link" in problem
    beat = orjson.loads((box(daemon, "other") / "Status" / "heartbeat.json").read_bytes())
    assert (beat["ok"], [p["code"] for p in beat["problems"]]) == (False, ["mailbox"])

    path.unlink()
    os.rename(aside, path)
    turns(daemon)
    turns(daemon)
    expected = ["a", "b"] if name != "OutBox" else ["a"]
    assert lying(daemon, "demo", "FailBox") == expected
    assert lying(daemon, "demo", "InBox") == [f"Failed_{each}" for each in expected]
    assert (lying(daemon, "demo", "OutBox", "work"), problems(daemon)) == ([], [])


@pytest.mark.parametrize(
    "instead", ["nothing", "an empty mount point", "a link to another's", "a copy of another's", "folders alone"]
)
def test_while_a_share_is_away_nothing_is_made_there_and_afterwards_nothing_is_missing(daemon: Daemon, instead: str) -> None:
    drop(daemon, "a.xml")
    turns(daemon)
    path, gone = box(daemon), daemon.settings.home / "gone"
    drop(daemon, "b.xml")
    daemon._empty(daemon.mailboxes["demo"])  # taken, and not told of yet
    os.rename(path, gone)
    if instead == "an empty mount point":
        path.mkdir()
    elif instead == "a link to another's":
        path.symlink_to(box(daemon, "other"))
    elif instead == "a copy of another's":
        shutil.copytree(box(daemon, "other"), path)
    elif instead == "folders alone":
        for name in FOLDERS:
            (path / name).mkdir(parents=True)
    before = everything(path)
    drop(daemon, "c.xml", "other")
    if instead != "nothing" and path.joinpath("OutBox").is_dir() and not path.is_symlink():
        (path / "OutBox" / "phantom.xml").write_text("<phantom/>")
        before = everything(path)
    turns(daemon)
    heartbeats = [p for p in everything(path) if p.endswith(("heartbeat.json", "index.json"))]
    if instead != "a link to another's":
        assert everything(path) == before and len(heartbeats) in (0, 2)
    assert ("demo", "phantom.xml") not in messages(daemon)
    assert [p.split()[0] for p in problems(daemon)] == ["mailbox"]
    assert lying(daemon, "other", "InBox") == ["Failed_c"]

    path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
    os.rename(gone, path)
    turns(daemon)
    turns(daemon)
    assert (lying(daemon, "demo", "InBox"), problems(daemon)) == (["Failed_a", "Failed_b"], [])
    assert (lying(daemon, "demo", "FailBox"), lying(daemon, "demo", "OutBox", "work")) == (["a", "b"], [])


def test_every_mailbox_is_marked_at_the_first_start_and_known_at_the_next(home: Path) -> None:
    ids = []
    for _ in range(2):
        daemon = Daemon(home)
        ids.append([(home / "mailboxes" / name / MARKER).read_text() for name in ("demo", "other")])
        daemon.stop()

    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_a_mailbox_that_was_moved_with_the_settings_goes_on(home: Path) -> None:
    Daemon(home).stop()
    os.rename(home / "mailboxes" / "other", home / "moved")
    text = (home / "tongguan.toml").read_text().replace("mailboxes/other", "moved")
    (home / "tongguan.toml").write_text(text)
    daemon = Daemon(home)
    turns(daemon)

    assert problems(daemon) == []
    assert (home / "moved" / "Status" / "heartbeat.json").exists()
    assert not (home / "mailboxes" / "other").exists()
    daemon.stop()


def test_another_folder_is_a_mailbox_only_by_order(
    home: Path, tongguan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Daemon(home).stop()
    monkeypatch.setenv("TONGGUAN_HOME", str(home))
    shutil.rmtree(home / "mailboxes" / "other")
    shutil.copytree(home / "mailboxes" / "demo", home / "mailboxes" / "other")
    for command in (("mailbox", "list"), ("doctor",)):
        said = tongguan(*command)
        assert said.code == 1 and "tongguan mailbox adopt other" in said.out
    assert tongguan("status").code == 2
    assert tongguan("mailbox", "adopt", "nobody", "--why", "?").code == 2
    assert tongguan("mailbox", "adopt", "other", "--why", "restored from the backup").code == 0

    assert tongguan("mailbox", "list", "--json").code == 0
    daemon = Daemon(home)
    turns(daemon)
    assert problems(daemon) == []
    assert (box(daemon) / MARKER).read_text() != (box(daemon, "other") / MARKER).read_text()
    daemon.stop()


def test_doctor_names_each_folder_and_what_is_wrong_with_it(
    home: Path, tongguan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGGUAN_HOME", str(home))
    assert not [line for line in tongguan("doctor", "--json").json if "mailbox" in line["check"] and not line["ok"]]
    Daemon(home).stop()
    mailbox = home / "mailboxes" / "demo"
    (mailbox / "SentBox").rmdir()
    os.chmod(mailbox / "FailBox", 0o500)
    os.rename(mailbox / "InBox", home / "aside")
    (mailbox / "InBox").symlink_to(home / "aside")
    told = [line for line in tongguan("doctor", "--json").json if line["check"] == "mailbox demo"]
    assert [(Path(line["text"].split()[0]).name, line["ok"]) for line in told] == [
        ("SentBox", False),
        ("FailBox", False),
        ("InBox", False),
    ]
    (mailbox / "SentBox").mkdir()
    (mailbox / "InBox").unlink()
    os.rename(home / "aside", mailbox / "InBox")
    os.chmod(mailbox / "FailBox", 0o777)
    told = [line for line in tongguan("doctor", "--json").json if line["check"] == "mailbox demo"]
    assert [(line["do"]) for line in told] == ["", f"chmod o-w {mailbox / 'FailBox'}"]


@pytest.mark.parametrize("mailbox", ["mailboxes/demo", "mailboxes/demo/InBox", "mailboxes", ".", "..", "linked", "linked/work"])
def test_two_accounts_cannot_share_a_mailbox_nor_nest_them_nor_take_the_home(home: Path, mailbox: str) -> None:
    (home / "linked").symlink_to(home / "mailboxes" / "demo")
    text = (home / "tongguan.toml").read_text().replace("mailboxes/other", mailbox)
    (home / "tongguan.toml").write_text(text)

    with pytest.raises(SettingsWrong, match="give it a folder of its own"):
        read_settings(home)


def test_a_new_accounts_folder_that_is_anothers_mailbox_is_told_by_the_commands_as_by_the_alert(
    tongguan: Callable[..., Any], home: Path
) -> None:
    Daemon(home).stop()
    settings = home / "tongguan.toml"
    settings.write_text(settings.read_text().replace('name = "demo"\n', 'name = "renamed"\n'))
    daemon = Daemon(home)
    turn(daemon)
    (told,) = [problem for problem in daemon.alerts.problems() if problem.code == "mailbox"]
    daemon.stop()
    listed = tongguan("mailbox", "list", "--json")
    (wrong,) = listed.json[0]["troubles"]

    assert listed.code == 1
    assert wrong["text"] in told.text and at_home(wrong["do"], home) == told.do
    for language, words in (("zh", "放回正确的信箱"), ("en", "put the right mailbox there")):
        assert words in tongguan("mailbox", "list", "--lang", language).out
