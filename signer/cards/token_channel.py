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

from tongguan.gateway.system import clock
from tongguan.signer.cards.pin import Secret
from tongguan.signer.cards.token_process import TokenFault, frame, read_frame
from tongguan.signer.errors import CardBroken


class _TokenRequest:
    """One request on its way: complete with `wanted` answers or a fault."""

    __slots__ = ("answers", "complete", "error", "wanted")

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.answers: list[bytes] = []
        self.error: TokenFault | CardBroken | None = None
        self.complete = threading.Event()


class TokenChannel:
    """A started process; `timeout` is the longest silence, in seconds, while an answer is awaited."""

    def __init__(self, program: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float) -> None:
        self._timeout = timeout
        self._write = threading.Lock()
        self._open_questions: deque[_TokenRequest] = deque()
        self._ended = False
        self._answers_seen = 0
        self._heard = clock.monotonic()
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
            raise CardBroken(f"卡进程启动不了：{error}", f"the card's process does not start: {error}") from None
        threading.Thread(target=self._read, name="card answers", daemon=True).start()

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Tell whether the process is gone; only a new channel helps then."""
        return self._ended

    @property
    def silent_seconds(self) -> float:
        """Tell for how long nothing has come while an answer is awaited."""
        return clock.monotonic() - self._heard if self._open_questions else 0.0

    def ask(self, kind: bytes, payload: bytes | Secret = b"", *, answers: int = 1) -> list[bytes]:
        """Send a request and wait for its answers; raises Fault, or CardBroken when the process ends or falls silent."""
        question = _TokenRequest(answers)
        self._send(question, kind, payload)
        seen = self._answers_seen
        while not question.complete.wait(self._timeout):
            if seen == self._answers_seen:
                self._ended = True
                self._process.kill()
                raise CardBroken(f"卡在 {self._timeout:g} 秒内没有应答", f"no answer from the card within {self._timeout:g} s")
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

    def _send(self, question: _TokenRequest, kind: bytes, payload: bytes | Secret) -> None:
        with self._write:
            if self._ended:
                raise CardBroken("卡进程已结束", "the card's process has ended")
            if not self._open_questions:
                self._heard = clock.monotonic()
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
        why = "the card's process has ended"
        try:
            while (received := read_frame(self._process.stdout)) is not None:
                self._hand_out(*received)
        except (IndexError, ValueError, KeyError):
            pass  # something else than answers came through: this process is of no use any more
        except BaseException as error:  # whatever it is, it must not end in silence
            why = f"the card's answers cannot be read: {type(error).__name__}: {error}"
        finally:
            self._end(why)

    def _end(self, why: str) -> None:
        """The process is of no use any more: nobody asks it again, and all who wait are told."""
        self._process.kill()
        try:
            with self._write:
                self._ended = True
        finally:
            for question in self._open_questions:
                question.error = CardBroken(why)
                question.complete.set()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _hand_out(self, kind: bytes, payload: bytes) -> None:
        self._answers_seen += 1
        self._heard = clock.monotonic()
        question = self._open_questions[0]
        if kind == b"+":
            question.answers.append(payload)
        else:
            told: Any = json.loads(payload)
            question.error = TokenFault(told["kind"], told["name"])
        if question.error is not None or len(question.answers) == question.wanted:
            self._open_questions.popleft()
            question.complete.set()
