"""Files of a home that are its owner's alone: journal, anchor, logs, sockets, ports. Whatever the umask, and in old homes too."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tongguan.gateway.system.storage import files

_PATTERNS = (
    "*.db",
    "*.db-wal",
    "*.db-shm",
    "*.db-journal",
    "*.jsonl",
    "*.jsonl.*",
    "*.log",
    "*.lock",
    "*.sock",
    "running.toml",
    "secrets/anchor.key",
    "simulators/*.json",
    "simulators/*.db*",
)


def loose(home: Path, more: Iterable[Path] = ()) -> Iterator[Path]:
    """Those that somebody else may read or write; `more` are files of the settings that may lie elsewhere."""
    named = (path for path in more for path in (path, *path.parent.glob(f"{path.name}-*")))
    for path in dict.fromkeys([*(found for pattern in _PATTERNS for found in home.glob(pattern)), *named]):
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if (stat.S_ISREG(mode) or stat.S_ISSOCK(mode)) and stat.S_IMODE(mode) & 0o077:
            yield path


def mend(home: Path, more: Iterable[Path] = ()) -> list[Path]:
    """Take others' permissions away; the files that it was done to."""
    mended = []
    for path in loose(home, more):
        try:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~0o077)
        except OSError:
            continue  # another owner's: doctor says so
        mended.append(path)
    return mended


def is_locked(path: Path) -> bool:
    """Is there a file that whoever runs this may not read?"""
    try:
        files.read(path, 0)
    except PermissionError:
        return True
    except OSError:
        pass
    return False


def make(path: Path) -> None:
    """Make an empty file for its owner alone, where there is none: who fills it keeps its mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        files.hand_over(path, path.parent)
