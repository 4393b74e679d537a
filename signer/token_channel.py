"""Keep one card's process running and speak with it from many threads.

Requests of all threads go down the pipe as they come, without waiting for answers, so the card never idles while there is work;
a reading thread hands the answers out in the same order. When the process ends or falls silent, all who wait are told.
"""

import json
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from tongguan.signer.errors import CardBroken
from tongguan.signer.pin import Secret
from tongguan.signer.token_process import Fault, frame, read_frame


class _Question:
    """One request on its way: complete with `wanted` answers or a fault."""

    __slots__ = ("answers", "complete", "error", "wanted")

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.answers: list[bytes] = []
        self.error: Fault | CardBroken | None = None
        self.complete = threading.Event()


class Channel:
    """A started process; `timeout` is the longest silence, in seconds, while an answer is awaited."""

    def __init__(self, program: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float) -> None:
        self._timeout = timeout
        self._write = threading.Lock()
        self._open_questions: deque[_Question] = deque()
        self._ended = False
        self._answers_seen = 0
        try:
            # No stderr: a library of a card that is set to talk could print what it was given.
            self._process = subprocess.Popen(
                [*program, str(max(1, round(timeout)) + 1)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
            )
        except OSError as error:
            raise CardBroken(f"the card's process does not start: {error}") from None
        threading.Thread(target=self._read, name="card answers", daemon=True).start()

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Tell whether the process is gone; only a new channel helps then."""
        return self._ended

    def ask(self, kind: bytes, payload: bytes | Secret = b"", *, answers: int = 1) -> list[bytes]:
        """Send a request and wait for its answers; raises Fault, or CardBroken when the process ends or falls silent."""
        question = _Question(answers)
        self._send(question, kind, payload)
        seen = self._answers_seen
        while not question.complete.wait(self._timeout):
            if seen == self._answers_seen:
                self._ended = True
                self._process.kill()
                raise CardBroken(f"no answer from the card within {self._timeout:g} s")
            seen = self._answers_seen
        if question.error is not None:
            raise question.error
        return question.answers

    def close(self) -> None:
        """End the process once it has answered what it was asked."""
        with self._write, suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, question: _Question, kind: bytes, payload: bytes | Secret) -> None:
        with self._write:
            if self._ended:
                raise CardBroken("the card's process has ended")
            self._open_questions.append(question)
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(frame(kind, payload.reveal().encode() if isinstance(payload, Secret) else payload))
                self._process.stdin.flush()
            except (OSError, ValueError):
                self._ended = True
                self._process.kill()  # the reading thread sees the end and tells everybody

    def _read(self) -> None:
        """Hand out answers until there are none, then tell all who still wait."""
        assert isinstance(self._process.stdout, BufferedReader) and self._process.stdin is not None
        try:
            while (received := read_frame(self._process.stdout)) is not None:
                self._hand_out(*received)
        except (IndexError, ValueError, KeyError):
            pass  # something else than answers came through: this process is of no use any more
        self._process.kill()
        self._process.wait()
        with self._write:
            self._ended = True
            with suppress(OSError):
                self._process.stdin.close()
        self._process.stdout.close()
        for question in self._open_questions:
            question.error = CardBroken("the card's process has ended")
            question.complete.set()

    def _hand_out(self, kind: bytes, payload: bytes) -> None:
        self._answers_seen += 1
        question = self._open_questions[0]
        if kind == b"+":
            question.answers.append(payload)
        else:
            told: Any = json.loads(payload)
            question.error = Fault(told["kind"], told["name"])
        if question.error is not None or len(question.answers) == question.wanted:
            self._open_questions.popleft()
            question.complete.set()
