"""How much room a disk has left: the daemon warns of it in time, and `tongguan status` sees it when the daemon can tell nobody."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote

from tongguan.gateway.system.threads import ANSWER, within

#: bytes free, or the part of the whole, whichever is less: small disks are full later
_LOW, _LOW_PART = 1_000_000_000, 0.02
_FULL, _FULL_PART = 16_000_000, 0.01
#: likewise: with less nothing more should be taken in, with more it may be again
_TIGHT, _TIGHT_PART = 64_000_000, 0.013
_EASY, _EASY_PART = 128_000_000, 0.018


@dataclass(frozen=True, slots=True)
class Shortage:
    """A disk with little room, or none; `folder` is the first one asked about that lies on it."""

    folder: Path
    free_bytes: int
    full: bool  #: nothing can be relied on to be written
    no_names: bool = False  #: there is no room for another file, however many bytes are left

    @property
    def said(self) -> tuple[str, str]:
        """What is left, in Chinese and English."""
        zh, en = _left(self.free_bytes, self.no_names)
        return f"{self.folder} 所在磁盘{zh}", f"the disk of {self.folder} has {en}"

    @property
    def look(self) -> str:
        """The command that shows it."""
        return f"df {'-i' if self.no_names else '-h'} {quote(str(self.folder))}"


@dataclass(frozen=True, slots=True)
class Room:
    """What a disk has left for what comes in: `tight` is too little, `easy` is enough again."""

    free_bytes: int
    tight: bool
    easy: bool
    no_names: bool = False  #: as of a shortage

    @property
    def left(self) -> tuple[str, str]:
        """In Chinese and English."""
        return _left(self.free_bytes, self.no_names)


def _left(free_bytes: int, no_names: bool) -> tuple[str, str]:
    if no_names:
        return "没有 inode 了，建不了文件", "no inodes left: no file can be made"
    return f"只剩 {free_bytes // 1_000_000} MB", f"{free_bytes // 1_000_000} MB left"


def room(folder: Path) -> Room | None:
    """What is left on the disk of a folder; None when it is not there, or does not answer."""
    seen = within(ANSWER, {folder: partial(_seen, folder)}).get(folder, (0, None))[1]
    if seen is None:
        return None
    free, whole, no_names = _measures(seen)
    tight = no_names or free < min(_TIGHT, _TIGHT_PART * whole)
    return Room(free, tight=tight, easy=not no_names and free > min(_EASY, _EASY_PART * whole), no_names=no_names)


def shortages(folders: Iterable[Path]) -> list[Shortage]:
    """The disks of these folders that are short of room, each once; a folder that is not there, or does not answer, is passed over."""
    found: dict[int, Shortage | None] = {}
    for folder, (disk, seen) in within(ANSWER, {folder: partial(_seen, folder) for folder in folders}).items():
        if seen is not None and disk not in found:
            found[disk] = _shortage(folder, seen)
    return [each for each in found.values() if each is not None]


def _seen(folder: Path) -> tuple[int, os.statvfs_result | None]:
    try:
        return os.stat(folder).st_dev, os.statvfs(folder)
    except OSError:
        return 0, None


def _measures(seen: os.statvfs_result) -> tuple[int, int, bool]:
    """Bytes that are free, and in all; is there no room for another file's name?"""
    return seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize, seen.f_files > 0 and seen.f_favail == 0


def _shortage(folder: Path, seen: os.statvfs_result) -> Shortage | None:
    free, whole, no_names = _measures(seen)
    if no_names or free < min(_FULL, _FULL_PART * whole):
        return Shortage(folder, free, full=True, no_names=no_names)
    return Shortage(folder, free, full=False) if free < min(_LOW, _LOW_PART * whole) else None
