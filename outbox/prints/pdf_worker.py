"""Keep the PDF worker running: one process for all prints, started at the first one, started anew when it dies or falls silent.

Promises: a job that ends the process is tried once more in a fresh one; whatever a print does, the gateway goes on.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tongguan.gateway.model.errors import TongguanError
from tongguan.gateway.system import clock
from tongguan.outbox.prints.pdf_process import LENGTH_BYTES, frame
from tongguan.outbox.prints.sheet import Sheet, to_bytes

_TRIES = 2
_CHUNK = 1 << 16


class PrintFailed(TongguanError):
    """A print could not be made; the text says why."""


class _Ended(TongguanError):
    """The process is gone, or is taken for it."""


class PdfWorker:
    """One process; jobs of many threads are done one after the other."""

    def __init__(self, *, timeout: float, most_bytes: int) -> None:
        self._timeout = timeout
        self._most_bytes = most_bytes
        self._one = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process that prints, while there is one."""
        return self._process.pid if self._process is not None else None

    def pdf(self, font: Path, sheets: Sequence[Sheet], *, patience: float = 0.0) -> bytes:
        """The sheets as one PDF; `patience` is added to the time that a print may take. Raises PrintFailed."""
        job = frame(os.fsencode(font) + b"\n" + to_bytes(sheets))
        with self._one:
            for left in range(_TRIES - 1, -1, -1):
                try:
                    answer = self._ask(job, self._timeout + patience)
                except _Ended as ended:
                    self._end()
                    if not left:
                        raise PrintFailed(f"打印进程{ended.zh}", f"the printing process {ended.en}") from None
                except BaseException:  # the rest of its answer would be taken for the next one's
                    self._end()
                    raise
                else:
                    return _told(answer)
        raise AssertionError("every try ends in an answer or an error")

    def close(self) -> None:
        with self._one:
            self._end()

    def _ask(self, job: bytes, timeout: float) -> bytes:
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        until = clock.monotonic() + timeout
        _write(process.stdin.fileno(), job, until)
        length = int.from_bytes(_read(process.stdout.fileno(), LENGTH_BYTES, until), "big")
        return _read(process.stdout.fileno(), length, until)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "tongguan.outbox.prints.pdf_process", str(self._most_bytes)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                )
            except OSError as wrong:
                raise PrintFailed(f"打印进程启动不了：{wrong}", f"the printing process does not start: {wrong}") from None
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _write(pipe: int, job: bytes, until: float) -> None:
    """Hand over a job; raises _Ended when nobody takes it."""
    for at in range(0, len(job), select.PIPE_BUF):
        if not _ready(pipe, select.POLLOUT, until):
            raise _Ended("不接任务", "takes no job")
        try:
            os.write(pipe, job[at : at + select.PIPE_BUF])  # so few bytes are taken whole
        except OSError:
            raise _Ended("已结束", "ended") from None


def _read(pipe: int, length: int, until: float) -> bytes:
    """So many bytes; raises _Ended when they do not come in time, or not at all."""
    parts: list[bytes] = []
    while length:
        if not _ready(pipe, select.POLLIN, until):
            raise _Ended("超时没有应答", "did not answer in time")
        part = os.read(pipe, min(length, _CHUNK))
        if not part:
            raise _Ended("已结束", "ended")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _ready(pipe: int, event: int, until: float) -> bool:
    """Wait for a pipe, whatever its number: `select` knows only the first 1,024, and a gateway holds more files open."""
    poll = select.poll()
    poll.register(pipe, event)
    return bool(poll.poll(max(0.0, until - clock.monotonic()) * 1000))


def _told(answer: bytes) -> bytes:
    if answer[:1] == b"+":
        return answer[1:]
    raise PrintFailed(answer[1:].decode("utf-8", "replace"))
