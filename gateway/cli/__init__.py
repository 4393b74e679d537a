"""The command line. Every command and exit code is part of what users' scripts rely on.

Looks into the journal beside the daemon and leaves orders for it; never writes anything the daemon owns.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PIPE_CLOSED = 141  #: exit code of what SIGPIPE ends, as a shell tells it


class _Pipe(io.FileIO):
    """An output that nobody reads any more (`… | head -1`) ends the command without a word; whatever it has begun is ended in order."""

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as wrong:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # what is still to be written goes there
            if wrong.errno == errno.EPIPE:
                raise SystemExit(PIPE_CLOSED) from None
            raise


def _is_pipe(stream: io.TextIOWrapper) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except OSError:  # closed, or no file of the system's
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `tongguan`; always ends with SystemExit."""
    # Imported late: what only needs the package pays for nothing more.
    from tongguan.gateway.cli.commands import make_app

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who typed it: nothing is to be said there
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and _is_pipe(sys.stdout):
        line = sys.stdout.line_buffering
        pipe = io.BufferedWriter(_Pipe(sys.stdout.fileno(), "w", closefd=False))
        sys.stdout = io.TextIOWrapper(pipe, sys.stdout.encoding, line_buffering=line)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no Chinese is told in signs, not by a traceback
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:  # likewise: nothing is to be read there
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    try:
        try:
            make_app()(args=None if arguments is None else list(arguments), prog_name="tongguan")
        finally:
            sys.stdout.flush()
    except OSError as wrong:  # before any command: help that finds no room
        if wrong.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise
        from tongguan.gateway.cli.context import NOT_TO_BE_WRITTEN

        print(wrong.strerror, file=sys.stderr)
        raise SystemExit(NOT_TO_BE_WRITTEN) from None
