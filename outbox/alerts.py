"""Tell the people who run the gateway what they must see: a line of JSON a time, repeats held back.

Promises: an alert never fails its caller; one that could not be written is kept and written with the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import orjson

from tongguan.gateway.kernel import clock


@dataclass(frozen=True, slots=True)
class Problem:
    """A trouble that stands, with the command to type."""

    code: str
    text: str
    since: int
    do: str


class Alerts:
    """The alert file of a home and the list of what is wrong now; threads may share it."""

    def __init__(self, file: Path, *, repeat: timedelta, now_ms: Callable[[], int] = clock.now_ms) -> None:
        self._file = file
        self._repeat_ms = round(repeat / timedelta(milliseconds=1))
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._standing: dict[tuple[str, str], Problem] = {}
        self._told: dict[tuple[str, str], tuple[int, int]] = {}  # when last written, held back since
        self._unwritten: list[bytes] = []

    def tell(self, code: str, text: str, *, do: str, about: str = "") -> bool:
        """Raise an alert; False when the same `code` about the same thing was told within `repeat`. It stands until `over`."""
        key, now = (code, about), self._now_ms()
        with self._lock:
            since = self._standing[key].since if key in self._standing else now
            self._standing[key] = Problem(code, text, since, do)
            last, held_back = self._told.get(key, (None, 0))
            if last is not None and now - last < self._repeat_ms:
                self._told[key] = (last, held_back + 1)
                return False
            self._told[key] = (now, 0)
            line = {"at": clock.show(now), "code": code, "about": about, "text": text, "do": do, "since": clock.show(since)}
            self._unwritten.append(orjson.dumps({**line, "held_back": held_back}, default=str) + b"\n")
            self._write()
        return True

    def over(self, code: str, about: str = "") -> None:
        """The trouble is gone; the next one of its kind is told at once."""
        key = (code, about)
        if key not in self._standing:
            return
        with self._lock:
            problem = self._standing.pop(key, None)
            self._told.pop(key, None)
            if problem is not None:
                line = {"at": clock.show(self._now_ms()), "code": code, "about": about, "over": True}
                self._unwritten.append(orjson.dumps({**line, "since": clock.show(problem.since)}) + b"\n")
                self._write()

    def problems(self) -> list[Problem]:
        """What is wrong now, oldest first."""
        with self._lock:
            return sorted(self._standing.values(), key=lambda problem: problem.since)

    def _write(self) -> None:
        try:
            with open(self._file, "ab") as file:
                file.write(b"".join(self._unwritten))
        except OSError:
            del self._unwritten[:-1000]
            return
        self._unwritten.clear()
