"""The drop-folder door of one account: finds finished files in OutBox, and carries originals to their boxes.

Promises: files come in order of name; an unfinished one is left alone; every file is handed out once, and whatever happens to
the hand that has it, it ends there carried away or let go: once its message is committed it lies in `work/` under the message's
id, after `place` in SentBox or FailBox, else it is handed out again. A file that was replaced while its earlier bytes were in
hand comes again. What is no submission is never opened. Nothing here decides what a message means. However many files wait, the list of
them is made anew only as often as costs a hundredth of a core: names that are heard of come into it, and where hints were lost it is made at once.
One thread (the door's) sweeps and takes; `place` and `ignored` may be called from another.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tongguan.gateway.model.errors import Fault, StationBroken
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import file_names, files
from tongguan.gateway.system.storage.folders import Folders
from tongguan.inbox import file_reader, originals
from tongguan.inbox.file_reader import Drop, NeverTaken, NotFinished

#: a list of names not used up after so many seconds is made anew, where making it takes no more than this part of the time
LIST_LASTS, SHARE = 1.0, 0.01
#: so many bytes are read ahead at most, however many files are asked for: one batch of 500 is enough for one hand
MOST_AHEAD = 2_000_000
#: so many names are listed as ignored at most
MOST_IGNORED = 200


class Mailbox:
    """The folders of one account. `hint` and `distrust` are called by `inbox.watch.Watch`.

    `folders`: where they may hang, so that they are opened by the first thread that works in them; else they are opened here.
    """

    def __init__(
        self,
        folder: Path,
        account: str,
        *,
        settle: timedelta,
        ignored_after: timedelta,
        most_bytes: int,
        monotonic: Callable[[], float] = clock.monotonic,
        folders: Folders | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.account, self.station = account, f"door:{account}"
        self.folders = folders or Folders(self.folder, account=account)
        self.outbox = os.fsencode(self.folder / "OutBox")
        self._settle = settle.total_seconds()
        self._ignored_after = ignored_after.total_seconds()
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._names: list[bytes] = []  # a heap: names to look at
        self._listed: set[bytes] = set()  # the same names
        self._whole: set[bytes] = set()  # renamed in, so finished
        self._looks: dict[bytes, tuple[tuple[int, ...], float]] = {}  # unfinished: as last seen, and since when
        self._resting: list[tuple[float, bytes]] = []  # a heap: the same, and what is none any more, by since when
        self._left: dict[bytes, tuple[float, int, NeverTaken]] = {}  # ignored: since when (two clocks), why
        self._left_changes = 0  # how often that became another
        self._shown: dict[str, tuple[int, float, list[dict[str, str | None]]]] = {}  # by language: of which, until when, what
        self._in_hand: set[bytes] = set()
        self._again: set[bytes] = set()  # came again while in hand
        self._owed: dict[bytes, tuple[Drop, str]] = {}  # in hand, committed: to be carried to work
        self._early: dict[bytes, dict[str, tuple[str, str, str]]] = {}  # to be placed, but not yet in work
        self._moving = threading.Lock()
        self._swept_at = -math.inf
        self._sweep_takes = 0.0
        self._trusted = True
        self._quiet_before_ns = 0
        self._behind_ms = 0  #: so far the file system's clock is behind ours
        self._held = 0  # the generation of folders that is known here
        if folders is None:
            self._there()

    def _there(self) -> bool:
        """Whether the mailbox is whole and where it was; only then anything is taken. `folders.wrong` says why not."""
        if not self.folders.here():
            self._names, self._trusted = [], False
            self._listed.clear()
            return False
        if self._held != self.folders.generation:
            self._held = self.folders.generation
            self._whole.clear()
            self._looks.clear()
            self._trusted = False
            at = self.folder_time_ms()
            self._quiet_before_ns = (
                -1 if at is None else at * 1_000_000 - int(self._settle * 1e9)
            )  # else every file has to rest first
            behind = 0 if at is None else clock.now_ms() - at
            self._behind_ms = behind if abs(behind) > _SAME_MS else 0
        return True

    def folder_time_ms(self) -> int | None:
        """The file system's own time, which need not be ours (a network share); None when it does not say."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            probe = os.open(".clock", flags, 0o640, dir_fd=self.folders["work"])
        except OSError:
            return None
        try:
            files.hand_over(probe, self.folders["work"])
            os.utime(probe)
            return os.fstat(probe).st_ctime_ns // 1_000_000
        finally:
            os.close(probe)

    @property
    def generation(self) -> int:
        return self.folders.generation

    def hint(self, name: bytes, *, whole: bool) -> bool:
        if not file_names.extension(name):
            return False
        if whole:
            self._whole.add(name)
            self._looks.pop(name, None)
        else:
            self._whole.discard(name)
        self._list(name)
        return True

    def distrust(self) -> None:
        self._trusted = False

    def wake(self) -> None:
        """Its thread looks again and again by itself."""

    def settles_in(self) -> float | None:
        while self._resting and not self._rests(*self._resting[0]):
            heapq.heappop(self._resting)
        return self._resting[0][0] + self._settle - self._monotonic() if self._resting else None

    def _rests(self, since: float, name: bytes) -> bool:
        look = self._looks.get(name)
        return look is not None and look[1] == since

    def _saw(self, name: bytes, mark: tuple[int, ...]) -> None:
        """An unfinished file is looked at again when it has rested."""
        now = self._monotonic()
        self._looks[name] = (mark, now)
        heapq.heappush(self._resting, (now, name))

    def _list_rested(self, now: float) -> None:
        while self._resting and now - self._resting[0][0] >= self._settle:
            since, name = heapq.heappop(self._resting)
            if self._rests(since, name) and name not in self._in_hand:
                self._list(name)

    def sweep(self) -> None:
        """List OutBox anew, unless a list is still being used up, or was made too short a while ago for what it costs.

        Nothing is there to be taken while the mailbox is not as it should be. StationBroken when the folder cannot be read, or while a file that is committed cannot be carried to `work/`: nothing
        more is taken then, or it would come again and again.
        """
        if not self._there():
            return
        self.carry()
        now = self._monotonic()
        self._list_rested(now)
        if self._trusted and now - self._swept_at < max(LIST_LASTS if self._names else 0.0, self._sweep_takes / SHARE):
            return
        try:
            ours, others = self._scan()
        except OSError as wrong:
            raise StationBroken(
                f"{self.folder}/OutBox 不能列出：{wrong}", f"{self.folder}/OutBox cannot be listed: {wrong}"
            ) from wrong
        self._swept_at, self._trusted = self._monotonic(), True
        self._sweep_takes = self._swept_at - now
        self._looks = {name: look for name, look in self._looks.items() if name in ours}
        self._whole &= ours
        self._leave_alone(others, ours)
        for name in ours - self._listed - self._in_hand:
            look = self._looks.get(name)
            if look is None or now - look[1] >= self._settle:
                self._listed.add(name)
        self._listed &= ours
        self._names = sorted(self._listed)

    def _scan(self) -> tuple[set[bytes], dict[bytes, NeverTaken]]:
        ours: set[bytes] = set()
        others: dict[bytes, NeverTaken] = {}
        with os.scandir(self.folders["OutBox"]) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if not file_names.extension(name):
                    others[name] = _OTHER_NAME
                elif entry.is_file(follow_symlinks=False):
                    ours.add(name)
                else:
                    others[name] = _NO_FILE
        return ours, others

    def _leave_alone(self, others: dict[bytes, NeverTaken], ours: set[bytes]) -> None:
        left = {
            name: seen
            for name, seen in self._left.items()
            if name in others or (name in ours and seen[2] not in (_OTHER_NAME, _NO_FILE))
        }
        now = (self._monotonic(), clock.now_ms())
        for name, why in others.items():
            left.setdefault(name, (*now, why))
        if left != self._left:
            self._left = left
            self._left_changes += 1

    def ignored(self, language: str = "zh") -> list[dict[str, str | None]]:
        """What has been left alone for longer than `ignored_after`: file, since, why."""
        now, changes = self._monotonic(), self._left_changes
        of, until, lines = self._shown.get(language, (-1, 0.0, []))
        if of == changes and now < until:
            return lines
        left = self._left.copy()  # the door's thread may go on
        old = sorted(name for name, (since, _, _) in left.items() if now - since >= self._ignored_after)
        next_one = min((since for since, _, _ in left.values() if now - since < self._ignored_after), default=math.inf)
        lines = [
            {
                "file": file_names.shown(file_names.as_text(name)),
                "since": times.show(left[name][1]),
                "why": left[name][2].en if language == "en" else left[name][2].zh,
            }
            for name in old[:MOST_IGNORED]
        ]
        self._shown[language] = changes, next_one + self._ignored_after, lines
        return lines

    @contextmanager
    def hand(self, limit: int) -> Iterator[list[Drop]]:
        """The next finished files, at most `limit`, in order of name, in hand until the end of the block.

        Then those of which `committed` was told are carried to `work/`, and all others let go, whatever ended the block.
        """
        drops: list[Drop] = []
        try:
            self._take(limit, drops)
            yield drops
        finally:
            self._let_go([drop for drop in drops if file_names.as_bytes(drop.name) not in self._owed])
            self.carry()

    def _take(self, limit: int, drops: list[Drop]) -> None:
        ahead = 0
        while self._names and len(drops) < limit and ahead < MOST_AHEAD:
            name = heapq.heappop(self._names)
            self._listed.discard(name)
            if name in self._in_hand:
                self._again.add(name)
            elif (drop := self._look(name)) is not None:
                drops.append(drop)
                with self._moving:
                    self._in_hand.add(name)
                ahead += len(drop.raw or b"")

    def _look(self, name: bytes) -> Drop | None:
        outbox = self.folders["OutBox"]
        try:
            seen = file_reader.look(name, outbox)
            renamed_in = name in self._whole
            if not renamed_in and not self._quiet(name, seen):
                return None
            self._whole.discard(name)
            content = file_reader.read(name, outbox, seen, most_bytes=self._most_bytes, renamed_in=renamed_in)
        except NotFinished:
            self._begin_again(name)
            return None
        except NeverTaken as why:
            if name not in self._left:
                self._left[name] = (self._monotonic(), clock.now_ms(), why)
                self._left_changes += 1
            return None
        if isinstance(content, Fault) and content.code == "GW-D01" and renamed_in and not self._quiet(name, seen):
            return None
        self._looks.pop(name, None)
        if self._left.pop(name, None) is not None:
            self._left_changes += 1
        return self._drop(name, seen, content)

    def _drop(self, name: bytes, seen: os.stat_result, content: bytes | Fault) -> Drop:
        raw, problem = (content, None) if isinstance(content, bytes) else (None, content)
        return Drop(
            account=self.account,
            name=file_names.as_text(name),
            path=self.folder / "OutBox" / os.fsdecode(name),
            raw=raw,
            sha256=file_reader.fingerprint(content, seen),
            size_bytes=seen.st_size,
            identity=file_reader.identity(seen),
            changed_at_ms=seen.st_ctime_ns // 1_000_000 + self._behind_ms,
            problem=problem,
        )

    def _quiet(self, name: bytes, seen: os.stat_result) -> bool:
        """Whether a file that nobody told us is finished has been left in peace for `settle`."""
        if seen.st_ctime_ns <= self._quiet_before_ns:
            return True
        mark = (*file_reader.identity(seen), seen.st_ctime_ns)
        known = self._looks.get(name)
        if known is not None and known[0] == mark:
            return self._monotonic() - known[1] >= self._settle
        self._saw(name, mark)
        return False

    def _begin_again(self, name: bytes) -> None:
        self._whole.discard(name)
        self._looks.pop(name, None)
        try:
            seen = os.lstat(name, dir_fd=self.folders["OutBox"])
        except OSError:
            return
        self._saw(name, (*file_reader.identity(seen), seen.st_ctime_ns))

    def committed(self, drop: Drop, message_id: str) -> None:
        """The journal has it: from now on the file is owed to `work/`, and never handed out again as it is."""
        self._owed[file_names.as_bytes(drop.name)] = (drop, message_id)

    def carry(self) -> None:
        """Carry what is committed to `work/`, each file apart from the others; again without harm after a crash.

        StationBroken when the disk does not do it; what is left is carried the next time.
        """
        failed: OSError | None = None
        for name, (drop, message_id) in list(self._owed.items()):
            try:
                early = self._carried(drop, message_id, name)
            except OSError as wrong:
                failed = failed or wrong
                continue
            for late, (source, folder, stamp) in early.items():
                self.place(late, source, folder=folder, stamp=stamp)
        if failed is not None:
            raise StationBroken(
                f"{self.folder}：文件不能从 OutBox 移到 work：{failed}",
                f"{self.folder}: a file cannot be moved from OutBox to work: {failed}",
            ) from failed

    def _carried(self, drop: Drop, message_id: str, name: bytes) -> dict[str, tuple[str, str, str]]:
        """Carry one; what was to be placed before it lay in `work/`."""
        with self._moving:
            originals.to_work(self.folders, drop, message_id)
            del self._owed[name]
            self._in_hand.discard(name)
            early = self._early.pop(name, {})
        self._come_again(name)
        return early

    def _let_go(self, drops: Sequence[Drop]) -> None:
        """These could not be committed: they are handed out again, at once if nobody touched them meanwhile."""
        names = [file_names.as_bytes(drop.name) for drop in drops]
        with self._moving:
            self._in_hand.difference_update(names)
        self._again.difference_update(names)
        for name, drop in zip(names, drops, strict=True):
            with contextlib.suppress(OSError):
                if file_reader.identity(os.lstat(name, dir_fd=self.folders["OutBox"])) == drop.identity:
                    self._whole.add(name)
            self._list(name)

    def _come_again(self, name: bytes) -> None:
        if name in self._again:
            self._again.discard(name)
            self._list(name)

    def place(self, message_id: str, source: str, *, folder: str, stamp: str) -> str | None:
        """Carry the original from `work/` to SentBox or FailBox: its name there; None when it is not in `work/`: placed before, or never a file."""
        with self._moving:
            placed = originals.to_box(self.folders, message_id, source, box=folder, stamp=stamp)
            if placed is None and (name := file_names.as_bytes(source)) in self._in_hand:
                self._early.setdefault(name, {})[message_id] = (source, folder, stamp)
        return placed

    def restore(self, message_id: str, source: str, content: bytes) -> None:
        """Put back into `work/` an original that got lost there. OSError when a disk fails."""
        with self._moving:
            files.write(originals.work_name(message_id, source), content, dir_fd=self.folders["work"])

    def in_work(self) -> Iterator[str]:
        """Ids of the messages whose original lies in `work/`: after a crash some of them may be due in their box."""
        return originals.in_work(self.folders)

    def _list(self, name: bytes) -> None:
        if name not in self._listed:
            self._listed.add(name)
            heapq.heappush(self._names, name)


_SAME_MS = 2000  #: clocks that differ by less are one
_OTHER_NAME = NeverTaken("文件名不是 .xml、.json 或 .zip", "the name does not end in .xml, .json or .zip")
_NO_FILE = NeverTaken("不是普通文件", "not a plain file")
