"""Rewrite many small files again and again at a steady cost.

A temporary renamed over its target frees an inode each time; ext4 will not give freed inodes out again for a minute and
searches past all of them whenever a file is made (measured: 45 µs a file at first, 660 µs after some thousand). Here the new
content changes places with the old in one step, and the old file rests, to be filled again later: nothing is freed.

Promises: a target is whole at every moment, for a reader who opens it and for one who opened it up to `rest` seconds ago.
Nothing is forced to disk. A file that somebody else linked, or changed the mode of, is never filled again.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from collections.abc import Callable

from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files

#: seconds before a replaced file is filled again; seconds after which it is no longer wanted
REST, UNWANTED = 5.0, 120.0

_LINK = "link"


class Rewriter:
    """Keeps replaced files in the open folder `spares`, which must lie on the targets' file system; for one thread.

    Targets are names in an open folder.
    """

    def __init__(self, spares: int, *, rest: float = REST, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._folder = spares
        self._rest = rest
        self._monotonic = monotonic
        self._exchanges = True
        self._made = 0
        self._mode: tuple[int, ...] | None = None
        self._spares = deque((name, 0.0) for name in sorted(os.listdir(spares)))

    def write(self, folder: int, name: str, content: bytes) -> None:
        """Put `content` at `name`, whole or not at all."""
        if not self._exchanges:
            files.write(name, content, dir_fd=folder)
            return
        spare = self._filled(content)
        try:
            if self._moved(spare, folder, name):
                return
        except files.RenameUnknown:
            self._exchanges = False
            files.write(name, content, dir_fd=folder)
        except OSError:
            self._spares.append((spare, self._monotonic()))
            raise
        self._spares.append((spare, self._monotonic()))

    def _moved(self, spare: str, folder: int, name: str) -> bool:
        """Put a file of ours at the target; False when what was there lies in its place now."""
        try:
            if files.move_beside(spare, name, src_dir_fd=self._folder, dst_dir_fd=folder):
                return True
        except FileExistsError:
            if self._exchange(spare, folder, name):
                return False
        os.rename(spare, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        return True

    def link(self, place: tuple[int, str], second: tuple[int, str]) -> None:
        """Make `second` another name of the file at `place`, in place of what was there; OSError where links are unknown."""
        folder, name = place
        files.at("rename")
        with contextlib.suppress(FileExistsError):  # the first status of a file: nothing is to be replaced
            os.link(name, second[1], src_dir_fd=folder, dst_dir_fd=second[0], follow_symlinks=False)
            return
        try:
            os.link(name, _LINK, src_dir_fd=folder, dst_dir_fd=self._folder, follow_symlinks=False)
        except FileExistsError:
            os.unlink(_LINK, dir_fd=self._folder)
            os.link(name, _LINK, src_dir_fd=folder, dst_dir_fd=self._folder, follow_symlinks=False)
        if not self._exchanges or not self._exchange(_LINK, *second):
            os.rename(_LINK, second[1], src_dir_fd=self._folder, dst_dir_fd=second[0])
        else:
            os.unlink(_LINK, dir_fd=self._folder)

    def _exchange(self, spare: str, folder: int, name: str) -> bool:
        """Let a file of ours and a target change places; False when there is no target."""
        try:
            files.exchange(spare, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        except FileNotFoundError:
            return False
        return True

    def _filled(self, content: bytes) -> str:
        """A file of ours that holds exactly `content`: one that has rested, or a new one."""
        rested = self._rested()
        handle, name = rested or self._new()
        try:
            files.write_all(handle, content)
            if rested is not None:
                os.ftruncate(handle, len(content))
        except OSError:
            self._spares.append((name, self._monotonic()))
            raise
        finally:
            os.close(handle)
        return name

    def _rested(self) -> tuple[int, str] | None:
        now = self._monotonic()
        while self._spares and now - self._spares[0][1] >= self._rest:
            name, _ = self._spares.popleft()
            if self._spares and now - self._spares[0][1] > UNWANTED:
                self._forget(self._spares.popleft()[0])
            try:
                handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder)
            except OSError:
                self._forget(name)
                continue
            if self._mode is not None and _mark(os.fstat(handle)) == self._mode:
                return handle, name
            os.close(handle)
            self._forget(name)
        return None

    def _new(self) -> tuple[int, str]:
        while True:
            self._made += 1
            name = f"{os.getpid()}-{self._made}"
            try:
                handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640, dir_fd=self._folder)
            except FileExistsError:
                continue
            os.fchmod(handle, 0o640)  # whatever the umask
            files.hand_over(handle, self._folder)
            if self._mode is None:
                self._mode = _mark(os.fstat(handle))
            return handle, name

    def _forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._folder)


def _mark(seen: os.stat_result) -> tuple[int, ...]:
    """What must be as we made it: one name, mode, owner, and the group, which a mailbox may be given later."""
    return seen.st_nlink, stat.S_IFMT(seen.st_mode) | stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid
