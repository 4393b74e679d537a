"""Originals on their way: from OutBox to `work/`, from there to SentBox or FailBox.

Promises: a file is in exactly one of these places at every moment; nothing is overwritten but by the same bytes; no link is
followed, and nothing but plain files is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from tongguan.gateway.system.storage import file_names, files
from tongguan.gateway.system.storage.folders import Folders
from tongguan.inbox import file_reader
from tongguan.inbox.file_reader import Drop

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def work_name(message_id: str, source: str) -> str:
    """What an original is called while its message is open."""
    return f"{message_id}{file_names.extension(file_names.as_bytes(source)).decode()}"


def to_work(folders: Folders, drop: Drop, message_id: str) -> None:
    """Carry a file to `work/`; without harm when it lies there already. OSError when the disk does not do it."""
    target, work = work_name(message_id, drop.name), folders["work"]
    moved = files.move(file_names.as_bytes(drop.name), target, src_dir_fd=folders["OutBox"], dst_dir_fd=work)
    if moved and file_reader.identity(os.lstat(target, dir_fd=work)) != drop.identity:
        _put_back(folders, drop, target)


def _put_back(folders: Folders, drop: Drop, target: str) -> None:
    """What was renamed is not what was read: the newer file goes back to OutBox, the bytes read take its place."""
    turn = 1
    while not _linked(folders, target, file_names.numbered(drop.name, turn)):
        turn += 1
    os.unlink(target, dir_fd=folders["work"])
    if drop.raw is not None:
        files.write(target, drop.raw, dir_fd=folders["work"])


def _linked(folders: Folders, origin: str, name: str) -> bool:
    """Give a file of `work/` a second name in OutBox; False when that is taken. Where a file system has no links, a copy does."""
    work, outbox = folders["work"], folders["OutBox"]
    try:
        os.link(origin, name, src_dir_fd=work, dst_dir_fd=outbox, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:
        content = _content(origin, work)
        if content is None or files.lies(name, outbox):
            return False
        files.write(name, content, dir_fd=outbox)
    return True


def to_box(folders: Folders, message_id: str, source: str, *, box: str, stamp: str) -> str | None:
    """Carry an original from `work/` to its box; its name there, or None when it is not in `work/`.

    Its name is the first that is free, or that holds the same bytes: the same file dropped twice lies there once.
    """
    origin, work = work_name(message_id, source), folders["work"]
    turn = 1
    while True:
        target = file_names.box_name(source, stamp, turn=turn)
        try:
            return target if files.move_beside(origin, target, src_dir_fd=work, dst_dir_fd=folders[box]) else None
        except FileExistsError:
            content = _content(origin, work)
            if content is None and not files.lies(origin, work):
                return None
        if content is not None and content == _content(target, folders[box]):
            return target if files.move(origin, target, src_dir_fd=work, dst_dir_fd=folders[box]) else None
        turn += 1


def in_work(folders: Folders) -> Iterator[str]:
    """Ids of the messages whose original lies in `work/`."""
    with os.scandir(folders["work"]) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if ending := file_names.extension(name):
                yield file_names.as_text(name[: -len(ending)])


def _content(name: str, folder: int) -> bytes | None:
    """What a plain file holds; None for anything else, and for one that cannot be read."""
    try:
        handle = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        parts: list[bytes] = []
        while part := os.read(handle, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(handle)
