"""Rewrite many small files again and again at a steady cost.

A temporary renamed over its target frees an inode each time; ext4 will not give freed inodes out again for a minute and
searches past all of them whenever a file is made (measured: 45 µs a file at first, 660 µs after some thousand). Here the new
content changes places with the old in one step, and the old file rests, to be filled again later: nothing is freed.

Promises: a target is whole at every moment, for a reader who opens it and for one who opened it up to `rest` seconds ago.
Nothing is forced to disk. A file that somebody else linked, or changed the mode of, is never filled again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tongguan.gateway.kernel import clock, files

#: seconds before a replaced file is filled again; seconds after which it is no longer wanted
REST, UNWANTED = 5.0, 120.0

_EXCHANGE, _HERE = 2, -100
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


class Rewriter:
    """Keeps replaced files in a folder of its own, which must lie on the targets' file system; for one thread."""

    def __init__(self, spares: Path, *, rest: float = REST, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._folder = os.fspath(spares)
        self._rest = rest
        self._monotonic = monotonic
        self._exchanges = _renameat2 is not None
        self._made = 0
        self._mode: tuple[int, int, int] | None = None
        os.makedirs(self._folder, exist_ok=True)
        self._spares = deque((f"{self._folder}/{name}", 0.0) for name in sorted(os.listdir(self._folder)))

    def write(self, target: str, content: bytes) -> None:
        """Put `content` at `target`, whole or not at all; FileNotFoundError when its folder is gone."""
        if not self._exchanges:
            files.write(target, content)
            return
        spare = self._filled(content)
        files.at("rename")
        try:
            if not self._exchange(spare, target):
                os.rename(spare, target)
                return
        except OSError as wrong:
            self._spares.append((spare, self._monotonic()))
            if wrong.errno not in _UNKNOWN:
                raise
            self._exchanges = False
            files.write(target, content)
            return
        self._spares.append((spare, self._monotonic()))

    def link(self, path: str, second: str) -> None:
        """Make `second` another name of the file at `path`, in place of what was there; OSError where links are unknown."""
        name = f"{self._folder}/link"
        try:
            os.link(path, name)
        except FileExistsError:
            os.unlink(name)
            os.link(path, name)
        files.at("rename")
        if not self._exchanges or not self._exchange(name, second):
            os.rename(name, second)
        else:
            os.unlink(name)

    def _exchange(self, one: str, other: str) -> bool:
        """Let two names change places; False when there is no `other`."""
        assert _renameat2 is not None
        if _renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
            return True
        wrong = ctypes.get_errno()
        if wrong == errno.ENOENT:
            return False
        raise OSError(wrong, os.strerror(wrong), other)

    def _filled(self, content: bytes) -> str:
        """A file of ours that holds exactly `content`: one that has rested, or a new one."""
        handle, path = self._rested() or self._new()
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            os.ftruncate(handle, len(content))
        except OSError:
            self._spares.append((path, self._monotonic()))
            raise
        finally:
            os.close(handle)
        return path

    def _rested(self) -> tuple[int, str] | None:
        now = self._monotonic()
        while self._spares and now - self._spares[0][1] >= self._rest:
            path, _ = self._spares.popleft()
            if self._spares and now - self._spares[0][1] > UNWANTED:
                _forget(self._spares.popleft()[0])
            try:
                handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue
            if self._mode is not None and _mark(os.fstat(handle)) == self._mode:
                return handle, path
            os.close(handle)
            _forget(path)
        return None

    def _new(self) -> tuple[int, str]:
        while True:
            self._made += 1
            path = f"{self._folder}/{os.getpid()}-{self._made}"
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
            except FileExistsError:
                continue
            except FileNotFoundError:
                os.makedirs(self._folder)
                continue
            if self._mode is None:
                self._mode = _mark(os.fstat(handle))
            return handle, path


def _mark(seen: os.stat_result) -> tuple[int, int, int]:
    """What must be as we made it: one name, mode, owner."""
    return seen.st_nlink, stat.S_IFMT(seen.st_mode) | stat.S_IMODE(seen.st_mode), seen.st_uid


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
