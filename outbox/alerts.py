"""Tell the people who run the gateway what they must see: a line of JSON a time, repeats held back.

Promises: an alert never fails its caller, nor holds it up once `serve` runs; one that could not be written is kept and written with the
next. Every trouble has its end: who tells it says when it is over, also when an earlier run told it. The file follows what is
true, with at most a few lines a minute for a trouble that comes and goes, and never grows without bound.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from tongguan.gateway.model.errors import in_language
from tongguan.gateway.system import clock, times
from tongguan.gateway.system.printed import at_home
from tongguan.gateway.system.storage import files

MOST_LINES = 6  #: of one trouble within `SPELL` seconds
SPELL = 60.0
UNSEEN = 60.0  #: seconds after which what an earlier run told, and this one has not seen, is over
MOST_LISTED = 50  #: troubles of one code that are listed one by one
MOST_BYTES = 8_000_000  #: of the file, then it is moved aside
_REMEMBERED_BYTES = 1_000_000  #: of the file's end, in which an earlier run's troubles are found
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_MOST_UNWRITTEN = 1000

AlertKey = tuple[str, str]
"""Code, and what it is about."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A trouble that stands, with the command to type; `text` as `in_both` keeps it."""

    code: str
    text: str
    since: int
    do: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class AlertNotice:
    """One line of the alert file, for people: something is wrong, still is (`held_back` times not told again), or is over."""

    at: int
    code: str
    about: str
    text: str
    do: str
    since: int
    over: bool = False
    held_back: int = 0


