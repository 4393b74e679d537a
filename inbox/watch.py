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
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import file_names

_CLOSE_WRITE, _MOVED_TO, _CREATE = 0x8, 0x80, 0x100
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x4000, 0x8000
_ONLY_FOLDERS, _NO_LINKS = 0x01000000, 0x02000000
_WANTED = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE_SELF | _MOVE_SELF | _ONLY_FOLDERS | _NO_LINKS
_HEAD = struct.Struct("iIII")

#: without inotify a folder is looked at this often, in seconds
STEP = 0.1


class Watched(Protocol):
    """What the watch knows of a mailbox."""

    @property
    def outbox(self) -> bytes: ...
    @property
    def generation(self) -> int:
        """Grows whenever another folder lies in the place of OutBox: the watch on the former one sees nothing any more.

        0: the mailbox has not been there yet, or does not even answer, so it is left alone.
        """

    def hint(self, name: bytes, *, whole: bool) -> bool:
        """Take note of a name; False when it is none of ours. `whole`: it was renamed in, so it is finished."""

    def distrust(self) -> None:
        """Hints were lost: sweep again, and ask for the folders if they are gone."""

    def wake(self) -> None:
        """Nothing can be heard of it for now: it has to look by itself, as often as it can afford."""

    def settles_in(self) -> float | None:
        """Seconds until the next unfinished file may be taken; None: there is none."""


class Ear:
    """What a mailbox's own thread hears of it: hints wait here until that thread takes them, so that no mailbox waits for another's."""

    def __init__(self, mailbox: Watched) -> None:
        self._mailbox = mailbox
        self._heard: deque[tuple[bytes, bool] | None] = deque()
        self._bell = threading.Event()

    @property
    def outbox(self) -> bytes:
        return self._mailbox.outbox

    @property
    def generation(self) -> int:
        return self._mailbox.generation

    def hint(self, name: bytes, *, whole: bool) -> bool:
        if not file_names.extension(name):
            return False
        self._heard.append((name, whole))
        self._bell.set()
        return True

    def distrust(self) -> None:
        self._heard.append(None)
        self._bell.set()

    def settles_in(self) -> float | None:
        return None  # the mailbox's own thread sees to that

    def wake(self) -> None:
        self._bell.set()

    def wait(self, timeout: float) -> bool:
        """For the mailbox's thread: until something was heard or has settled (True), or for so many seconds."""
        settles = self._mailbox.settles_in()
        heard = self._bell.wait(timeout if settles is None else max(0.0, min(timeout, settles)))
        self._bell.clear()
        while self._heard:
            hint = self._heard.popleft()
            if hint is None:
                self._mailbox.distrust()
            else:
                self._mailbox.hint(hint[0], whole=hint[1])
        return heard or settles is not None


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
        self._watched: dict[int, int] = {}  # by watch: the generation that is watched
        self._unwatched = list(self._mailboxes)
        if self._inotify >= 0:
            self._poll.register(self._inotify, select.POLLIN)
            self._watch_again()

    def wait(self, timeout: float) -> bool:
        """Block until a look is worth while (True), or for `timeout` seconds (False)."""
        end = clock.monotonic() + timeout
        settles = min((s for m in self._mailboxes if (s := m.settles_in()) is not None), default=math.inf)
        first = min(end, clock.monotonic() + max(settles, 0.0))
        for number, generation in list(self._watched.items()):
            if self._by_watch[number].generation != generation:
                self._lose(number, self._by_watch[number])
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
            generation = mailbox.generation
            if not generation:
                still.append(mailbox)
                continue
            number = self._libc.inotify_add_watch(self._inotify, mailbox.outbox, _WANTED)
            if number < 0:
                still.append(mailbox)
                mailbox.wake()
                continue
            self._by_watch[number] = mailbox
            self._watched[number] = generation
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
        self._watched.pop(number, None)
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
