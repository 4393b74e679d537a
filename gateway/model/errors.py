"""What can go wrong, said as what happens next.

A step raises `Refused`, `Deferred` or `Held` on purpose; any other exception is a bug and holds the message with its
traceback — except `StationBroken` (journal, disk, machine), which stops the station and never harms a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Literal

from tongguan.gateway.model.lane import Lane
from tongguan.gateway.model.record import record

MOST_TOLD = 1000  #: faults of one message; the others are counted


def in_both(zh: str, en: str) -> str:
    """A text in both languages, as one column of the journal keeps it: `in_language` gives the reader's."""
    return f"{' '.join(zh.splitlines())}\n{' '.join(en.splitlines())}"


def in_language(text: str | None, language: str) -> str | None:
    """What `in_both` keeps, in one language; a text that is kept in one language as it is, None as None."""
    zh, both, en = (text or "").partition("\n")
    return text if not both else en if language == "en" else zh


def each_of(text: str) -> tuple[str, str]:
    """The Chinese and the English of what `in_both` keeps."""
    return in_language(text, "zh") or "", in_language(text, "en") or ""


def many(number: int, thing: str) -> str:
    """So many of a thing, in English: `1 message`, `2 messages`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def nearest(word: str, known: Iterable[str]) -> tuple[str, str]:
    """`; did you mean 'x'?` in Chinese and English, or nothing when no known word is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return (f"；是不是 {near[0]!r}？", f"; did you mean {near[0]!r}?") if near else ("", "")


class TongguanError(Exception):
    """Anything this project raises on purpose: what a person reads of it, in Chinese and English; one text alone stands for both."""

    def __init__(self, zh: str = "", en: str = "") -> None:
        self.zh, self.en = zh, en or zh
        super().__init__(self.en)

    def text(self, language: str) -> str:
        return self.en if language == "en" else self.zh

    @property
    def both(self) -> str:
        return in_both(self.zh, self.en)


@record
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
    label_en: str = ""

    def text(self, language: str) -> str:
        return self.en if language == "en" else self.zh

    def shown(self, language: str) -> dict[str, Any]:
        """As status files and answers in JSON tell it."""
        names = ("code", "severity", "path", "line")
        return {**{name: getattr(self, name) for name in names}, "label": self.called(language), "message": self.text(language)}

    def called(self, language: str) -> str:
        """What stands at its place, in one language."""
        return self.label_en or self.label if language == "en" else self.label


def short(value: object, most: int = 120) -> str:
    """A value as a fault shows it: never at length, never with half a letter."""
    text = str(value)[: most + 1].encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 3] + "…"


def unlisted(count: int, *, path: str = "", line: int | None = None) -> Fault:
    """The fault that stands for all that are not told."""
    return Fault("GW-C28", f"另有 {count} 个错误未列出", f"{count} more faults are not listed", path, line)


class Refused(TongguanError):
    """The sender must change the message; every fault is listed, or as many as anybody reads."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = tuple(faults)
        more = len(found) - MOST_TOLD
        self.faults = (*found[:MOST_TOLD], unlisted(more)) if more > 0 else found
        super().__init__("; ".join(f"{f.code} {f.path} {f.en}" for f in self.faults))


class Deferred(TongguanError):
    """Nothing is wrong with the document; try again later."""

    def __init__(
        self,
        waiting_for: str,
        *,
        after: timedelta | None = None,
        closes: Lane | None = None,
        why: str = "",
        do: str = "",
        by_person: bool = False,
        marks: Mapping[str, Any] | None = None,
    ) -> None:
        self.waiting_for = waiting_for  #: authority, card, pin, route, other document: as in the status file
        self.after = after  #: at the soonest; None: by age
        self.closes = closes  #: the lane that must not be tried before a probe has opened it
        self.why = why
        self.do = do  #: the command to type; empty: the lane's own
        self.by_person = by_person  #: only a person opens the lane that it closes
        self.marks = marks or {}  #: facts that it leaves on the message
        super().__init__(f"waiting for {waiting_for}: {why}")


class Held(TongguanError):
    """A person must look; `do` is the command to type, in which ID stands for the message's own id.

    `needs` names what is missing in the settings (`account demo`): when it is there, the message goes on by itself.
    """

    def __init__(self, zh: str, en: str, *, do: str, needs: str = "") -> None:
        self.do = do
        self.needs = needs
        super().__init__(zh, en)


class StationBroken(TongguanError):
    """Journal, disk or machine failed: the station stops, its messages are untouched."""


class BrokerBroken(TongguanError):
    """The broker cannot be reached, or does not do what was asked; what came of the last request is not known.

    `in_another_shape`: a queue or exchange of the name is there, and is none that serves.
    """

    def __init__(self, zh: str = "", en: str = "", *, in_another_shape: bool = False) -> None:
        super().__init__(zh, en)
        self.in_another_shape = in_another_shape


class SettingsWrong(TongguanError):
    """The settings cannot be used; the text names the key, and what would be right."""


class JournalUnfit(SettingsWrong):
    """The journal cannot be used as it is: what is wrong, and what to do, in Chinese and English; all but doctor point to that."""

    def __init__(self, zh: str, en: str, *, do: tuple[str, str]) -> None:
        super().__init__(f"{zh}；{do[0]}；查看：tongguan doctor", f"{en}; {do[1]}; look: tongguan doctor")
        self.what, self.do = (zh, en), do


class NoJournal(TongguanError):
    """The home has no journal yet: its daemon has never run."""
