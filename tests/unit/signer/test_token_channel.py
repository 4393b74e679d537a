"""Whatever ends the reading of a card's answers, whoever waits for one is told at once."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import wait_until

from tongguan.signer.cards.token_channel import TokenChannel
from tongguan.signer.errors import CardBroken

#: a card's process that answers whatever it is asked with these bytes, and goes on
ANSWERS = "import sys; sys.stdin.buffer.read(5); sys.stdout.buffer.write({}); sys.stdout.flush(); sys.stdin.buffer.read()"
FOREVER = 600.0


def channel(tmp_path: Path, answer: bytes) -> TokenChannel:
    return TokenChannel([sys.executable, "-c", ANSWERS.format(answer)], tmp_path, dict(os.environ), FOREVER)


def frame(kind: bytes, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + kind + payload


@pytest.mark.parametrize(
    "answer",
    [frame(b"-", b"[]"), frame(b"-", b"{}"), frame(b"-", b"[" * 100_000), frame(b"-", b"\xff"), frame(b"+", b"") * 3],
    ids=["a list", "no fault", "too deep", "no text", "more than was asked"],
)
def test_answers_that_are_none_end_the_card_and_nobody_waits(tmp_path: Path, answer: bytes) -> None:
    card = channel(tmp_path, answer)
    try:
        for _ in range(2):
            card.ask(b"P", answers=1)
    except CardBroken:
        pass
    wait_until(lambda: card.ended, "the channel to be given up")
    with pytest.raises(CardBroken):
        card.ask(b"P")
    card.close()


@pytest.mark.parametrize("error", [MemoryError, SystemExit, RuntimeError, KeyError])
def test_whatever_ends_the_reading_thread_all_who_wait_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[str], BaseException]
) -> None:
    def fails(self: TokenChannel, kind: bytes, payload: bytes) -> None:
        raise error("of the test")

    monkeypatch.setattr(TokenChannel, "_hand_out", fails)
    card = channel(tmp_path, frame(b"+", b"x"))
    said: list[str] = []

    def ask() -> None:
        try:
            card.ask(b"P")
        except CardBroken as broken:
            said.append(str(broken))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(said) == len(threads)
    assert card.ended
    card.close()
