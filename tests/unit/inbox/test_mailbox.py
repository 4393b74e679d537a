"""The drop-folder door: each file ends in exactly one place, or is left alone because it is not finished."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.system.storage import file_names, files
from tongguan.inbox import mailbox as door
from tongguan.inbox import originals
from tongguan.inbox.file_reader import Drop
from tongguan.inbox.mailbox import Mailbox

STAMP = "20261120180000123"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(tmp_path: Path, clock: Clock) -> Mailbox:
    return mailbox_at(tmp_path / "box", clock)


def mailbox_at(folder: Path, clock: Clock, *, most_bytes: int = 1000) -> Mailbox:
    return Mailbox(
        folder,
        "demo",
        settle=timedelta(seconds=2),
        ignored_after=timedelta(minutes=10),
        most_bytes=most_bytes,
        monotonic=clock,
    )


def outbox(box: Mailbox, name: str | bytes = "") -> Path:
    return box.folder / "OutBox" / os.fsdecode(name)


def rename_in(box: Mailbox, name: str | bytes, content: bytes = b"<a/>") -> Path:
    """What an ERP does that follows the manual, and what the watch then tells."""
    temporary = box.folder / "work" / ".erp"
    temporary.write_bytes(content)
    os.rename(temporary, outbox(box, name))
    box.hint(os.fsencode(name), whole=True)
    return outbox(box, name)


def looked(box: Mailbox, limit: int = 100) -> list[Drop]:
    """What comes into a hand that does not end."""
    drops: list[Drop] = []
    box.sweep()
    box._take(limit, drops)
    return drops


def taken(box: Mailbox, drop: Drop, message_id: str) -> Path:
    """The file's message is committed, and the file carried away."""
    box.committed(drop, message_id)
    box.carry()
    return box.folder / "work" / f"{message_id}{file_names.extension(file_names.as_bytes(drop.name)).decode()}"


def settled(box: Mailbox, clock: Clock) -> list[Drop]:
    early = looked(box)
    clock.pass_(2.1)
    return early + looked(box)


def names(drops: list[Drop]) -> list[str]:
    return [drop.name for drop in drops]


def all_files(box: Mailbox, *folders: str) -> list[Path]:
    return [p for folder in folders for p in (box.folder / folder).iterdir() if p.name not in (".clock", ".spare")]


def test_the_folders_are_made(box: Mailbox) -> None:
    assert all((box.folder / name).is_dir() for name in ("OutBox", "SentBox", "FailBox", "InBox", "Status/by-id", "work"))


def test_a_renamed_file_is_taken_at_once(box: Mailbox) -> None:
    rename_in(box, "a.xml", b"<a/>")

    [drop] = looked(box)

    assert (drop.name, drop.raw, drop.size_bytes, drop.problem) == ("a.xml", b"<a/>", 4, None)


def test_a_file_written_in_place_is_taken_when_two_looks_saw_the_same(box: Mailbox, clock: Clock) -> None:
    outbox(box, "a.xml").write_bytes(b"<a/>")

    assert looked(box) == []
    clock.pass_(1.9)
    assert looked(box) == []
    clock.pass_(0.2)
    assert names(looked(box)) == ["a.xml"]


def test_a_growing_file_is_left_alone_until_it_rests(box: Mailbox, clock: Clock) -> None:
    file = outbox(box, "a.xml")
    for part in (b"<a>", b"1", b"2", b"3", b"</a>"):
        with file.open("ab") as writer:
            writer.write(part)
        assert looked(box) == []
        clock.pass_(2.1)

    [drop] = looked(box)

    assert drop.raw == b"<a>123</a>"


def test_a_copy_with_an_old_time_proves_nothing(box: Mailbox, clock: Clock) -> None:
    file = outbox(box, "a.xml")
    file.write_bytes(b"<half")
    os.utime(file, (1, 1))
    assert looked(box) == []
    clock.pass_(1.5)
    file.write_bytes(b"<whole/>")
    os.utime(file, (1, 1))
    clock.pass_(1.5)
    assert looked(box) == []
    clock.pass_(2.1)

    assert [d.raw for d in looked(box)] == [b"<whole/>"]


def test_a_file_that_somebody_still_writes_is_left_alone_however_long_it_rests(box: Mailbox, clock: Clock) -> None:
    with outbox(box, "a.xml").open("wb") as writer:
        writer.write(b"<half")
        writer.flush()
        assert settled(box, clock) == []
        clock.pass_(60)
        assert looked(box) == []
        writer.write(b"/>")
    box.hint(b"a.xml", whole=False)

    assert [d.raw for d in settled(box, clock)] == [b"<half/>"]


