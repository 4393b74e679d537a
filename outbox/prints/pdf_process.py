"""A process of its own that turns sheets into PDFs, started by `pdf_worker.PdfWorker` and by nobody else.

A frame is: length (8 bytes, big-endian), payload. A job is a JSON line with the font's path, then the sheets; its answer is `+` and the
PDF, or `-` and what went wrong. It ends when stdin ends, and when a job wants more memory than it may have.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from tongguan.outbox.prints.font import Font

LENGTH_BYTES = 8


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next payload; None when the other side has ended."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    payload = stream.read(int.from_bytes(length, "big"))
    return payload if len(payload) == int.from_bytes(length, "big") else None


def printed(job: bytes) -> bytes:
    """The answer to one job."""
    # Imported here: the parent knows the frames of this module without loading what only the process needs.
    from tongguan.outbox.prints.font import FontMissing
    from tongguan.outbox.prints.pdf import paint
    from tongguan.outbox.prints.sheet import from_bytes

    font, _, sheets = job.partition(b"\n")
    try:
        return b"+" + paint(from_bytes(sheets), _opened(Path(os.fsdecode(font))))
    except FontMissing as missing:
        return b"-" + str(missing).encode()
    except Exception as bug:
        return b"-" + f"{type(bug).__name__}: {bug}".rstrip(": ").encode()


@lru_cache(maxsize=1)
def _opened(font: Path) -> Font:
    from tongguan.outbox.prints.font import Font

    return Font(font)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway ends us by ending stdin
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody waits for the answer any more: end without a word
    most = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    os.nice(10)  # messages go first
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    while (job := read_frame(sys.stdin.buffer)) is not None:
        answers.write(frame(printed(job)))
        answers.flush()


if __name__ == "__main__":
    main()
