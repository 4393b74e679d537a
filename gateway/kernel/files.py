"""The only place that renames and writes files that users see. Every file is whole at every moment."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from pathlib import Path

#: Called before each rename and each commit with the name of the place; crash tests raise from it.
crash_point: Callable[[str], None] = lambda place: None

_libc = ctypes.CDLL(None, use_errno=True)


def at(place: str) -> None:
    """Mark a place after which a crash would be interesting."""
    crash_point(place)


def write(target: Path | str, content: bytes, *, durable: bool = False, mode: int = 0o640) -> None:
    """Put `content` at `target`, whole or not at all; `durable` forces file and folder to disk before returning."""
    target = os.fspath(target)
    folder = os.path.dirname(target) or "."
    temporary = f"{folder}/.{os.getpid()}-{os.urandom(6).hex()}.tmp"
    handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode)
    try:
        _write_all(handle, content)
        if durable:
            os.fsync(handle)
        at("rename")
        os.rename(temporary, target)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(handle)
    if durable:
        sync_folder(folder)


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def move(source: Path | str, target: Path | str) -> bool:
    """Rename within a file system; False when `source` is not there any more (another worker has it)."""
    at("rename")
    try:
        os.rename(source, target)
    except FileNotFoundError:
        if os.path.lexists(source):
            raise
        return False
    return True


def sync_folder(folder: Path | str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file_systems(folders: Iterable[Path | str]) -> None:
    """One `syncfs` for each file system that the folders lie on: a whole group of files made durable at once."""
    done: set[int] = set()
    for folder in folders:
        device = os.stat(folder).st_dev
        if device in done:
            continue
        done.add(device)
        handle = os.open(folder, os.O_RDONLY)
        try:
            if _libc.syncfs(handle) != 0:
                raise OSError(ctypes.get_errno(), "syncfs", os.fspath(folder))
        finally:
            os.close(handle)
