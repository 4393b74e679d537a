"""Short messages to people: the channel that carries them, and the station that sends what is due.

Promises: each is handed over at least once and under the same id at every try; what cannot be handed over in its time ends with
an alert, never silently. Never shows a whole telephone number in a log or an alert.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import orjson

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.notifications import LANE
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.notification import Notification
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, logs, times
from tongguan.gateway.system.backoff import part_of, wait_before_next
from tongguan.gateway.system.storage import files
from tongguan.outbox.alerts import Alerts

log = logs.get_logger("notify")
MOST = 32  #: in one hand
_REMEMBERED_BYTES = 1_000_000  #: of the file's end, looked through for what an earlier run wrote but did not mark


class Channel(Protocol):
    """The way to a provider of short messages."""

    def send(self, notes: Sequence[Notification]) -> list[str]:
        """Hand them over; for each `""` when the provider has it, else why not. Never raises for what the other side does."""


class FileChannel:
    """Writes a line of JSON for each: for tests, and for a provider's own program that reads it."""

    def __init__(self, file: Path, *, sender: str) -> None:
        self._file, self._sender = file, sender
        self._written: set[str] | None = None

    def send(self, notes: Sequence[Notification]) -> list[str]:
        try:
            if self._written is None:
                self._written = self._known()
            fresh = [n for n in notes if n.id not in self._written]
            if fresh:
                self._append(b"".join(orjson.dumps(letter(n, self._sender)) + b"\n" for n in fresh))
                self._written.update(n.id for n in fresh)
        except OSError as wrong:
            return [f"{self._file.name}: {wrong.strerror}"] * len(notes)
        return [""] * len(notes)

    def _append(self, lines: bytes) -> None:
        if any(files.tail(self._file, 1)):
            lines = b"\n" + lines  # an earlier run ended in the middle of a line
        with suppress(FileNotFoundError):
            files.plain(self._file)
        with open(self._file, "ab", opener=_private) as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        files.at("notified")

    def _known(self) -> set[str]:
        """Ids of the last lines."""
        found = set()
        for line in files.tail(self._file, _REMEMBERED_BYTES):
            with suppress(ValueError, KeyError, TypeError):  # half a line, or not ours
                found.add(str(orjson.loads(line)["id"]))
        return found


class HttpChannel:
    """Gives each to `post`, which knows the provider's address."""

    def __init__(self, post: Callable[[Sequence[dict[str, str]]], list[str]], *, sender: str) -> None:
        self._post, self._sender = post, sender

    def send(self, notes: Sequence[Notification]) -> list[str]:
        answers = self._post([letter(note, self._sender) for note in notes])
        files.at("notified")
        return answers


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def letter(note: Notification, sender: str) -> dict[str, str]:
    """What a provider is given."""
    return {
        "id": note.id,
        "phone": note.phone,
        "text": note.text,
        "sender": sender,
        "account": note.account,
        "reference": note.reference,
        "at": times.show(note.at) or "",
    }


class Notifier:
    """The station that sends: `turn` does one hand and says whether there was anything to do."""

    name = LANE
    lanes = (LANE,)

    def __init__(self, journal: Journal, channel: Channel, alerts: Alerts, settings: Settings) -> None:
        self._journal, self._channel, self._alerts = journal.notifications, channel, alerts
        self._settings, self._timekeeper = settings, journal.timekeeper

    def turn(self) -> bool:
        self._timekeeper.look()  # a clock that was set forward lets nobody give up
        notes = self._journal.due(clock.now_ms(), MOST)
        if not notes:
            return False
        troubles = dict(zip((n.id for n in notes), self._channel.send(notes), strict=True))
        sent = [n for n in notes if not troubles[n.id]]
        self._timekeeper.look()
        failed = {n.id: self._again(n) for n in notes if troubles[n.id]}
        self._journal.tried([n.id for n in sent], failed)
        for note in notes:
            log.info("sms", account=note.account, phone=note.masked, document=note.reference, why=troubles[note.id] or None)
        if sent:
            self._alerts.over("sms")
        for note in notes:
            if note.id in failed and failed[note.id] is None:
                self._given_up(note, troubles[note.id])
        return True

    def _again(self, note: Notification) -> int | None:
        """When to try again; None when its time is over."""
        now = clock.now_ms()
        age = timedelta(milliseconds=now - note.at)
        schedule = self._settings.schedule
        wait = wait_before_next(age, least=schedule.least_wait, most=schedule.most_wait, part=part_of(note.id, str(now)))
        if age + wait > self._settings.sms.give_up:
            return None
        return now + round(wait / timedelta(milliseconds=1))

    def _given_up(self, note: Notification, why: str) -> None:
        zh = f"给 {note.masked} 的短信（{note.reference}）未能送出：{why}"
        en = f"the short message to {note.masked} about {note.reference} was not delivered: {why}"
        self._alerts.tell("sms", in_both(zh, en), do="tongguan doctor")
