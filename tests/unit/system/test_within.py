"""What may hang in a call of the system is asked in a thread that can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import here, wait_until

from tongguan.gateway.system.storage import folders
from tongguan.gateway.system.storage.folders import Folders
from tongguan.gateway.system.threads import within


@pytest.fixture
def answers() -> Iterator[threading.Event]:
    """Until this is set, who waits for it hangs."""
    made = threading.Event()
    yield made
    made.set()


def test_who_does_not_answer_is_left_out_and_asked_again_only_when_nobody_hangs_there(
    tmp_path: Path, answers: threading.Event
) -> None:
    asked: list[threading.Thread] = []

    def hangs() -> str:
        asked.append(threading.current_thread())
        answers.wait()
        return "late"

    one, two = tmp_path / "one", tmp_path / "two"
    for _ in range(3):
        assert within(here(0.5), {one: hangs, two: lambda: "two"}) == {two: "two"}
    assert len(asked) == 1
    answers.set()
    asked[0].join()

    assert within(here(5), {one: hangs}) == {one: "late"}


def test_what_is_raised_there_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        within(here(5), {tmp_path: lambda: 1 // 0})


def test_a_mailbox_in_which_another_thread_hangs_counts_as_away(
    tmp_path: Path, answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "ANSWER", 0.1)
    box = Folders(tmp_path / "box")
    assert box.here()
    looks = threading.Event()

    def hangs(self: Folders) -> None:
        looks.set()
        answers.wait()

    with monkeypatch.context() as patch:
        patch.setattr(Folders, "_moved", hangs)
        door = threading.Thread(target=box.here, daemon=True)
        door.start()
        wait_until(looks.is_set, "another to look")
    assert not box.here()
    assert box.noticed is not None and "does not answer" in str(box.noticed)
    answers.set()
    door.join()

    assert box.here()


def test_once_all_ends_what_hangs_is_not_waited_for(tmp_path: Path) -> None:
    stopping, goes_on = threading.Event(), threading.Event()
    threading.Timer(0.1, stopping.set).start()
    try:
        assert within(3600, {tmp_path: goes_on.wait}, stopping=stopping) == {}
    finally:
        goes_on.set()
