"""A file is whole at every moment, whatever ends the writing."""

from __future__ import annotations

import os
import resource
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import wait_until

from tongguan.gateway.system.storage import files


class Killed(BaseException):
    """The end of the process."""


@pytest.fixture
def killed_at_rename(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def die(place: str) -> None:
        if place == "rename":
            raise Killed

    monkeypatch.setattr(files, "crash_point", die)
    yield


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    for content in (b"", b"x", b"y" * 1_000_000):
        files.write(tmp_path / "a", content, durable=True)
        assert (tmp_path / "a").read_bytes() == content
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_has_the_mode_that_is_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "a", b"", mode=0o640)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200_000), st.binary(max_size=200_000))
def test_after_a_crash_the_old_file_is_there_whole(tmp_path: Path, killed_at_rename: None, before: bytes, after: bytes) -> None:
    (tmp_path / "a").write_bytes(before)
    with pytest.raises(Killed):
        files.write(tmp_path / "a", after)

    assert (tmp_path / "a").read_bytes() == before


def test_after_a_crash_a_new_file_is_not_there_at_all(tmp_path: Path, killed_at_rename: None) -> None:
    with pytest.raises(Killed):
        files.write(tmp_path / "a", b"new")

    assert not (tmp_path / "a").exists()


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    files.write(tmp_path / "a", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the file takes a part and refuses the rest
    try:
        with pytest.raises(OSError):
            files.write(tmp_path / "a", b"n" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)

    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path: Path) -> None:
    name = "通" * 85

    files.write(tmp_path / name, b"x")
    assert os.listdir(tmp_path) == [name]


def test_a_name_without_a_folder_lies_in_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.write("a", b"x", durable=True)

    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_secret_is_its_owners_alone_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(files, "crash_point", lambda place: seen.extend(p.stat().st_mode for p in tmp_path.iterdir()))
    files.write(tmp_path / "key", b"x", mode=0o600)

    assert [stat.S_IMODE(mode) for mode in seen] == [0o600]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_of_two_who_move_one_file_one_has_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    assert files.move(tmp_path / "a", tmp_path / "b") is True
    assert files.move(tmp_path / "a", tmp_path / "c") is False
    assert os.listdir(tmp_path) == ["b"]


def test_moving_into_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")

    with pytest.raises(FileNotFoundError):
        files.move(tmp_path / "a", tmp_path / "missing" / "a")
    assert (tmp_path / "a").exists()


def test_a_crash_before_a_move_leaves_the_file_where_it_was(tmp_path: Path, killed_at_rename: None) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(Killed):
        files.move(tmp_path / "a", tmp_path / "b")

    assert os.listdir(tmp_path) == ["a"]


class Door:
    """A lock that counts who came to it."""

    def __init__(self) -> None:
        self.came, self._lock = 0, threading.Lock()

    def __enter__(self) -> None:
        self.came += 1
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize(("result", "times"), [(0, 2), (-1, 10)])
def test_who_asks_while_a_file_system_is_synced_shares_the_next_one_unless_one_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: int, times: int
) -> None:
    folder, go_on, door = os.open(tmp_path, os.O_RDONLY), threading.Event(), Door()
    calls: list[int] = []

    def syncfs(handle: int) -> int:
        calls.append(handle)
        go_on.wait()
        return result if len(calls) == 1 else 0

    def ask() -> None:
        with suppress(OSError):
            files.sync_file_system(folder)

    monkeypatch.setattr(files, "_libc", SimpleNamespace(syncfs=syncfs))
    monkeypatch.setattr(files, "_syncs", {os.fstat(folder).st_dev: files._Syncs(door)})  # type: ignore[arg-type]
    asking = [threading.Thread(target=ask) for _ in range(10)]
    asking[0].start()
    wait_until(lambda: calls, "the first to begin")
    for thread in asking[1:]:
        thread.start()
    wait_until(lambda: door.came == 10, "all to ask")
    go_on.set()
    for thread in asking:
        thread.join()
    os.close(folder)

    assert len(calls) == times
