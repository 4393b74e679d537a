"""Wait until something may have come into one of many folders.

inotify is only a hint: whatever is missed (network shares, an overflowing queue, a folder made anew) is found by the
mailboxes' own sweeps. One rename into a folder wakes the waiting thread within a tenth of a millisecond.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import select
import struct
from collections.abc import Iterable, Iterator
from typing import Protocol

from tongguan.gateway.kernel import clock

_CLOSE_WRITE, _MOVED_TO, _CREATE = 0x8, 0x80, 0x100
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x4000, 0x8000
_ONLY_FOLDERS = 0x01000000
_WANTED = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS
_HEAD = struct.Struct("iIII")

#: without inotify a folder is looked at this often, in seconds
STEP = 0.1


class Watched(Protocol):
    """What the watch knows of a mailbox."""

    @property
    def outbox(self) -> bytes: ...
    def hint(self, name: bytes, *, whole: bool) -> bool:
        """Take note of a name; False when it is none of ours. `whole`: it was renamed in, so it is finished."""

    def distrust(self) -> None:
        """Hints were lost: sweep again, and ask for the folders if they are gone."""

    def settles_in(self) -> float | None:
        """Seconds until the next unfinished file may be taken; None: there is none."""


class Watch:
    """One inotify queue over the mailboxes of all accounts; `wake` may be called from any thread."""

    def __init__(self, mailboxes: Iterable[Watched], *, events: bool = True) -> None:
        self._mailboxes = list(mailboxes)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._poll = select.poll()
        self._poll.register(self._read_end, select.POLLIN)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._open() if events else -1
        self._by_watch: dict[int, Watched] = {}
        self._unwatched = list(self._mailboxes)
        if self._inotify >= 0:
            self._poll.register(self._inotify, select.POLLIN)
            self._watch_again()

    @property
    def sees_events(self) -> bool:
        return self._inotify >= 0 and not self._unwatched

    def wait(self, timeout: float) -> bool:
        """Block until a look is worth while (True), or for `timeout` seconds (False)."""
        end = clock.monotonic() + timeout
        settles = min((s for m in self._mailboxes if (s := m.settles_in()) is not None), default=math.inf)
        first = min(end, clock.monotonic() + max(settles, 0.0))
        if self._unwatched:
            if self._inotify >= 0:
                self._watch_again()
            first = min(first, clock.monotonic() + STEP)
        while True:
            left = first - clock.monotonic()
            ready = self._poll.poll(max(0, math.ceil(left * 1000)))
            if not ready:
                return first < end
            if self._woken() or self._hinted():
                return True

    def wake(self) -> None:
        """Make the wait under way, or the next one, return at once."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_end, b"w")

    def close(self) -> None:
        for handle in (self._inotify, self._read_end, self._write_end):
            if handle >= 0:
                os.close(handle)
        self._inotify = -1

    def _open(self) -> int:
        start = getattr(self._libc, "inotify_init1", None)
        return -1 if start is None else int(start(os.O_NONBLOCK | os.O_CLOEXEC))

    def _watch_again(self) -> None:
        still: list[Watched] = []
        for mailbox in self._unwatched:
            number = self._libc.inotify_add_watch(self._inotify, mailbox.outbox, _WANTED)
            if number < 0:
                still.append(mailbox)
            else:
                self._by_watch[number] = mailbox
            mailbox.distrust()
        self._unwatched = still

    def _woken(self) -> bool:
        try:
            return bool(os.read(self._read_end, 4096))
        except BlockingIOError:
            return False

    def _hinted(self) -> bool:
        hinted = False
        for number, mask, name in self._events():
            mailbox = self._by_watch.get(number)
            if mask & _OVERFLOW:
                for each in self._mailboxes:
                    each.distrust()
                hinted = True
            elif mailbox is None:
                continue
            elif mask & (_DELETE_SELF | _MOVE_SELF | _IGNORED):
                self._lose(number, mailbox)
                hinted = True
            else:
                hinted |= mailbox.hint(name, whole=bool(mask & _MOVED_TO))
        return hinted

    def _lose(self, number: int, mailbox: Watched) -> None:
        self._libc.inotify_rm_watch(self._inotify, number)
        self._by_watch.pop(number, None)
        if mailbox not in self._unwatched:
            self._unwatched.append(mailbox)
        mailbox.distrust()

    def _events(self) -> Iterator[tuple[int, int, bytes]]:
        while True:
            try:
                read = os.read(self._inotify, 1 << 16)
            except (BlockingIOError, OSError):
                return
            at = 0
            while at < len(read):
                number, mask, _, length = _HEAD.unpack_from(read, at)
                at += _HEAD.size + length
                yield number, mask, read[at - length : at].rstrip(b"\0")
