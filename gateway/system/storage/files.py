"""The only place that renames and writes files that users see. Every file is whole at every moment."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from tongguan.gateway.model.errors import SettingsWrong

#: Called before each rename and each commit with the name of the place; crash tests raise from it.
crash_point: Callable[[str], None] = lambda place: None

_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)
_NO_REPLACE, _EXCHANGE = 1, 2
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
_KINDS = {
    stat.S_IFDIR: ("文件夹", "a folder"),
    stat.S_IFIFO: ("命名管道", "a named pipe"),
    stat.S_IFSOCK: ("套接字", "a socket"),
    stat.S_IFCHR: ("设备", "a device"),
    stat.S_IFBLK: ("设备", "a device"),
}


class NotAFile(SettingsWrong, OSError):
    """Where a file is read lies what is none: a pipe has whoever opens it wait for ever, a device has no end."""

    def __init__(self, path: Path, kind: tuple[str, str]) -> None:
        do = out_of_the_way(path)
        zh, en = kind
        super().__init__(
            f"{path} 是{zh}，不是文件；请换成文件，或移开：{do}",
            f"{path} is {en}, no file; put the file in its place, or move it away: {do}",
        )
        self.errno, self.strerror, self.filename = errno.EINVAL, f"{en}, no file", str(path)


def at(place: str) -> None:
    """Mark a place after which a crash would be interesting."""
    crash_point(place)


def out_of_the_way(path: Path) -> str:
    """The command that moves away what lies where it must not."""
    return f"mv {quote(str(path))} {quote(f'{path}.aside')}"


def kind_of(path: Path) -> tuple[str, str] | None:
    """What lies there where that is no plain file, in both languages; None for one, also behind a link. FileNotFoundError where nothing does."""
    return _KINDS.get(stat.S_IFMT(path.stat().st_mode))


def plain(path: Path) -> Path:
    """The path, to be given to what opens it itself: NotAFile where opening it could take for ever; OSError."""
    kind = kind_of(path)
    if kind is not None and kind is not _KINDS[stat.S_IFDIR]:  # of that the system says so
        raise NotAFile(path, kind)
    return path


def read(path: Path, most_bytes: int = -1) -> bytes:
    """What a file that somebody else put there holds, as far as that: NotAFile, at once, where it is none; OSError."""
    with plain(path).open("rb") as file:
        return file.read(most_bytes)


def write(target: Path | str, content: bytes, *, dir_fd: int | None = None, durable: bool = False, mode: int = 0o640) -> None:
    """Put `content` at `target`, whole or not at all; `durable` forces file and folder to disk before returning.

    `dir_fd`: the folder that `target` is a name in.
    """
    target = os.fspath(target)
    folder = os.path.dirname(target) or "."
    temporary = f"{folder}/.{os.getpid()}-{os.urandom(6).hex()}.tmp"
    handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    try:
        os.fchmod(handle, mode)  # whatever the umask: an enterprise of another user could not read its answers
        hand_over(handle, folder if dir_fd is None else dir_fd)
        write_all(handle, content)
        if durable:
            os.fsync(handle)
        at("rename")
        os.rename(temporary, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except OSError:
        os.unlink(temporary, dir_fd=dir_fd)
        raise
    finally:
        os.close(handle)
    if durable:
        sync_folder(folder if dir_fd is None else dir_fd)


def rewrite(path: Path, content: bytes) -> None:
    """Put other content into a file, durably, whole or not at all: mode and group stay as they were given to it, and so does a link to it."""
    path = path.resolve()
    before = path.stat()
    write(path, content, durable=True, mode=stat.S_IMODE(before.st_mode) & 0o700)
    with contextlib.suppress(PermissionError):  # a group that is not ours to give
        os.chown(path, before.st_uid, before.st_gid)
        path.chmod(stat.S_IMODE(before.st_mode))


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder, and those above it, where there is none."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode, exist_ok=True)
        hand_over(path, path.parent)


def hand_over(made: int | Path, folder: int | Path | str) -> None:
    """What root makes in somebody's folder is that one's, who would else stand before it when he serves there as himself."""
    if os.geteuid() == 0 and (owner := os.stat(folder)).st_uid:
        os.chown(made, owner.st_uid, owner.st_gid)


def write_all(handle: int, content: bytes) -> None:
    """Write to an open file until all is in it. OSError when the disk does not take it."""
    if (written := os.write(handle, content)) == len(content):
        return
    view = memoryview(content)[written:]
    while view:
        view = view[os.write(handle, view) :]


def tail(file: Path, most_bytes: int) -> list[bytes]:
    """The last lines of a plain file, the first of them maybe not whole; none where there is no such file. OSError when it cannot be read."""
    if not file.is_file():
        return []
    with open(file, "rb") as lines:
        lines.seek(max(0, os.fstat(lines.fileno()).st_size - most_bytes))
        return lines.read().split(b"\n")


def move(source: Path | str | bytes, target: Path | str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> bool:
    """Rename within a file system; False when `source` is not there any more (another worker has it)."""
    at("rename")
    try:
        os.rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
    except FileNotFoundError:
        try:
            os.lstat(source, dir_fd=src_dir_fd)
        except FileNotFoundError:
            return False
        raise
    return True


def move_beside(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> bool:
    """As `move`, but FileExistsError when `target` is there: it is not replaced."""
    at("rename")
    try:
        _renamed(source, target, src_dir_fd, dst_dir_fd, _NO_REPLACE)
    except FileNotFoundError:
        if lies(source, src_dir_fd):
            raise
        return False
    except RenameUnknown:
        if lies(target, dst_dir_fd):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        return move(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
    return True


def exchange(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    """Let two files change places in one step. FileNotFoundError when one is not there; RenameUnknown where this is not known."""
    _renamed(source, target, src_dir_fd, dst_dir_fd, _EXCHANGE)


class RenameUnknown(OSError):
    """The system, or the file system, does not know such a rename."""


def _renamed(source: str, target: str, src_dir_fd: int, dst_dir_fd: int, how: int) -> None:
    if _renameat2 is None:
        raise RenameUnknown(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _renameat2(src_dir_fd, os.fsencode(source), dst_dir_fd, os.fsencode(target), how) != 0:
        code = ctypes.get_errno()
        raise (RenameUnknown if code in _UNKNOWN else OSError)(code, os.strerror(code), target)


def lies(name: str, folder: int) -> bool:
    """Whether an open folder has an entry of this name, whatever that is."""
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def sync_folder(folder: Path | str | int) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC) if not isinstance(folder, int) else os.dup(folder)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(slots=True)
class _Syncs:
    """Of one file system: how many have begun, which is the last that is done, and whether one has ever failed."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: int = 0
    done: int = 0
    failed: bool = False


_syncs: defaultdict[int, _Syncs] = defaultdict(_Syncs)


def sync_file_system(folder: int) -> None:
    """Make durable, by one `syncfs`, all that was written on the file system of an open folder; many who ask at once share one.

    A disk that failed once reports it to each folder apart: from then on nothing is shared.
    """
    syncs = _syncs[os.fstat(folder).st_dev]
    wanted = syncs.begun + 1  # any that begins from now on
    with syncs.lock:
        if syncs.done >= wanted and not syncs.failed:
            return
        syncs.begun += 1
        if _libc.syncfs(folder) != 0:
            syncs.failed = True
            raise OSError(ctypes.get_errno(), "syncfs")
        syncs.done = syncs.begun
