"""A backup holds what it says and no secret; a restore that is refused or cut leaves a home that is as it was, or does not start."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from homes import new_home
from journals import comes, number, open_journal, submission, written

from tongguan.gateway.cli import output
from tongguan.gateway.home import backup
from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.model.errors import JournalUnfit
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import files

pytestmark = pytest.mark.requirement("GW-14")
Tongguan = Callable[..., Any]
THIS_YEARS = f"mofcom:NA{times.china_date(clock.now_ms())[2:4]}"  #: numbers of applications


class Crash(BaseException):
    """As SIGKILL would be: nobody handles it."""


def lived(home: Path, *ids: str) -> Path:
    """A gateway ran here, took these messages and gave three numbers."""
    home.mkdir(exist_ok=True)
    journal = open_journal(home)
    for id_ in ids:
        written(journal, comes(submission(id_)))
    for _ in range(3):
        number(journal, "mofcom:NA26", 14)
    journal.close()
    return home


def known(home: Path, *ids: str) -> set[str]:
    with JournalClient.open("sqlite:///tongguan.db", home) as client, client.search() as records:
        return {*records.messages(ids)}


@pytest.fixture
def made(tongguan: Tongguan, home: Path, tmp_path: Path) -> Path:
    """A backup of a home that knows a message; one more came since."""
    lived(home, "m1")
    assert tongguan("backup", tmp_path / "b.zip").code == 0
    lived(home, "m2")
    return tmp_path / "b.zip"


def test_no_secret_is_in_a_backup_unless_it_was_asked_for(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    lived(home, "m1")
    (home / "broker-password").write_text("hunter2hunter2")
    (home / "broker-ca.pem").write_text("of the broker")
    (home / "alert-forms").mkdir()
    (home / "alert-forms" / "ours.toml").write_text("a form of ours")
    with open(home / "tongguan.toml", "a", encoding="utf-8") as settings:
        settings.write('\n[broker]\nurl = "amqps://gateway@broker/"\npassword = "file:broker-password"\nca = "broker-ca.pem"\n')
    secrets = [
        *(p for folder in ("secrets", "cards") for p in (home / folder).rglob("*") if p.is_file()),
        home / "broker-password",
    ]

    (home / "mailboxes" / "demo" / ".mailbox").symlink_to(home / "secrets" / "mofcom.pin")  # by an ERP that is curious
    plain, whole = tmp_path / "plain.zip", tmp_path / "whole.zip"
    assert tongguan("backup", plain).code == tongguan("backup", whole, "--secrets").code == 0

    with zipfile.ZipFile(plain) as archive:
        held = b"".join(map(archive.read, archive.namelist()))
        assert b"of the broker" in held and b"a form of ours" in held
        assert not [path for path in secrets if path.suffix != ".pem" and path.read_bytes().strip() in held]
    with zipfile.ZipFile(whole) as archive:
        assert {str(path.relative_to(home)) for path in secrets} <= {*archive.namelist()}
    assert [path.stat().st_mode & 0o777 for path in (plain, whole)] == [0o600, 0o600]
    assert sorted(os.listdir(tmp_path)) == ["home", "plain.zip", "whole.zip"]


def test_a_restore_puts_the_former_journal_aside_and_says_what_is_not_in_the_backup(
    tongguan: Tongguan, home: Path, made: Path
) -> None:
    (home / "mailboxes" / "demo" / "Status" / "by-id").mkdir()
    for id_ in ("m1", "m2"):
        (home / "mailboxes" / "demo" / "Status" / "by-id" / f"{id_}.json").touch()
    (home / "mailboxes" / "demo" / "work").mkdir()
    (home / "mailboxes" / "demo" / "work" / "m3.xml").touch()
    (home / "trust" / "mofcom.pem").write_text("changed since")
    (home / "trust" / "customs.pem").unlink()

    done = tongguan("restore", made, "--json", "--why", "the disk failed").json
    said = tongguan("audit", "list", "--lang", "en").out

    assert known(home, "m1", "m2") == {"m1"}
    assert known(Path(done["former"]), "m1", "m2") == {"m1", "m2"}
    assert (done["since"], done["kept"], done["numbers"]) == (["m2", "m3"], ["trust/mofcom.pem"], "anchor")
    assert (home / "trust" / "mofcom.pem").read_text() == "changed since" and (home / "trust" / "customs.pem").exists()
    assert "the disk failed" in said
    assert tongguan("audit", "verify").code == 0
    for name in ("tongguan.db", "anchor.jsonl"):  # undone
        shutil.copy(Path(done["former"]) / name, home / name)
    open_journal(home).close()
    assert known(home, "m1", "m2") == {"m1", "m2"}


def test_status_tells_of_originals_whose_messages_the_restored_journal_does_not_know(
    tongguan: Tongguan, home: Path, made: Path
) -> None:
    """They were told when it was restored; who sees to them comes in the morning."""
    work = home / "mailboxes" / "demo" / "work"
    work.mkdir()
    for name in ("m1.xml", "m2.zip", ".spare", "Thumbs.db"):
        (work / name).touch()
    before = tongguan("status", "--lang", "en").out
    assert tongguan("restore", made).code == 0
    after = tongguan("status", "--lang", "en").out

    assert "does not know" not in before
    assert f"{work} holds 1 original of messages that the journal does not know" in after
    assert "restore: m2.zip; move back to OutBox" in after and f"ls -l {work}" in after


def test_after_a_restore_no_number_is_given_that_the_anchor_knows(tongguan: Tongguan, home: Path, made: Path) -> None:
    assert tongguan("restore", made).code == 0
    journal = open_journal(home)
    assert number(journal, "mofcom:NA26", 14) == 7
    journal.close()


@pytest.mark.parametrize("spoil", ["gone", "older", "another's"])
def test_without_an_anchor_that_is_newer_numbers_skip_ahead(tongguan: Tongguan, home: Path, made: Path, spoil: str) -> None:
    anchor = home / "anchor.jsonl"
    if spoil == "gone":
        anchor.unlink()
    elif spoil == "older":
        anchor.write_bytes(b"")
    else:
        shutil.copy(lived(home.with_name("other")) / "anchor.jsonl", anchor)

    done = tongguan("restore", made, "--json").json

    assert done["numbers"] == "skipped"
    journal = open_journal(home)
    assert number(journal, THIS_YEARS, 14) >= 1_000_000
    journal.close()


def test_a_newer_anchor_that_was_kept_elsewhere_says_in_a_new_home_how_far_numbers_were_given(
    tongguan: Tongguan, home: Path, made: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(home / "anchor.jsonl", new)

    done = tongguan("restore", made, "--home", new, "--json").json
    journal = open_journal(new)
    given = number(journal, "mofcom:NA26", 14)
    journal.close()

    assert (done["numbers"], given) == ("anchor", 7)


def test_an_acceptance_without_an_anchor_skips_numbers_as_well(tongguan: Tongguan, home: Path) -> None:
    """Nobody knows whether the journal is an old one."""
    lived(home, "m1")
    (home / "anchor.jsonl").unlink()

    assert tongguan("audit", "accept", "--why", "the anchor is lost").code == 0
    journal = open_journal(home)
    assert number(journal, THIS_YEARS, 14) >= 1_000_000
    journal.close()


@pytest.mark.parametrize("left", ["anchor", "nothing"])
def test_a_backup_that_is_restored_twice_gives_no_number_twice(
    tongguan: Tongguan, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """The first time without the anchor, the second time with that of the new home, or again without, a minute later."""
    given = []
    for minute in (1, 2):
        new = tmp_path / "new" if left == "anchor" else tmp_path / f"new-{minute}"
        passed = minute * 60_000
        monkeypatch.setattr(backup.clock, "now_ms", lambda now=clock.now_ms, passed=passed: now() + passed)
        assert tongguan("restore", made, "--home", new).code == 0
        monkeypatch.undo()
        journal = open_journal(new)
        given.append([number(journal, THIS_YEARS, 14) for _ in range(1000)])
        journal.close()
        for file in new.glob("tongguan.db*"):
            file.unlink()

    assert min(given[0]) > 1_000_000
    assert max(given[0]) < min(given[1])


def test_how_far_it_is_is_told_while_it_takes_long(
    tongguan: Tongguan, home: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = itertools.count(0, 3)
    monkeypatch.setattr(output.clock, "monotonic", lambda: next(passed))

    backed, restored = tongguan("backup", tmp_path / "slow.zip"), tongguan("restore", made, "--lang", "en")

    pages = re.search(r"… 页 (\d+) / (\d+)", backed.err)
    assert pages and pages[1] == pages[2]
    assert re.search(r"… bytes \d+ / \d+", restored.err)


def test_what_a_killed_backup_left_is_cleared_by_the_next_and_no_other_ones_work_is(
    tongguan: Tongguan, home: Path, made: Path, tmp_path: Path
) -> None:
    for name in ("killed", "at-work"):
        (tmp_path / f".tongguan-backup-{name}").mkdir()
        (tmp_path / f".tongguan-backup-{name}" / "tongguan.db").touch()

    with backup._held(tmp_path / ".tongguan-backup-at-work", surely=True):
        assert tongguan("backup", tmp_path / "next.zip").code == 0

    assert sorted(os.listdir(tmp_path)) == [".tongguan-backup-at-work", "b.zip", "home", "next.zip"]


def test_a_journal_with_a_value_that_no_gateway_wrote_is_backed_up_and_restored_as_it_is(
    tongguan: Tongguan, home: Path, tmp_path: Path
) -> None:
    """Nobody can mend it, and a gateway goes on without the row: its backups go on as well."""
    lived(home, "m1", "m2")
    with closing(sqlite3.connect(home / "tongguan.db")) as base, base:
        base.execute("UPDATE message SET due_at = 'soon' WHERE id = 'm1'")

    assert tongguan("backup", tmp_path / "b.zip").code == tongguan("restore", tmp_path / "b.zip").code == 0
    assert known(home, "m2") == {"m2"}
    assert "message m1: due_at" in tongguan("doctor").out


def test_a_journal_whose_pages_are_damaged_is_no_backup_and_is_replaced_by_one(
    tongguan: Tongguan, home: Path, made: Path, tmp_path: Path
) -> None:
    with open(home / "tongguan.db", "r+b") as base:
        base.seek(3 * 4096)
        base.write(b"\xff" * 20 * 4096)

    refused = tongguan("backup", tmp_path / "of-damage.zip", "--lang", "en")

    assert refused.code == 78 and "damaged" in refused.err and not (tmp_path / "of-damage.zip").exists()
    assert tongguan("restore", made).code == 0
    assert known(home, "m1") == {"m1"} and tongguan("audit", "verify").code == 0


def without(name: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            held = {each: archive.read(each) for each in archive.namelist() if each != name}
        with zipfile.ZipFile(file, "w") as archive:
            for each, content in held.items():
                archive.writestr(each, content)

    return spoil


def with_(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        without(name)(file)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(name, content, method)

    return spoil


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flipped(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    file.write_bytes(whole)


WRONG = {
    "cut": (cut, 2, "no backup, or damaged"),
    "flipped": (flipped, 2, "no backup, or damaged"),
    "empty": (lambda file: file.write_bytes(b""), 2, "no backup, or damaged"),
    "another zip": (without("backup.json"), 2, "no backup that this program made"),
    "no journal": (without("tongguan.db"), 2, "no backup that this program made"),
    "of a later form": (with_("backup.json", b'{"form": 2, "version": "9.0"}'), 2, "made by 9.0"),
    "odd facts": (with_("backup.json", b"[]"), 2, "no backup that this program made"),
    "odd values": (
        with_("backup.json", b'{"form": 1, "version": "0.1.0", "made_at": "x"}'),
        2,
        "no backup that this program made",
    ),
    "packed anew": (with_("notes.txt", b"x" * 1000, zipfile.ZIP_BZIP2), 2, "packed anew"),
    "a name that leads out": (with_("../out", b"x"), 2, "holds a name that no backup has"),
    "an absolute name": (with_("/etc/tongguan", b"x"), 2, "holds a name that no backup has"),
    "no database": (with_("tongguan.db", b"nonsense" * 1000), 78, "damaged"),
}


@pytest.mark.parametrize("spoil", WRONG)
def test_what_is_no_backup_is_refused_and_the_home_goes_on(tongguan: Tongguan, home: Path, made: Path, spoil: str) -> None:
    how, code, says = WRONG[spoil]
    how(made)

    said = tongguan("restore", made, "--lang", "en")

    assert (said.code, says in said.err) == (code, True), said.err
    assert known(home, "m1", "m2") == {"m1", "m2"}
    assert not [*home.glob(".restore-*"), *home.glob("before-restore-*")] and not home.with_name("out").exists()
    open_journal(home).close()


def test_a_backup_goes_into_no_home_of_another_gateway_nor_of_the_other_environment(
    tongguan: Tongguan, made: Path, tmp_path: Path
) -> None:
    other, production, folder = lived(new_home(tmp_path / "other"), "o"), new_home(tmp_path / "production"), tmp_path / "folder"
    settings = production / "tongguan.toml"
    settings.write_text(settings.read_text().replace('environment = "test"', 'environment = "production"'))
    folder.mkdir()
    (folder / "thesis.doc").touch()

    said = [tongguan("restore", made, "--home", each, "--lang", "en") for each in (other, production, folder)]

    assert [each.code for each in said] == [2, 2, 2]
    assert "another gateway's home" in said[0].err and "they never mix" in said[1].err and "thesis.doc" in said[2].err
    assert known(other, "o") == {"o"} and os.listdir(folder) == ["thesis.doc"]


def test_a_name_that_is_taken_is_refused(tongguan: Tongguan, home: Path, made: Path) -> None:
    before = made.read_bytes()

    assert tongguan("backup", made).code == 2
    assert tongguan("backup", made.parent / "nowhere" / "b.zip").code == 2
    assert made.read_bytes() == before


@pytest.mark.parametrize("place", ["its home", "a new home"])
def test_a_restore_that_is_cut_anywhere_leaves_a_home_that_goes_on_or_does_not_start_and_can_be_typed_again(
    tongguan: Tongguan, home: Path, made: Path, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cut before each rename in turn, until one is left in which nothing was cut."""
    for n in range(200):
        target = tmp_path / f"try-{n}"
        if place == "its home":
            shutil.copytree(home, target)
        left = n

        def die(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash

        monkeypatch.setattr(files, "crash_point", die)
        try:
            said = tongguan("restore", made, "--home", target)
        except Crash:
            said = None
        monkeypatch.setattr(files, "crash_point", lambda place: None)
        if said is not None:
            break
        started = True
        try:
            if place == "its home" or (target / "tongguan.toml").exists():
                open_journal(target).close()
            else:
                started = False  # a folder without settings is no home
        except JournalUnfit:
            started = False
        if started:
            assert known(target, "m1", "m2") == {"m1", "m2"}
        assert tongguan("restore", made, "--home", target).code == 0
        assert known(target, "m1", "m2") == {"m1"}
        assert tongguan("audit", "verify", "--home", target).code == 0
        assert not [*target.glob(".restore-*")]
    assert said is not None and said.code == 0
    assert n > 3


@pytest.mark.parametrize("what", ["nothing", "a folder", "a pipe"])
def test_what_is_no_file_is_no_backup_and_nobody_is_told_to_move_it_away(
    tongguan: Tongguan, home: Path, tmp_path: Path, what: str
) -> None:
    file = tmp_path / "b.zip"
    if what == "a folder":
        file.mkdir()
    elif what == "a pipe":
        os.mkfifo(file)

    said = tongguan("restore", file, "--lang", "en")

    assert (said.code, said.err) == (2, f"there is no backup file {file}\n")


def test_a_backup_goes_into_no_mailbox(tongguan: Tongguan, home: Path, tmp_path: Path) -> None:
    """The gateway would take it for a message, and whoever reads the mailbox has the whole journal."""
    lived(home, "m1")
    (tmp_path / "link").symlink_to(home / "mailboxes" / "demo" / "OutBox")

    said = tongguan("backup", tmp_path / "link" / "b.zip", "--lang", "en")

    assert (said.code, "is in a mailbox" in said.err) == (2, True), said.err


def test_a_file_in_the_place_of_a_folder_and_a_folder_that_takes_nothing_are_named(
    tongguan: Tongguan, home: Path, made: Path, tmp_path: Path
) -> None:
    (home / "trust").rename(home / "kept")
    (home / "trust").touch()

    restored = tongguan("restore", made, "--lang", "en")
    backed = tongguan("backup", "/proc/b.zip", "--lang", "en")

    assert (restored.code, f"{home / 'trust'} is no folder" in restored.err) == (2, True), restored.err
    assert (backed.code, "/proc" in backed.err) == (2, True), backed.err


def test_of_a_full_disk_is_said_which(
    tongguan: Tongguan, home: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backup.os, "fsync", full)

    assert f"refuses {tmp_path}: No space" in tongguan("backup", tmp_path / "more.zip", "--lang", "en").err
    assert f"refuses {home}: No space" in tongguan("restore", made, "--lang", "en").err
