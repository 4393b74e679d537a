"""Files that are rewritten all the time: whole at every moment, and no inode freed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tongguan.gateway.system.storage import files
from tongguan.outbox.status.rewriting import Rewriter as Bare

from .conftest import Clock


class Rewriter:
    """A rewriter whose targets are given by their whole paths."""

    def __init__(self, spares: Path, monotonic: Clock) -> None:
        spares.mkdir(exist_ok=True)
        self._folder = os.open(spares.parent, os.O_RDONLY)
        self._bare = Bare(os.open(spares, os.O_RDONLY), monotonic=monotonic)

    def write(self, target: str, content: bytes) -> None:
        self._bare.write(self._folder, os.path.basename(target), content)

    def link(self, path: str, second: str) -> None:
        self._bare.link((self._folder, os.path.basename(path)), (self._folder, os.path.basename(second)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rewriter(tmp_path: Path, clock: Clock) -> Rewriter:
    return Rewriter(tmp_path / ".spare", monotonic=clock)


def test_what_was_written_last_is_read(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    target = tmp_path / "a"
    for content in (b"long content", b"short", b"", b"x" * 100_000, b"y"):
        rewriter.write(str(target), content)
        clock.pass_(10)

        assert target.read_bytes() == content


def test_a_rested_file_is_filled_again_and_a_fresh_one_is_not(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    seen = []
    for _ in range(4):
        rewriter.write(str(tmp_path / "a"), b"1")
        seen.append(os.stat(tmp_path / "a").st_ino)
        clock.pass_(3)

    assert len(set(seen[:3])) == 3
    assert seen[3] in seen[:2]


def test_a_reader_who_opened_a_file_a_moment_ago_reads_it_whole(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    rewriter.write(str(tmp_path / "a"), b"first")
    with (tmp_path / "a").open("rb") as reader:
        for _ in range(3):
            rewriter.write(str(tmp_path / "a"), b"later")
            clock.pass_(1)

        assert reader.read() == b"first"


def test_a_file_that_somebody_linked_keeps_its_content_for_ever(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    rewriter.write(str(tmp_path / "a"), b"backed up")
    os.link(tmp_path / "a", tmp_path / "backup")
    for _ in range(5):
        rewriter.write(str(tmp_path / "a"), b"later")
        clock.pass_(10)

    assert (tmp_path / "backup").read_bytes() == b"backed up"


def test_a_mode_that_somebody_gave_does_not_wander_to_another_file(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    rewriter.write(str(tmp_path / "a"), b"1")
    os.chmod(tmp_path / "a", 0o777)
    for name in ("a", "b", "c"):
        rewriter.write(str(tmp_path / name), b"2")
        clock.pass_(10)

    assert [os.stat(tmp_path / name).st_mode & 0o777 for name in ("a", "b", "c")] == [0o640] * 3


def test_a_second_name_follows_and_old_content_never_shows_under_it(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    for n in range(4):
        rewriter.write(str(tmp_path / "a"), b"%d" % n)
        rewriter.link(str(tmp_path / "a"), str(tmp_path / "name"))
        clock.pass_(10)

        assert os.path.samefile(tmp_path / "a", tmp_path / "name")
    assert len(os.listdir(tmp_path / ".spare")) == 1


def test_two_files_never_get_each_other_s_content(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    for turn in range(200):
        rewriter.write(str(tmp_path / f"{turn % 7}"), b"%d of %d" % (turn, turn % 7))
        clock.pass_(1)

    assert {(tmp_path / str(n)).read_bytes() for n in range(7)} == {b"%d of %d" % (t, t % 7) for t in range(193, 200)}


def test_spares_that_nobody_wants_are_given_up(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    for _ in range(50):
        rewriter.write(str(tmp_path / "a"), b"1")
    for _ in range(60):
        clock.pass_(130)
        rewriter.write(str(tmp_path / "a"), b"1")

    assert len(os.listdir(tmp_path / ".spare")) <= 2


def test_spares_of_an_earlier_run_are_used(tmp_path: Path, rewriter: Rewriter, clock: Clock) -> None:
    for _ in range(3):
        rewriter.write(str(tmp_path / "a"), b"1")
    again = Rewriter(tmp_path / ".spare", monotonic=clock)
    for _ in range(4):
        again.write(str(tmp_path / "a"), b"2")

    assert (tmp_path / "a").read_bytes() == b"2"


def test_a_file_system_that_cannot_exchange_is_served_by_renaming(
    tmp_path: Path, rewriter: Rewriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> bool:
        raise files.RenameUnknown(errno.EINVAL, "exchange")

    rewriter.write(str(tmp_path / "a"), b"1")
    monkeypatch.setattr(rewriter._bare, "_exchange", unknown)
    rewriter.write(str(tmp_path / "a"), b"2")
    rewriter.link(str(tmp_path / "a"), str(tmp_path / "name"))

    assert (tmp_path / "name").read_bytes() == b"2"


def test_a_system_without_the_call_is_served_by_renaming(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_renameat2", None)
    rewriter = Rewriter(tmp_path / ".spare", monotonic=clock)
    for content in (b"1", b"2"):
        rewriter.write(str(tmp_path / "a"), content)
        rewriter.link(str(tmp_path / "a"), str(tmp_path / "name"))

    assert (tmp_path / "name").read_bytes() == b"2"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_a_file_of_another_group_is_not_filled_again_once_the_mailbox_was_given_to_one(
    tmp_path: Path, rewriter: Rewriter, clock: Clock
) -> None:
    for content in (b"1", b"2", b"3"):
        rewriter.write(str(tmp_path / "a"), content)
    for spare in (tmp_path / ".spare").iterdir():
        os.chown(spare, -1, 43210)
    clock.pass_(10)
    for content in (b"4", b"5", b"6"):
        rewriter.write(str(tmp_path / "a"), content)

        assert os.stat(tmp_path / "a").st_gid == os.getegid()