class Alerts:
    """The alert file of a home and the list of what is wrong now; threads may share it.

    The file speaks one `language`; commands in it are about `home`.
    """

    def __init__(
        self,
        file: Path,
        *,
        repeat: timedelta,
        now_ms: Callable[[], int] = clock.now_ms,
        language: str = "zh",
        home: Path | None = None,
    ) -> None:
        self._file, self._language, self._home = file, language, home
        self._repeat_ms = round(repeat / timedelta(milliseconds=1))
        self._now_ms = now_ms
        self.listener: Callable[[AlertNotice], None] = lambda notice: (
            None
        )  #: hears of each line, at once; must not wait nor raise
        self.refusal = ""  #: why the file takes no lines, but for a full disk, of which others tell; empty while it does
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._bell = threading.Event()
        self._aside = False
        self._standing: dict[AlertKey, Problem] = {}
        self._told: dict[AlertKey, tuple[int, int]] = {}  #: what the file says stands: when last written, held back since
        self._do: dict[AlertKey, str] = {}  #: what its last line said to type
        self._ended: dict[AlertKey, str] = {}  #: what its last line said, to be told when it is over
        self._lines: dict[AlertKey, deque[float]] = {}  #: when its last lines were written
        self._unwritten: deque[bytes] = deque(maxlen=_MOST_UNWRITTEN)
        self._before: dict[
            AlertKey, int
        ] = {}  #: what an earlier run told and did not end, and this one has not seen yet: since when
        self._began = clock.monotonic()
        try:
            earlier = files.tail(file, _REMEMBERED_BYTES)
        except OSError:
            earlier = []
        if earlier and earlier[-1]:
            self._unwritten.append(b"\n")  # an earlier run ended in the middle of a line
        for key, since, at, do, text in _left_standing(earlier):
            self._before[key], self._told[key], self._do[key], self._ended[key] = since, (at, 0), do, text

    def tell(self, code: str, text: str, *, do: str, about: str = "") -> bool:
        """Raise an alert; False when the same `code` about the same thing, with the same `do`, was told within `repeat`.

        It stands until `over`. `text` may be in both languages, as `in_both` makes it.
        """
        key, now = (code, about), self._now_ms()
        text, do = at_home(text, self._home), at_home(in_language(do, self._language) or "", self._home)
        with self._lock:
            since = self._standing[key].since if key in self._standing else self._before.pop(key, now)
            self._standing[key] = Problem(code, text, since, do, about)
            told = self._follow(key, now)
        self._write_here()
        return told

    def follow(self, former: Alerts) -> None:
        """Those of other settings tell nothing any more: what they told in this file and did not end is this one's to end."""
        if former._file != self._file:
            return
        with former._lock, self._lock:
            for key in self._before.keys() - former._told.keys():
                for known in (self._before, self._told, self._do, self._ended):
                    known.pop(key, None)
            for key, told in former._told.items():
                if key not in self._told:
                    problem = former._standing.get(key)
                    self._before[key] = problem.since if problem is not None else told[0]
                    self._told[key], self._do[key], self._ended[key] = told, former._do.get(key, ""), former._ended.get(key, "")
            self._began = clock.monotonic()

    def stands(self, code: str, text: str, *, do: str) -> None:
        """Raise an alert while there is a text to tell; without, its trouble is over."""
        if text:
            self.tell(code, text, do=do)
        else:
            self.over(code)

    def over(self, code: str, about: str = "") -> None:
        """The trouble is gone; the next one of its kind is told at once."""
        key = (code, about)
        if key not in self._standing and key not in self._before:
            return
        with self._lock:
            self._end(key, self._now_ms())
        self._write_here()

    def only(self, code: str, abouts: Collection[str]) -> None:
        """Nothing else of this code is wrong: every trouble about anything else is over."""
        for about in self.about(code):
            if about not in abouts:
                self.over(code, about)

    def about(self, code: str) -> list[str]:
        """What standing troubles of a code are about, those of an earlier run too."""
        with self._lock:
            return [about for each, about in (*self._standing, *self._before) if each == code]

    def told(self) -> set[AlertKey]:
        """What the file says stands."""
        with self._lock:
            return set(self._told)

    def problems(self) -> list[Problem]:
        """What is wrong now, oldest first; of very many of one code the first, and how many more."""
        with self._lock:
            found = sorted(self._standing.values(), key=lambda problem: problem.since)
        seen: Counter[str] = Counter()
        listed = [p for p in found if not seen.update((p.code,)) and seen[p.code] <= MOST_LISTED]
        more = {p.code: p for p in found if seen[p.code] > MOST_LISTED}
        return listed + [replace(p, text=_each(p.text, f"… +{seen[c] - MOST_LISTED}: ")) for c, p in more.items()]

    def tick(self) -> None:
        """Every second or so: bring the file up to what is true, end what an earlier run told and nobody sees any more."""
        with self._lock:
            now = self._now_ms()
            if self._before and clock.monotonic() - self._began > UNSEEN:
                for key in list(self._before):
                    self._end(key, now)
            for key in [key for key in self._lines if self._lags(key)]:
                self._follow(key, now)
            self._lines = {key: at for key, at in self._lines.items() if clock.monotonic() - at[-1] < SPELL or key in self._told}
        self._write_here()

    def serve(self, going: Callable[[], bool]) -> None:
        """Write in this thread from now on, so that a file that hangs holds nobody else up; until `going` says no."""
        self._aside = True
        try:
            while going():
                self._bell.wait(1.0)
                self._bell.clear()
                self._write()
        finally:
            self._aside = False

    def forget(self, before_ms: int) -> int:
        """Remove lines that were written before a moment, but of troubles that stand, and what is no line of ours: how many.

        OSError when the disk fails; then nothing is removed.
        """
        with self._writing:
            with self._lock:
                standing = {*self._standing, *self._before, *self._told}
            return sum(_without_old(path, before_ms, standing) for path in (self._file, self._earlier))

    @property
    def _earlier(self) -> Path:
        return self._file.with_name(f"{self._file.name}.1")

    def _end(self, key: AlertKey, now: int) -> None:
        problem = self._standing.pop(key, None)
        since = self._before.pop(key, now) if problem is None else problem.since
        self._follow(key, now, since)

    def _follow(self, key: AlertKey, now: int, since: int | None = None) -> bool:
        """Make the line that the file lacks, if any, and if there were not too many of late."""
        problem, (code, about) = self._standing.get(key), key
        last, held_back = self._told.get(key, (None, 0))
        if problem is None and last is None:
            return False
        # A clock that was set back is no reason to hold back; nor is a trouble for which something else must be done by now.
        known = problem is not None and self._do.get(key) == problem.do
        if known and last is not None and 0 <= now - last < self._repeat_ms:
            self._told[key] = (last, held_back + 1)
            return False
        lines, at = self._lines.setdefault(key, deque(maxlen=MOST_LINES)), clock.monotonic()
        if len(lines) == MOST_LINES and at - lines[0] < SPELL:
            return False
        lines.append(at)
        if problem is None:
            self._told.pop(key, None)
            self._do.pop(key, None)
            since = now if since is None else since
            words: dict[str, Any] = {"over": True, "since": times.show(since)}
            self.listener(AlertNotice(now, code, about, self._ended.pop(key, ""), "", since, over=True))
        else:
            self._told[key], self._do[key] = (now, 0), problem.do
            words = self._words(problem, held_back)
            text = self._ended[key] = str(words["text"])
            self.listener(AlertNotice(now, code, about, text, problem.do, problem.since, held_back=held_back))
        self._unwritten.append(_line(now, code, about, words))
        return True

    def _lags(self, key: AlertKey) -> bool:
        """Does the file say something else than what is true?"""
        problem = self._standing.get(key)
        return self._do.get(key) != problem.do if problem is not None else key in self._told

    def _write_here(self) -> None:
        if self._aside:
            self._bell.set()
        else:
            self._write()

    def _write(self) -> None:
        """Append what waits, whole or not at all."""
        with self._writing:
            with self._lock:
                waiting = list(self._unwritten)
            if not waiting:
                return
            try:
                self._append(b"".join(waiting))
            except OSError as wrong:
                self.refusal = "" if wrong.errno in _NO_ROOM else wrong.strerror or str(wrong)
                return
            self.refusal = ""
            with self._lock:
                written = {id(line) for line in waiting}  # beyond the most, others have taken the first ones' places
                self._unwritten = deque((x for x in self._unwritten if id(x) not in written), maxlen=_MOST_UNWRITTEN)

    def _append(self, lines: bytes) -> None:
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            size = os.fstat(handle).st_size
            if not size:
                files.hand_over(handle, self._file.parent)
            if os.write(handle, lines) < len(lines):
                os.ftruncate(handle, size)  # the disk is full: half a line would spoil the next one
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)
        if size > MOST_BYTES:
            with suppress(OSError):
                self._begin_anew()

    def _begin_anew(self) -> None:
        """Move the file aside, and begin the next one with what stands."""
        files.move(self._file, self._earlier)
        with self._lock:
            now = self._now_ms()
            self._unwritten.extend(_line(now, *key, self._words(problem, 0)) for key, problem in self._standing.items())

    def _words(self, problem: Problem, held_back: int) -> dict[str, Any]:
        text = in_language(problem.text, self._language)
        return {"text": text, "do": problem.do, "since": times.show(problem.since), "held_back": held_back}


