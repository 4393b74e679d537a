"""The drop-folder door of one account: finds finished files in OutBox, and carries originals to their boxes.

Promises: files come in order of name; an unfinished one is left alone; every file is handed out once, and after `taken`
lies in `work/` under its message's id, after `place` in SentBox or FailBox. A file that was replaced while its
earlier bytes were in hand comes again. What is no submission is never opened. Nothing here decides what a message means.
One thread (the door's) sweeps and takes; `place` and `ignored` may be called from another.
"""

from __future__ import annotations

import heapq
import math
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from tongguan.gateway.kernel import clock, file_names, files
from tongguan.gateway.kernel.errors import Fault, StationBroken
from tongguan.inbox import reading
from tongguan.inbox.reading import Drop, NotFinished, NotOurs

FOLDERS = ("OutBox", "SentBox", "FailBox", "InBox", "Status", "Status/by-id", "Status/documents", "work")
#: a list of names not used up after so many seconds is made anew
LIST_LASTS = 1.0
#: so many bytes are read ahead at most, however many files are asked for: one batch of 500 is enough for one hand
MOST_AHEAD = 2_000_000
#: so many names are listed as ignored at most
MOST_IGNORED = 200


class Mailbox:
    """The folders of one account. `hint` and `distrust` are called by `inbox.watch.Watch`."""

    def __init__(
        self,
        folder: Path,
        account: str,
        *,
        settle: timedelta,
        ignored_after: timedelta,
        most_bytes: int,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.folder = Path(folder)
        self.account = account
        self.outbox = os.fsencode(self.folder / "OutBox")
        self._work_folder = os.fspath(self.folder / "work")
        self._settle = settle.total_seconds()
        self._ignored_after = ignored_after.total_seconds()
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._names: list[bytes] = []  # a heap: names to look at
        self._listed: set[bytes] = set()  # the same names
        self._whole: set[bytes] = set()  # renamed in, so finished
        self._looks: dict[bytes, tuple[tuple[int, ...], float]] = {}  # unfinished: as last seen, and since when
        self._left: dict[bytes, tuple[float, int, NotOurs]] = {}  # ignored: since when (two clocks), why
        self._in_hand: set[bytes] = set()
        self._again: set[bytes] = set()  # came again while in hand
        self._early: dict[bytes, dict[str, tuple[str, str, str]]] = {}  # to be placed, but not yet in work
        self._moving = threading.Lock()
        self._swept_at = -math.inf
        self._sweep_takes = 0.0
        self._trusted = True
        self.prepare()
        self._quiet_before_ns = self._folder_time_ns() - int(self._settle * 1e9)

    def prepare(self) -> None:
        """Make the folders that are not there; StationBroken when a file could not be moved between them."""
        try:
            for name in FOLDERS:
                os.makedirs(self.folder / name, mode=0o770, exist_ok=True)
        except OSError as wrong:
            raise StationBroken(f"a folder of the mailbox cannot be made: {wrong}") from wrong
        devices = {os.stat(self.folder / name).st_dev for name in ("OutBox", "work", "SentBox", "FailBox")}
        if len(devices) > 1:
            raise StationBroken(f"{self.folder}: OutBox, work, SentBox and FailBox must lie on one file system")

    def _folder_time_ns(self) -> int:
        """The file system's own time, which need not be ours (a network share)."""
        probe = self.folder / "work" / ".clock"
        probe.touch()
        return os.stat(probe).st_ctime_ns

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

    def settles_in(self) -> float | None:
        if not self._looks:
            return None
        return min(since for _, since in self._looks.values()) + self._settle - self._monotonic()

    def sweep(self) -> None:
        """List OutBox anew, unless a list is still being used up; folders that are gone are made again.

        StationBroken when the folder cannot be read.
        """
        now = self._monotonic()
        if self._trusted and now - self._swept_at < (LIST_LASTS if self._names else 10 * self._sweep_takes):
            return
        try:
            ours, others = self._scan()
        except FileNotFoundError:
            self.prepare()
            return
        except OSError as wrong:
            raise StationBroken(f"{self.folder}/OutBox cannot be listed: {wrong}") from wrong
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

    def _scan(self) -> tuple[set[bytes], dict[bytes, NotOurs]]:
        ours: set[bytes] = set()
        others: dict[bytes, NotOurs] = {}
        with os.scandir(self.outbox) as entries:
            for entry in entries:
                name = entry.name
                if not file_names.extension(name):
                    others[name] = _OTHER_NAME
                elif entry.is_file(follow_symlinks=False):
                    ours.add(name)
                else:
                    others[name] = _NO_FILE
        return ours, others

    def _leave_alone(self, others: dict[bytes, NotOurs], ours: set[bytes]) -> None:
        left = {
            name: seen
            for name, seen in self._left.items()
            if name in others or (name in ours and seen[2] not in (_OTHER_NAME, _NO_FILE))
        }
        now = (self._monotonic(), clock.now_ms())
        for name, why in others.items():
            left.setdefault(name, (*now, why))
        self._left = left

    def ignored(self, language: str = "zh") -> list[dict[str, str | None]]:
        """What has been left alone for longer than `ignored_after`: file, since, why."""
        now, left = self._monotonic(), self._left
        old = sorted(name for name, (since, _, _) in left.items() if now - since >= self._ignored_after)
        return [
            {
                "file": file_names.shown(file_names.as_text(name)),
                "since": clock.show(left[name][1]),
                "why": left[name][2].en if language == "en" else left[name][2].zh,
            }
            for name in old[:MOST_IGNORED]
        ]

    def take(self, limit: int) -> list[Drop]:
        """The next finished files, at most `limit`, in order of name; each is in hand until `taken` or `let_go`."""
        drops: list[Drop] = []
        ahead = 0
        while self._names and len(drops) < limit and ahead < MOST_AHEAD:
            name = heapq.heappop(self._names)
            self._listed.discard(name)
            if name in self._in_hand:
                self._again.add(name)
            elif (drop := self._look(name)) is not None:
                with self._moving:
                    self._in_hand.add(name)
                drops.append(drop)
                ahead += len(drop.raw or b"")
        return drops

    def _look(self, name: bytes) -> Drop | None:
        path = self.outbox + b"/" + name
        try:
            seen = reading.look(path)
            renamed_in = name in self._whole
            if not renamed_in and not self._quiet(name, seen):
                return None
            self._whole.discard(name)
            content = reading.read(path, seen, most_bytes=self._most_bytes, renamed_in=renamed_in)
        except NotFinished:
            self._begin_again(name, path)
            return None
        except NotOurs as why:
            self._left.setdefault(name, (self._monotonic(), clock.now_ms(), why))
            return None
        if isinstance(content, Fault) and content.code == "GW-D01" and renamed_in and not self._quiet(name, seen):
            return None
        self._looks.pop(name, None)
        self._left.pop(name, None)
        return self._drop(name, seen, content)

    def _drop(self, name: bytes, seen: os.stat_result, content: bytes | Fault) -> Drop:
        raw, problem = (content, None) if isinstance(content, bytes) else (None, content)
        return Drop(
            account=self.account,
            name=file_names.as_text(name),
            path=self.folder / "OutBox" / os.fsdecode(name),
            raw=raw,
            sha256=reading.fingerprint(content, seen),
            size_bytes=seen.st_size,
            identity=reading.identity(seen),
            problem=problem,
        )

    def _quiet(self, name: bytes, seen: os.stat_result) -> bool:
        """Whether a file that nobody told us is finished has been left in peace for `settle`."""
        if seen.st_ctime_ns <= self._quiet_before_ns:
            return True
        mark = (*reading.identity(seen), seen.st_ctime_ns)
        now = self._monotonic()
        known = self._looks.get(name)
        if known is not None and known[0] == mark:
            return now - known[1] >= self._settle
        self._looks[name] = (mark, now)
        return False

    def _begin_again(self, name: bytes, path: bytes) -> None:
        self._whole.discard(name)
        self._looks.pop(name, None)
        try:
            seen = os.lstat(path)
        except OSError:
            return
        self._looks[name] = ((*reading.identity(seen), seen.st_ctime_ns), self._monotonic())

    def taken(self, drop: Drop, message_id: str) -> Path:
        """Carry the original to `work/`; to be called once the message is committed, and again without harm after a crash.

        StationBroken when the disk does not do it; the file is then found again.
        """
        name = file_names.as_bytes(drop.name)
        target = Path(self._work(message_id, drop.name))
        try:
            with self._moving:
                moved = files.move(drop.path, target)
                if moved and reading.identity(os.lstat(target)) != drop.identity:
                    self._put_back(drop, target)
                self._in_hand.discard(name)
                early = self._early.pop(name, {})
        except OSError as wrong:
            self._list(name)
            raise StationBroken(f"{drop.path} cannot be moved to work: {wrong}") from wrong
        finally:
            self._in_hand.discard(name)
        if name in self._again:
            self._again.discard(name)
            self._list(name)
        for late, (source, folder, stamp) in early.items():
            self.place(late, source, folder=folder, stamp=stamp)
        return target

    def let_go(self, drop: Drop) -> None:
        """The message could not be committed: the file is handed out again, at once if nobody touched it meanwhile."""
        name = file_names.as_bytes(drop.name)
        self._in_hand.discard(name)
        self._again.discard(name)
        try:
            if reading.identity(os.lstat(drop.path)) == drop.identity:
                self._whole.add(name)
        except OSError:
            pass
        self._list(name)

    def _put_back(self, drop: Drop, target: Path) -> None:
        """What was renamed is not what was read: the newer file goes back to OutBox, the bytes read take its place."""
        turn = 1
        while not _linked(target, self.folder / "OutBox" / file_names.numbered(drop.name, turn)):
            turn += 1
        os.unlink(target)
        if drop.raw is not None:
            files.write(target, drop.raw)

    def place(self, message_id: str, source: str, *, folder: str, stamp: str) -> Path | None:
        """Carry the original from `work/` to SentBox or FailBox; None when it is not in `work/`: placed before, or never a file."""
        origin = self._work(message_id, source)
        with self._moving:
            if not os.path.lexists(origin):
                name = file_names.as_bytes(source)
                if name in self._in_hand:
                    self._early.setdefault(name, {})[message_id] = (source, folder, stamp)
                return None
            target = self._free(folder, source, stamp, origin)
            return target if files.move(origin, target) else None

    def _free(self, folder: str, source: str, stamp: str, origin: str) -> Path:
        """The first name that is free, or that holds the same bytes: the same file dropped twice lies there once."""
        turn = 1
        while True:
            target = self.folder / folder / file_names.box_name(source, stamp, turn=turn)
            if not os.path.lexists(target) or _same_bytes(origin, target):
                return target
            turn += 1

    def in_work(self) -> Iterator[str]:
        """Ids of the messages whose original lies in `work/`: after a crash some of them may be due in their box."""
        with os.scandir(os.fsencode(self.folder / "work")) as entries:
            for entry in entries:
                ending = file_names.extension(entry.name)
                if ending:
                    yield file_names.as_text(entry.name[: -len(ending)])

    def _work(self, message_id: str, source: str) -> str:
        return f"{self._work_folder}/{message_id}{file_names.extension(file_names.as_bytes(source)).decode()}"

    def _list(self, name: bytes) -> None:
        if name not in self._listed:
            self._listed.add(name)
            heapq.heappush(self._names, name)


_OTHER_NAME = NotOurs("文件名不是 .xml、.json 或 .zip", "the name does not end in .xml, .json or .zip")
_NO_FILE = NotOurs("不是普通文件", "not a plain file")


def _same_bytes(one: str, other: Path) -> bool:
    """Whether two plain files hold the same; one that cannot be read holds something else."""
    try:
        if os.lstat(one).st_size != os.lstat(other).st_size:
            return False
        return Path(one).read_bytes() == other.read_bytes()
    except OSError:
        return False


def _linked(origin: Path, target: Path) -> bool:
    """Give a file a second name; False when that is taken. Where a file system has no links, a copy does."""
    try:
        os.link(origin, target)
    except FileExistsError:
        return False
    except OSError:
        if os.path.lexists(target):
            return False
        files.write(target, origin.read_bytes())
    return True
