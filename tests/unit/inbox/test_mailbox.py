"""The drop-folder door: each file ends in exactly one place, or is left alone because it is not finished."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongguan.gateway.kernel import file_names
from tongguan.gateway.kernel.errors import StationBroken
from tongguan.inbox import mailbox as door
from tongguan.inbox.mailbox import Mailbox
from tongguan.inbox.reading import Drop

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
    box.sweep()
    return box.take(limit)


def settled(box: Mailbox, clock: Clock) -> list[Drop]:
    early = looked(box)
    clock.pass_(2.1)
    return early + looked(box)


def names(drops: list[Drop]) -> list[str]:
    return [drop.name for drop in drops]


def all_files(box: Mailbox, *folders: str) -> list[Path]:
    return [p for folder in folders for p in (box.folder / folder).iterdir() if p.name != ".clock"]


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
    box.taken(drop, "m1")
    clock.pass_(5)
    assert looked(box) == []


def test_a_file_that_could_not_be_committed_comes_again(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    [drop] = looked(box)
    box.let_go(drop)

    assert looked(box) == [drop]


def test_an_original_goes_through_work_to_its_box(box: Mailbox) -> None:
    rename_in(box, "a.XML", b"<a/>")
    [drop] = looked(box)

    assert box.taken(drop, "m1") == box.folder / "work" / "m1.xml"
    assert list(box.in_work()) == ["m1"]
    assert box.place("m1", drop.name, folder="SentBox", stamp=STAMP) == box.folder / "SentBox" / f"a_{STAMP}.XML"
    assert box.place("m1", drop.name, folder="SentBox", stamp=STAMP) is None
    assert [p.read_bytes() for p in all_files(box, "OutBox", "work", "SentBox", "FailBox")] == [b"<a/>"]


def test_an_original_that_is_judged_before_it_is_moved_still_ends_in_its_box(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    [drop] = looked(box)

    assert box.place("m1", drop.name, folder="FailBox", stamp=STAMP) is None
    box.taken(drop, "m1")

    assert all_files(box, "OutBox", "work", "FailBox") == [box.folder / "FailBox" / f"a_{STAMP}.xml"]


def test_the_same_file_twice_lies_in_its_box_once(box: Mailbox) -> None:
    for message in ("m1", "m2"):
        rename_in(box, "a.xml", b"<same/>")
        box.taken(looked(box)[0], message)
        box.place(message, "a.xml", folder="SentBox", stamp=STAMP)

    assert all_files(box, "OutBox", "work", "SentBox") == [box.folder / "SentBox" / f"a_{STAMP}.xml"]


def test_another_file_of_the_same_name_and_time_gets_a_number(box: Mailbox) -> None:
    for message, content in (("m1", b"<one/>"), ("m2", b"<other/>")):
        rename_in(box, "a.xml", content)
        box.taken(looked(box)[0], message)
        box.place(message, "a.xml", folder="SentBox", stamp=STAMP)

    assert (box.folder / "SentBox" / f"a_{STAMP}.xml").read_bytes() == b"<one/>"
    assert (box.folder / "SentBox" / f"a_{STAMP}-2.xml").read_bytes() == b"<other/>"


def test_a_file_replaced_between_reading_and_moving_comes_again(box: Mailbox) -> None:
    rename_in(box, "a.xml", b"<old/>")
    [drop] = looked(box)
    rename_in(box, "a.xml", b"<newer/>")
    work = box.taken(drop, "m1")

    assert work.read_bytes() == b"<old/>"
    assert [d.raw for d in looked(box)] == [b"<newer/>"]


def test_of_three_files_of_one_name_none_is_lost(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_in(box, "a.xml", b"<1/>")
    [drop] = looked(box)
    rename_in(box, "a.xml", b"<22/>")
    move = door.files.move

    def and_a_third(source: Path, target: Path) -> bool:
        moved = move(source, target)
        outbox(box, "a.xml").write_bytes(b"<333/>")
        return moved

    monkeypatch.setattr(door.files, "move", and_a_third)
    box.taken(drop, "m1")

    assert sorted(p.read_bytes() for p in all_files(box, "OutBox", "work")) == [b"<1/>", b"<22/>", b"<333/>"]
    assert outbox(box, "a-2.xml").read_bytes() == b"<22/>"


def test_a_file_moved_by_an_earlier_run_is_no_trouble(box: Mailbox) -> None:
    rename_in(box, "a.xml")
    [drop] = looked(box)
    os.rename(drop.path, box.folder / "work" / "m1.xml")

    assert box.taken(drop, "m1").exists()


def test_a_disk_that_does_not_move_a_file_is_told_and_the_file_found_again(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    rename_in(box, "a.xml")
    [drop] = looked(box)
    monkeypatch.setattr(door.files, "move", full)
    with pytest.raises(StationBroken, match="No space left"):
        box.taken(drop, "m1")
    monkeypatch.undo()
    box.let_go(drop)

    assert names(looked(box)) == ["a.xml"]


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


def test_a_folder_that_somebody_deleted_is_made_again(box: Mailbox) -> None:
    outbox(box).rmdir()

    assert looked(box) == []
    assert outbox(box).is_dir()


def test_folders_on_two_file_systems_are_refused_at_start(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path: real("/proc" if str(path).endswith("work") else path))

    with pytest.raises(StationBroken, match="one file system"):
        box.prepare()


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
    monkeypatch.setattr(door.files, "crash_point", crash)
    with contextlib.suppress(Crash):
        [drop] = looked(box)
        box.taken(drop, "m1")
        box.place("m1", "a.xml", folder="SentBox", stamp=STAMP)
    monkeypatch.undo()
    again = mailbox_at(box.folder, clock)
    again.hint(b"a.xml", whole=True)
    for drop in looked(again):
        again.taken(drop, "m1")
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
    box.taken(drop, "m1")
    placed = box.place("m1", drop.name, folder=folder, stamp=STAMP)

    assert all_files(box, "OutBox", "work", "SentBox", "FailBox") == [placed]
    (box.folder / "Status" / file_names.status_name(drop.name)).write_bytes(b"{}")
