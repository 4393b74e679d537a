"""What the programs say while they run: one line an event on stdout, or nothing but trouble.

Promises: a line never raises and never waits: where nobody reads, or the disk is full, lines are dropped, and `system.logs` is told.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterator, MutableMapping
from typing import Any, Literal

import orjson
import structlog

from tongguan.gateway.model.characters import escaped, shown
from tongguan.gateway.system import clock, logs, times

Event = MutableMapping[str, Any]
_MOST_WAITING = 10_000  #: lines that wait for a slow reader
_PIECE = select.PIPE_BUF  #: a pipe that is ready takes so much without blocking


class Outlet:
    """A descriptor to write lines to, as `structlog` uses a file."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(handle, select.POLLOUT)
        self._blocks = not stat.S_ISREG(os.fstat(handle).st_mode)
        self._together = False

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write at its end what is said meanwhile, many lines at a time; one thread's."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self.flush()

    def write(self, text: str) -> None:
        self._waiting.append(text.encode("utf-8", "replace"))
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()
            logs.lost("stdout", "nobody reads")
        if text.endswith("\n"):
            self.flush()

    def flush(self) -> None:
        """Write what goes at once; the rest waits for the next line. Of several threads one writes."""
        if self._together or not self._lock.acquire(blocking=False):
            return
        try:
            while self._waiting:
                lines = self._next()
                written = self._write(lines) or 0
                if written < len(lines):
                    self._waiting.appendleft(lines[written:])
                elif len(self._waiting) == 0:
                    logs.written("stdout")
                if written == 0:
                    return
        except OSError as wrong:  # nobody reads any more, or the disk is full: what waits is lost, what comes is tried
            self._waiting.clear()
            logs.lost("stdout", wrong.strerror or type(wrong).__name__)
        finally:
            self._lock.release()

    def _next(self) -> bytes:
        """The next lines, as many as go into a pipe at once."""
        lines = self._waiting.popleft()
        while self._waiting and len(lines) + len(self._waiting[0]) <= _PIECE:
            lines += self._waiting.popleft()
        return lines

    def _write(self, line: bytes) -> int | None:
        if not self._blocks:
            return os.write(self._handle, line)
        return os.write(self._handle, line[:_PIECE]) if self._poll.poll(0) else None


def log_to_stdout(form: Literal["json", "text"]) -> None:
    """Say everything: for whoever collects the daemon's lines."""
    keep_standard_handles()
    last: tuple[Any, ...] = (
        (structlog.processors.JSONRenderer(serializer=lambda event, **_: escaped(orjson.dumps(event, default=str).decode())),)
        if form == "json"
        else (_without_hidden, structlog.dev.ConsoleRenderer(colors=os.isatty(1)))
    )
    outlet = Outlet(1)
    logs.together = outlet.together
    _configure(outlet, logging.INFO, *last)


def keep_standard_handles() -> None:
    """Where a service manager closed them, 0, 1 and 2 lead to nowhere: else the next file opened would be taken for them."""
    for handle in (0, 1, 2):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free one is this one


def leave_standard_output() -> None:
    """What cannot be written any more must not change the exit code when the interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def only_trouble() -> None:
    """Keep stdout for the command's own answer."""
    _configure(sys.stderr, logging.ERROR, _without_hidden, structlog.dev.ConsoleRenderer(colors=False))


def _configure(stream: Any, level: int, *last: Any) -> None:
    structlog.configure(
        processors=[structlog.processors.add_log_level, _stamp, structlog.processors.format_exc_info, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


def _without_hidden(_: Any, __: str, event: Event) -> Event:
    """What others named orders no terminal about."""
    return {name: shown(said) if isinstance(said, str) else said for name, said in event.items()}


def _stamp(_: Any, __: str, event: Event) -> Event:
    event["timestamp"] = times.show(clock.now_ms())
    return event
