"""Read one file of a drop folder, once it is surely finished.

A file that was renamed in is finished. A file written in place is finished when two looks by our own clock, `settle`
apart, saw the same file (its inode change time included, which nobody can set), and no process on this machine
still has it open for writing. A file's own modification time proves nothing: copies keep old ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
from dataclasses import dataclass
from pathlib import Path

from tongguan.gateway.model.errors import Fault, TongguanError

FileIdentity = tuple[int, int, int, int]
"""(st_dev, st_ino, st_size, st_mtime_ns): a rename keeps it, a write or a replacement does not."""

_SET_SIGNAL = 10  #: F_SETSIG, which the fcntl module does not name
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class Drop:
    """A finished file as it lay in OutBox; `name` is text that any store can keep (`file_names.as_text`)."""

    account: str
    name: str
    path: Path
    raw: bytes | None  #: None when `problem` says why it was not read
    sha256: str  #: of the bytes; of the identity where they were not read
    size_bytes: int
    identity: FileIdentity
    changed_at_ms: int = 0  #: last written or renamed, by the machine's clock; no program can set it for a file
    problem: Fault | None = None

    @property
    def claim_key(self) -> str:
        return f"file:{self.account}/{self.name}/{self.sha256}"

    def delivered(self, message_id: str) -> None:
        """No replies go anywhere but to its mailbox."""


class NotFinished(Exception):
    """The file changes, or went away, under our eyes: look again later."""


class NeverTaken(TongguanError):
    """Nothing that is ever taken; the text is the reason."""


def identity(seen: os.stat_result) -> FileIdentity:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


def look(name: bytes, folder: int) -> os.stat_result:
    """What lies in the open `folder` as `name`, which is never opened here; NotFinished when it is gone.

    NotOurs for anything but a plain file, and while it has a second name: whoever holds that could change it afterwards.
    """
    try:
        seen = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        raise NotFinished from None
    except OSError as wrong:
        raise _unlucky(wrong) from wrong
    if not stat.S_ISREG(seen.st_mode):
        raise NeverTaken("不是普通文件", "not a plain file")
    if seen.st_nlink > 1:
        raise NeverTaken("文件还有别的名字（硬链接）", "the file has another name as well (a hard link)")
    return seen


NOT_PERMITTED = Fault("GW-D01", "文件无读取权限", "the gateway is not permitted to read the file")


def size_fault(size: int, most_bytes: int) -> Fault | None:
    """What is wrong with a file's size, before it is read."""
    if size == 0:
        return Fault("GW-D03", "文件是空的", "the file is empty")
    if size > most_bytes:
        zh, en = f"文件 {size} 字节，超过上限 {most_bytes} 字节", f"the file has {size} bytes, more than the {most_bytes} allowed"
        return Fault("GW-D02", zh, en)
    return None


def read(name: bytes, folder: int, seen: os.stat_result, *, most_bytes: int, renamed_in: bool) -> bytes | Fault:
    """The whole content of the file that was `seen`, or what is wrong with it; NotFinished when it is another one by now."""
    if (unfit := size_fault(seen.st_size, most_bytes)) is not None:
        return unfit
    try:
        handle = os.open(name, _FLAGS, dir_fd=folder)
    except FileNotFoundError:
        raise NotFinished from None
    except PermissionError:
        return NOT_PERMITTED
    except OSError as wrong:
        raise _unlucky(wrong) from wrong
    try:
        return _read_unchanged(handle, seen, renamed_in=renamed_in)
    except OSError as wrong:
        raise _unlucky(wrong) from wrong
    finally:
        os.close(handle)


def _read_unchanged(handle: int, seen: os.stat_result, *, renamed_in: bool) -> bytes:
    if identity(os.fstat(handle)) != identity(seen) or (not renamed_in and _open_for_writing(handle)):
        raise NotFinished
    parts, left = [], seen.st_size + 1
    while left and (part := os.read(handle, left)):
        parts.append(part)
        left -= len(part)
    if left != 1 or identity(os.fstat(handle)) != identity(seen):
        raise NotFinished
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _open_for_writing(handle: int) -> bool:
    """Ask the kernel for a lease, which it denies while a writer has the file open; where leases are unknown: False.

    A writer that comes while we hold it would send SIGIO, which kills: another signal, ignored by default, is set first.
    """
    try:
        fcntl.fcntl(handle, _SET_SIGNAL, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False
    return False


def fingerprint(content: bytes | Fault, seen: os.stat_result) -> str:
    """SHA-256 of the bytes, or of the file's identity when its bytes were not read."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(repr((content.code, identity(seen))).encode()).hexdigest()


def _unlucky(wrong: OSError) -> NeverTaken:
    return NeverTaken(f"读取出错：{wrong.strerror}", f"cannot be read now: {wrong.strerror}")
