"""What can go wrong, said as what happens next.

A step raises `Refused`, `Deferred` or `Held` on purpose; any other exception is a bug and holds the message with its
traceback — except `StationBroken` (journal, disk, machine), which stops the station and never harms a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal


class TongguanError(Exception):
    """Anything this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent: stable code, place, Chinese and English text.

    `path` is an XPath for XML senders and a JSON pointer for JSON senders; `line` is None where the form has no lines.
    """

    code: str
    zh: str
    en: str
    path: str = ""
    line: int | None = None
    label: str = ""
    severity: Literal["error", "warning"] = "error"

    def text(self, language: str) -> str:
        return self.en if language == "en" else self.zh


class Refused(TongguanError):
    """The sender must change the message; every fault is listed."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{f.code} {f.path} {f.en}" for f in self.faults))


class Deferred(TongguanError):
    """Nothing is wrong with the document; try again later."""

    def __init__(self, waiting_for: str, *, after: timedelta | None = None, closes: str | None = None, why: str = "") -> None:
        self.waiting_for = waiting_for  #: authority, card, pin, route, other document: as in the status file
        self.after = after  #: at the soonest; None: by age
        self.closes = closes  #: the lane that must not be tried before a probe has opened it
        self.why = why
        super().__init__(f"waiting for {waiting_for}: {why}")


class Held(TongguanError):
    """A person must look; `do` is the command to type."""

    def __init__(self, reason: str, *, do: str) -> None:
        self.reason = reason
        self.do = do
        super().__init__(reason)


class StationBroken(TongguanError):
    """Journal, disk or machine failed: the station stops, its messages are untouched."""


class SettingsWrong(TongguanError):
    """The settings cannot be used; the text names the key, and what would be right."""


class NoJournal(TongguanError):
    """The home has no journal yet: its daemon has never run."""
