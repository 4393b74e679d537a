"""What has lain in a mailbox's boxes for long enough is taken away, and nothing else: neither what is no plain file, nor the status of what goes on.

A file's age is that of its last change or move (its change time): one that was written long before it was dropped is as old as its drop.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence

import orjson

from tongguan.gateway.system.storage import file_names
from tongguan.gateway.system.storage.folders import Folders

BOXES = ("SentBox", "FailBox", "InBox")
_BY_ID = "Status/by-id"
_STATUS = ".status.json"
_MOST_READ = 1_000_000  #: bytes of a status file

EndedMessages = Callable[[Collection[str]], Collection[str]]
"""Which of these messages have come to their end, or are not known."""


def clear_boxes(folders: Folders, *, before_ms: int, ended: EndedMessages, rest: Callable[[], None] = lambda: None) -> int:
    """Remove what has lain there since before a moment, with a `rest` after each; how many files. OSError when a disk fails."""
    leaving = [(box, name) for box in BOXES for name in _old(folders[box], before_ms)]
    messages = dict[tuple[str, bytes], str]()  # looked at before the first is removed: two names of one file are of one age
    messages |= {(_BY_ID, name): file_names.as_text(name).removesuffix(".json") for name in _old(folders[_BY_ID], before_ms)}
    for name in _old(folders["Status"], before_ms):
        if name.endswith(_STATUS.encode()) and (message := _told_of(folders["Status"], name)):
            messages["Status", name] = message
    over = ended(set(messages.values()))
    leaving += [place for place, message in messages.items() if message in over]
    return sum(_removed(folders, leaving, rest))


def _old(folder: int, before_ms: int) -> Sequence[bytes]:
    """Plain files that nobody has touched since."""
    with os.scandir(folder) as entries:
        names = [os.fsencode(entry.name) for entry in entries if not entry.name.startswith(".")]
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(seen.st_mode) and max(seen.st_ctime, seen.st_mtime) * 1000 < before_ms:
                found.append(name)
    return found


def _told_of(folder: int, name: bytes) -> str | None:
    """The message that a status file tells of; None where it is none of ours."""
    try:  # whoever may write there may have put something else in its place by now
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    with open(handle, "rb") as file:
        try:
            told = orjson.loads(file.read(_MOST_READ))
        except orjson.JSONDecodeError:
            return None
    message = told.get("message_id") if isinstance(told, dict) else None
    return message if isinstance(message, str) else None


def _removed(folders: Folders, leaving: Sequence[tuple[str, bytes]], rest: Callable[[], None]) -> Iterator[bool]:
    for folder, name in leaving:
        with contextlib.suppress(FileNotFoundError):  # the ERP was faster
            os.unlink(name, dir_fd=folders[folder])
            yield True
        rest()