def test_what_lay_there_before_the_start_is_taken_at_once(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "box" / "OutBox").mkdir(parents=True)
    (tmp_path / "box" / "OutBox" / "a.xml").write_bytes(b"<a/>")
    time.sleep(0.05)
    box = Mailbox(
        tmp_path / "box",
        "demo",
        settle=timedelta(milliseconds=10),
        ignored_after=timedelta(minutes=10),
        most_bytes=1000,
        monotonic=clock,
    )

    assert names(looked(box)) == ["a.xml"]


def test_a_writing_after_the_rename_takes_the_promise_back(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    box.hint(b"a.xml", whole=False)

    assert looked(box) == []


def test_files_come_in_order_of_name_whenever_they_came(box: Mailbox) -> None:
    for name in ("b.xml", "a2.xml", "a10.xml", "中.xml", "Z.xml"):
        rename_in(box, name)
    first = looked(box, 2)
    rename_in(box, "a3.xml")

    assert names(first + looked(box)) == ["Z.xml", "a10.xml", "a2.xml", "a3.xml", "b.xml", "中.xml"]


def test_a_file_in_hand_is_not_handed_out_again(box: Mailbox, clock: Clock) -> None:
    rename_in(box, "a.xml")
    [drop] = looked(box)
    clock.pass_(5)

    assert looked(box) == []
    taken(box, drop, "m1")
    clock.pass_(5)
    assert looked(box) == []


def test_a_file_that_could_not_be_committed_comes_again(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    box.sweep()
    with box.hand(100) as drops:
        pass

    assert looked(box) == drops != []


def test_an_original_goes_through_work_to_its_box(box: Mailbox) -> None:
    rename_in(box, "a.XML", b"<a/>")
    [drop] = looked(box)

    assert taken(box, drop, "m1") == box.folder / "work" / "m1.xml"
    assert list(box.in_work()) == ["m1"]
    assert box.place("m1", drop.name, folder="SentBox", stamp=STAMP) == f"a_{STAMP}.XML"
    assert box.place("m1", drop.name, folder="SentBox", stamp=STAMP) is None
    assert [p.read_bytes() for p in all_files(box, "OutBox", "work", "SentBox", "FailBox")] == [b"<a/>"]


def test_an_original_that_is_judged_before_it_is_moved_still_ends_in_its_box(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    [drop] = looked(box)

    assert box.place("m1", drop.name, folder="FailBox", stamp=STAMP) is None
    taken(box, drop, "m1")

    assert all_files(box, "OutBox", "work", "FailBox") == [box.folder / "FailBox" / f"a_{STAMP}.xml"]


def test_the_same_file_twice_lies_in_its_box_once(box: Mailbox) -> None:
    for message in ("m1", "m2"):
        rename_in(box, "a.xml", b"<same/>")
        taken(box, looked(box)[0], message)
        box.place(message, "a.xml", folder="SentBox", stamp=STAMP)

    assert all_files(box, "OutBox", "work", "SentBox") == [box.folder / "SentBox" / f"a_{STAMP}.xml"]


@pytest.mark.parametrize("without", ["the call", "the flag"])
def test_a_system_that_cannot_tell_whether_a_name_is_free_is_asked_before(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    def unknown(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    monkeypatch.setattr(files, "_renameat2", None if without == "the call" else unknown)
    for message, content in (("m1", b"<one/>"), ("m2", b"<other/>"), ("m3", b"<one/>")):
        rename_in(box, "a.xml", content)
        taken(box, looked(box)[0], message)
        box.place(message, "a.xml", folder="SentBox", stamp=STAMP)

    lie = sorted(path.read_bytes() for path in all_files(box, "OutBox", "work", "SentBox"))
    assert lie == [b"<one/>", b"<other/>"]
    assert box.place("m1", "a.xml", folder="SentBox", stamp=STAMP) is None


def test_another_file_of_the_same_name_and_time_gets_a_number(box: Mailbox) -> None:
    for message, content in (("m1", b"<one/>"), ("m2", b"<other/>")):
        rename_in(box, "a.xml", content)
        taken(box, looked(box)[0], message)
        box.place(message, "a.xml", folder="SentBox", stamp=STAMP)

    assert (box.folder / "SentBox" / f"a_{STAMP}.xml").read_bytes() == b"<one/>"
    assert (box.folder / "SentBox" / f"a_{STAMP}-2.xml").read_bytes() == b"<other/>"


def test_a_file_replaced_between_reading_and_moving_comes_again(box: Mailbox) -> None:
    rename_in(box, "a.xml", b"<old/>")
    [drop] = looked(box)
    rename_in(box, "a.xml", b"<newer/>")
    work = taken(box, drop, "m1")

    assert work.read_bytes() == b"<old/>"
    assert [d.raw for d in looked(box)] == [b"<newer/>"]


def test_of_three_files_of_one_name_none_is_lost(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_in(box, "a.xml", b"<1/>")
    [drop] = looked(box)
    rename_in(box, "a.xml", b"<22/>")
    move = originals.files.move

    def and_a_third(source: bytes, target: str, **folders: int) -> bool:
        moved = move(source, target, **folders)
        outbox(box, "a.xml").write_bytes(b"<333/>")
        return moved

    monkeypatch.setattr(originals.files, "move", and_a_third)
    taken(box, drop, "m1")

    assert sorted(p.read_bytes() for p in all_files(box, "OutBox", "work")) == [b"<1/>", b"<22/>", b"<333/>"]
    assert outbox(box, "a-2.xml").read_bytes() == b"<22/>"


@pytest.mark.requirement("GW-05")
@pytest.mark.parametrize("spoilt", ["open", "read", "let go", "carry", "block"])
def test_whatever_ends_a_hand_each_of_its_files_is_carried_away_or_comes_again(
    box: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("now")

    for n in range(4):
        rename_in(box, f"{n}.xml", b"<%d/>" % n)
    places = {
        "open": (os, "open"),
        "read": (door.file_reader, "read"),
        "let go": (door.file_reader, "identity"),
        "carry": (originals.files, "move"),
    }
    box.sweep()
    with contextlib.suppress(MemoryError), box.hand(3) as drops:
        box.committed(drops[1], "m1")
        if spoilt in places:
            monkeypatch.setattr(*places[spoilt], broken)
        if spoilt in ("open", "read"):
            with box.hand(3):
                pass
        raise MemoryError("now")
    monkeypatch.undo()

    rename_in(box, "0.xml", b"<later/>")
    came = looked(box)
    clock.pass_(5)
    came += settled(box, clock)
    assert sorted((d.name, d.raw) for d in came) == [("0.xml", b"<later/>"), ("2.xml", b"<2/>"), ("3.xml", b"<3/>")]
    assert all_files(box, "work") == [box.folder / "work" / "m1.xml"]


def test_a_committed_file_that_cannot_be_carried_keeps_no_other_of_its_hand(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = originals.files.move

    def one_fails(source: bytes, target: str, **folders: int) -> bool:
        if "m0" in target:
            raise OSError(13, "Permission denied")
        return move(source, target, **folders)

    for n in range(3):
        rename_in(box, f"{n}.xml")
    monkeypatch.setattr(originals.files, "move", one_fails)
    box.sweep()
    with pytest.raises(StationBroken, match="Permission denied"), box.hand(3) as drops:
        for n, drop in enumerate(drops):
            box.committed(drop, f"m{n}")
    monkeypatch.undo()

    assert sorted(p.name for p in all_files(box, "OutBox", "work")) == ["0.xml", "m1.xml", "m2.xml"]
    assert looked(box) == []
    assert sorted(p.name for p in all_files(box, "OutBox", "work")) == ["m0.xml", "m1.xml", "m2.xml"]


def test_a_file_moved_by_an_earlier_run_is_no_trouble(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    [drop] = looked(box)
    os.rename(drop.path, box.folder / "work" / "m1.xml")

    assert taken(box, drop, "m1").exists()


def test_a_disk_that_does_not_move_a_committed_file_is_told_and_the_file_carried_later(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    rename_in(box, "a.xml")
    [drop] = looked(box)
    monkeypatch.setattr(originals.files, "move", full)
    for _ in range(3):
        with pytest.raises(StationBroken, match="No space left"):
            taken(box, drop, "m1")
        with pytest.raises(StationBroken, match="No space left"):
            box.sweep()
    monkeypatch.undo()

    assert looked(box) == []
    assert all_files(box, "OutBox", "work") == [box.folder / "work" / "m1.xml"]


def test_an_empty_file_is_a_fault(box: Mailbox) -> None:
    rename_in(box, "a.xml", b"")

    [drop] = looked(box)

    assert (drop.raw, drop.problem.code) == (None, "GW-D03")  # type: ignore[union-attr]


def test_a_huge_file_is_a_fault_and_never_read(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("read"))
    rename_in(box, "a.xml", b"x" * 1001)

    [drop] = looked(box)

    assert (drop.raw, drop.size_bytes, drop.problem.code) == (None, 1001, "GW-D02")  # type: ignore[union-attr]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_an_unreadable_file_is_a_fault_once_it_had_time_to_become_readable(tmp_path: Path, clock: Clock) -> None:
    folder = Path("/tmp") / f"unreadable-{os.getpid()}"
    box = mailbox_at(folder, clock)
    try:
        os.chmod(rename_in(box, "a.xml"), 0)
        for each in (folder, folder / "OutBox"):
            os.chmod(each, 0o777)
        os.seteuid(65534)
        assert looked(box) == []
        clock.pass_(2.1)
        [drop] = looked(box)
    finally:
        os.seteuid(0)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()

    assert (drop.raw, drop.problem.code) == (None, "GW-D01")  # type: ignore[union-attr]


def test_a_file_that_changes_while_it_is_read_is_left_alone(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    file = rename_in(box, "a.xml", b"<a/>")
    read = os.read

    def and_more(handle: int, most: int) -> bytes:
        with file.open("ab") as writer:
            writer.write(b"<!-- -->")
        return read(handle, most)

    monkeypatch.setattr(os, "read", and_more)

    assert looked(box) == []


def test_what_is_no_file_is_never_opened_and_listed_after_a_while(box: Mailbox, clock: Clock, tmp_path: Path) -> None:
    outbox(box, "folder.xml").mkdir()
    os.mkfifo(outbox(box, "pipe.xml"))
    outbox(box, "link.xml").symlink_to(tmp_path / "elsewhere")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(outbox(box))
        listener.bind("socket.xml")
        os.chdir(here)
    outbox(box, "readme.txt").write_bytes(b"?")
    outbox(box, "a.xml.tmp").write_bytes(b"?")
    for name in (b"pipe.xml", b"folder.xml", b"link.xml"):
        box.hint(name, whole=True)

    assert settled(box, clock) == []
    assert box.ignored() == []
    clock.pass_(601)
    assert looked(box) == []
    assert [i["file"] for i in box.ignored()] == ["a.xml.tmp", "folder.xml", "link.xml", "pipe.xml", "readme.txt", "socket.xml"]


def test_what_is_gone_is_not_listed_any_more(box: Mailbox, clock: Clock) -> None:
    outbox(box, "readme.txt").write_bytes(b"?")
    looked(box)
    clock.pass_(601)
    looked(box)
    assert box.ignored("en")[0]["why"] == "the name does not end in .xml, .json or .zip"
    outbox(box, "readme.txt").unlink()
    clock.pass_(5)
    looked(box)

    assert box.ignored() == []


def test_a_file_that_vanishes_is_no_trouble(box: Mailbox) -> None:
    rename_in(box, "a.xml").unlink()

    assert looked(box) == []
    assert box.settles_in() is None


@pytest.mark.parametrize("how", ["missing", "link", "file", "fifo"])
def test_while_a_folder_is_not_a_folder_nothing_is_taken_or_carried_and_then_it_goes_on(
    box: Mailbox, clock: Clock, tmp_path: Path, how: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.xml").write_bytes(b"<another account's/>")
    rename_in(box, "a.xml")
    for folder in ("OutBox", "work", "Status"):
        os.rename(box.folder / folder, tmp_path / "aside")
        if how == "link":
            (box.folder / folder).symlink_to(elsewhere)
        elif how == "file":
            (box.folder / folder).write_bytes(b"")
        elif how == "fifo":
            os.mkfifo(box.folder / folder)
        assert settled(box, clock) == []
        assert str(box.folder / folder) in str(box.folders.wrong)
        assert how == "missing" or os.path.lexists(box.folder / folder)
        if how != "missing":
            os.unlink(box.folder / folder)
        assert not os.path.lexists(box.folder / folder)
        os.rename(tmp_path / "aside", box.folder / folder)
    clock.pass_(5)
    [drop] = settled(box, clock)

    assert taken(box, drop, "m1").read_bytes() == b"<a/>"
    assert [p.name for p in elsewhere.iterdir()] == ["b.xml"]


def test_another_folder_in_its_place_is_taken_up_and_its_files_have_to_rest(box: Mailbox, clock: Clock, tmp_path: Path) -> None:
    rename_in(box, "a.xml", b"<moved away/>")
    os.rename(outbox(box), tmp_path / "aside")
    outbox(box).mkdir()
    assert looked(box) == []
    assert "was replaced" in str(box.folders.noticed)
    clock.pass_(5)
    assert looked(box) == []
    outbox(box, "a.xml").write_bytes(b"<new/>")

    assert [d.raw for d in settled(box, clock)] == [b"<new/>"]


def test_a_file_with_a_second_name_is_left_alone_until_it_has_one(box: Mailbox, clock: Clock, tmp_path: Path) -> None:
    os.link(rename_in(box, "a.xml"), tmp_path / "second")
    assert settled(box, clock) == []
    clock.pass_(601)
    assert looked(box) == []
    assert [i["file"] for i in box.ignored()] == ["a.xml"]
    (tmp_path / "second").unlink()
    clock.pass_(5)

    assert names(settled(box, clock)) == ["a.xml"]


@pytest.mark.parametrize("planted", ["link", "fifo", "folder", "second name"])
def test_what_somebody_put_under_the_name_in_a_box_is_neither_opened_nor_replaced(
    box: Mailbox, tmp_path: Path, planted: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"<a/>")
    target = box.folder / "SentBox" / f"a_{STAMP}.xml"
    {
        "link": lambda: target.symlink_to(secret),
        "fifo": lambda: os.mkfifo(target),
        "folder": target.mkdir,
        "second name": lambda: os.link(secret, target),
    }[planted]()
    rename_in(box, "a.xml", b"<b/>")
    [drop] = looked(box)
    taken(box, drop, "m1")

    assert box.place("m1", "a.xml", folder="SentBox", stamp=STAMP) == f"a_{STAMP}-2.xml"
    assert (secret.read_bytes(), os.path.lexists(target)) == (b"<a/>", True)


def test_a_list_is_used_up_before_it_is_made_again(box: Mailbox, clock: Clock) -> None:
    for n in range(4):
        rename_in(box, f"{n}.xml")
    assert names(looked(box, 1)) == ["0.xml"]
    os.rename(outbox(box, "3.xml"), outbox(box, "0a.xml"))

    assert names(looked(box, 1)) == ["1.xml"]
    clock.pass_(1.1)
    looked(box, 0)
    clock.pass_(2.1)
    assert names(looked(box)) == ["2.xml"]
    clock.pass_(2.1)
    assert names(looked(box)) == ["0a.xml"]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[int]:
    """How many names each listing of OutBox found; listing takes its time, as it does."""
    sizes: list[int] = []
    scan = Mailbox._scan

    def scanned(box: Mailbox) -> object:
        ours, others = scan(box)
        sizes.append(len(ours) + len(others))
        clock.pass_(PER_NAME * sizes[-1])
        return ours, others

    monkeypatch.setattr(Mailbox, "_scan", scanned)
    return sizes


PER_NAME = 2e-5  #: seconds


def waiting(box: Mailbox, count: int, suffix: str = ".xml") -> None:
    for n in range(count):
        outbox(box, f"{n:06d}{suffix}").write_bytes(b"<a/>")


@pytest.mark.parametrize("suffix", [".xml", ".part"])
def test_however_many_files_wait_they_are_listed_in_a_hundredth_of_the_time(
    tmp_path: Path, clock: Clock, listed: list[int], suffix: str
) -> None:
    box = mailbox_at(tmp_path / "box", clock)
    waiting(box, 2000, suffix)
    began = clock.now
    for _ in range(600):
        looked(box, 1)
        clock.pass_(0.1)

    assert len(listed) >= 2 and sum(listed) * PER_NAME <= (clock.now - began) / 100 + 2 * 2000 * PER_NAME


def test_while_a_list_is_used_up_what_is_heard_of_comes_in_its_order(box: Mailbox, clock: Clock, listed: list[int]) -> None:
    waiting(box, 2000)
    assert looked(box) == []
    clock.pass_(2.1)
    assert names(looked(box, 1)) == ["000000.xml"]
    before = len(listed)
    rename_in(box, "000001a.xml")
    rename_in(box, "000000a.xml")

    assert names(looked(box, 3)) == ["000000a.xml", "000001.xml", "000001a.xml"]
    assert len(listed) == before


def test_lost_hints_have_the_folder_listed_at_once(box: Mailbox, listed: list[int]) -> None:
    waiting(box, 2000)
    looked(box, 1)
    before = len(listed)
    box.sweep()
    assert len(listed) == before
    box.distrust()
    box.sweep()

    assert len(listed) == before + 1


def test_what_came_unheard_is_found_when_the_folder_is_listed_again(box: Mailbox, clock: Clock, listed: list[int]) -> None:
    waiting(box, 2000)
    looked(box, 0)
    outbox(box, "unheard.xml").write_bytes(b"<a/>")
    clock.pass_(2000 * PER_NAME / door.SHARE + 0.1)
    box.sweep()

    assert listed[-1] == 2001


def test_a_file_that_has_rested_needs_no_listing(box: Mailbox, clock: Clock, listed: list[int]) -> None:
    waiting(box, 2000, ".part")
    looked(box)
    outbox(box, "a.xml").write_bytes(b"<a/>")
    box.hint(b"a.xml", whole=False)
    assert looked(box) == []
    assert box.settles_in() == pytest.approx(2.0)
    before = len(listed)
    while not (found := looked(box)):
        clock.pass_(0.1)

    assert (names(found), len(listed), box.settles_in()) == (["a.xml"], before, None)


def test_what_is_ignored_is_put_together_when_it_changes_however_often_it_is_asked_for(
    box: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(file_names, "shown", lambda name: shown.append(name) or name)
    waiting(box, 50, ".part")
    looked(box)
    assert box.ignored() == []
    clock.pass_(601)
    for _ in range(100):
        looked(box)
        clock.pass_(1)
        assert len(box.ignored()) == 50
    assert len(shown) == 50
    outbox(box, "000007.part").unlink()
    outbox(box, "new.part").write_bytes(b"")
    looked(box)
    assert len(box.ignored()) == 49
    clock.pass_(601)

    assert [line["file"] for line in box.ignored()][-1] == "new.part"
    assert len(box.ignored("en")) == 50


def test_an_empty_folder_is_listed_as_often_as_anybody_looks(box: Mailbox, clock: Clock, listed: list[int]) -> None:
    for _ in range(10):
        looked(box)
        clock.pass_(0.1)

    assert len(listed) == 10


class Crash(BaseException):
    """The machine stopped here."""


@pytest.mark.parametrize("survived", range(3))
def test_a_crash_at_any_rename_leaves_the_file_in_exactly_one_place(
    box: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    left = [survived]

    def crash(place: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash(place)

    rename_in(box, "a.xml", b"<a/>")
    monkeypatch.setattr(originals.files, "crash_point", crash)
    with contextlib.suppress(Crash):
        [drop] = looked(box)
        taken(box, drop, "m1")
        box.place("m1", "a.xml", folder="SentBox", stamp=STAMP)
    monkeypatch.undo()
    again = mailbox_at(box.folder, clock)
    again.hint(b"a.xml", whole=True)
    for drop in looked(again):
        taken(again, drop, "m1")
    for message in list(again.in_work()):
        again.place(message, "a.xml", folder="SentBox", stamp=STAMP)

    assert all_files(again, "OutBox", "work", "SentBox", "FailBox") == [box.folder / "SentBox" / f"a_{STAMP}.xml"]


BYTES = st.binary(min_size=0, max_size=251).filter(lambda raw: b"/" not in raw and b"\0" not in raw)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stem=BYTES, ending=st.sampled_from([b".xml", b".XML", b".Zip"]), folder=st.sampled_from(["SentBox", "FailBox"]))
def test_any_name_that_a_file_system_allows_ends_in_exactly_one_place(
    tmp_path_factory: pytest.TempPathFactory, stem: bytes, ending: bytes, folder: str
) -> None:
    box = mailbox_at(tmp_path_factory.mktemp("any"), Clock())
    rename_in(box, stem + ending, b"<a/>")

    [drop] = looked(box)
    assert file_names.as_bytes(drop.name) == stem + ending
    taken(box, drop, "m1")
    placed = box.place("m1", drop.name, folder=folder, stamp=STAMP)

    assert all_files(box, "OutBox", "work", "SentBox", "FailBox") == [box.folder / folder / (placed or "")]
    (box.folder / "Status" / file_names.status_name(drop.name)).write_bytes(b"{}")