def _line(now: int, code: str, about: str, words: dict[str, Any]) -> bytes:
    return orjson.dumps({"at": times.show(now), "code": code, "about": about, **words}, default=str) + b"\n"


def _without_old(path: Path, before_ms: int, standing: Collection[AlertKey]) -> int:
    try:
        lines = files.read(path).splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if not _is_old(line, before_ms, standing)]
    if len(kept) < len(lines):
        files.write(path, b"".join(kept), mode=0o600)
    return len(lines) - len(kept)


def _is_old(line: bytes, before_ms: int, standing: Collection[AlertKey]) -> bool:
    try:
        said = orjson.loads(line)
        return times.read(said["at"]) < before_ms and (said["code"], said["about"]) not in standing
    except (ValueError, KeyError, TypeError):
        return False


def _each(text: str, before: str) -> str:
    """The text with something before it, in each language."""
    return "\n".join(before + line for line in text.split("\n"))


def _left_standing(lines: Iterable[bytes]) -> Iterable[tuple[AlertKey, int, int, str, str]]:
    """What earlier runs told and did not end: what it is about, since when, when it was told last, what to type, what it said."""
    found: dict[AlertKey, tuple[int, int, str, str]] = {}
    for line in lines:
        try:
            said = orjson.loads(line)
            key = (str(said["code"]), str(said["about"]))
            found.pop(key, None)
            if not said.get("over"):
                found[key] = (times.read(said["since"]), times.read(said["at"]), str(said["do"]), str(said.get("text", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # half a line, as after a power cut, or not ours
    return [(key, *told) for key, told in found.items()]
