"""A rename into a drop folder wakes the door at once; whatever is missed is found by the sweep."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from patience import Patience, here

from tongguan.gateway.system.storage.folders import FOLDERS
from tongguan.inbox.mailbox import Mailbox
from tongguan.inbox.watch import Watch


def mailbox(folder: Path) -> Mailbox:
    return Mailbox(
        folder, folder.name, settle=timedelta(milliseconds=200), ignored_after=timedelta(minutes=1), most_bytes=1 << 20
    )


def rename_in(box: Mailbox, name: str) -> None:
    target = box.folder / "OutBox" / name
    target.with_name(name + ".tmp").write_bytes(b"<a/>")
    os.rename(target.with_name(name + ".tmp"), target)


@pytest.fixture
def boxes(tmp_path: Path) -> list[Mailbox]:
    return [mailbox(tmp_path / name) for name in ("one", "two")]


@pytest.fixture
def watch(boxes: list[Mailbox]) -> Iterator[Watch]:
    made = Watch(boxes)
    yield made
    made.close()


def take(box: Mailbox) -> list[str]:
    box.sweep()
    with box.hand(100_000) as drops:
        for drop in drops:
            box.committed(drop, drop.name.removesuffix(".xml"))
        return [drop.name for drop in drops]


def test_a_rename_is_taken_at_once_and_in_the_right_mailbox(watch: Watch, boxes: list[Mailbox]) -> None:
    rename_in(boxes[1], "a.xml")

    assert watch.wait(here(5))
    assert [take(box) for box in boxes] == [[], ["a.xml"]]


def test_a_rename_wakes_the_door_within_milliseconds(watch: Watch, boxes: list[Mailbox]) -> None:
    dropped: list[float] = []

    def drop() -> None:
        time.sleep(0.05)
        dropped.append(time.perf_counter())
        rename_in(boxes[0], "a.xml")

    thread = threading.Thread(target=drop)
    thread.start()
    assert watch.wait(here(5))
    names = take(boxes[0])
    late = time.perf_counter() - dropped[0]
    thread.join()

    assert names == ["a.xml"]
    assert late < here(1), "a sweep would be seconds later"


def test_a_file_written_in_place_wakes_the_door_when_it_has_rested(watch: Watch, boxes: list[Mailbox]) -> None:
    (boxes[0].folder / "OutBox" / "a.xml").write_bytes(b"<a/>")
    start = time.monotonic()
    taken: list[str] = []
    while not taken and time.monotonic() - start < here(5):
        watch.wait(here(5))
        taken = take(boxes[0])

    assert taken == ["a.xml"]
    assert 0.19 < time.monotonic() - start < here(2)


def test_other_names_wake_nobody(watch: Watch, boxes: list[Mailbox]) -> None:
    (boxes[0].folder / "OutBox" / "a.txt").write_bytes(b"")

    assert not watch.wait(0.05)


def test_wake_ends_the_wait_from_another_thread(watch: Watch) -> None:
    threading.Timer(0.05, watch.wake).start()
    start = time.monotonic()

    assert watch.wait(here(5))
    assert time.monotonic() - start < here(2)


def test_a_folder_deleted_and_made_again_is_watched_again(watch: Watch, boxes: list[Mailbox]) -> None:
    shutil.rmtree(boxes[0].folder)
    watch.wait(1)
    assert take(boxes[0]) == []
    for name in FOLDERS:
        (boxes[0].folder / name).mkdir(parents=True)
    watch.wait(0.2)
    take(boxes[0])
    watch.wait(0)
    rename_in(boxes[0], "a.xml")

    assert watch.wait(here(5))
    assert take(boxes[0]) == ["a.xml"]


def test_without_events_the_sweep_finds_everything(boxes: list[Mailbox]) -> None:
    watch = Watch(boxes, events=False)
    rename_in(boxes[0], "a.xml")
    start = time.monotonic()
    taken: list[str] = []
    while not taken and time.monotonic() - start < here(5):
        watch.wait(here(5))
        taken = take(boxes[0])
    watch.close()

    assert taken == ["a.xml"]


def test_more_renames_than_the_queue_holds_are_all_found(watch: Watch, boxes: list[Mailbox]) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 50_000:
        pytest.skip("the queue is too long to overflow quickly")
    outbox = boxes[0].folder / "OutBox"
    for n in range(limit // 2 + 10):
        (outbox / f"{n}.tmp").write_bytes(b"<a/>")
        os.rename(outbox / f"{n}.tmp", outbox / f"{n}.xml")
    found = 0
    patience = Patience(moves=lambda: found)
    while found < limit // 2 + 10 and not patience.over():
        watch.wait(1)
        boxes[0].sweep()
        found += len(take(boxes[0]))

    assert found == limit // 2 + 10


class Deaf:
    """A folder that inotify refuses to watch."""

    outbox, generation = b"/nowhere", 1

    def __init__(self) -> None:
        self.told: list[str] = []

    def hint(self, name: bytes, *, whole: bool) -> bool:
        raise AssertionError("nothing is heard of it")

    def distrust(self) -> None:
        self.told.append("distrust")

    def wake(self) -> None:
        self.told.append("wake")

    def settles_in(self) -> float | None:
        return None


def test_a_folder_that_cannot_be_watched_is_woken_and_lists_as_often_as_it_can_afford() -> None:
    deaf = Deaf()
    watch = Watch([deaf])
    for _ in range(3):
        watch.wait(here(5))
    watch.close()

    assert deaf.told == ["wake"] * len(deaf.told) and len(deaf.told) >= 3
