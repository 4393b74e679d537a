"""What is kept for a while only, once a day: files in the boxes, printed forms, bodies of what ended, alerts (`[retention]`).

Goes by the machine's clock, as what lies on disk does; a business clock that runs faster makes nothing older. Only what a type keeps up to a
day (`picks`, `until`) goes by the business clock, soon after that day is over.

A clock that is wrong must cost nobody what he has not read. So when it was set by a day or more, what there is counts as put there then; and
a mailbox's files are as old as the clock of its own file system says, which need not be ours.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.message import FINAL
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, logs
from tongguan.gateway.system.storage import file_names, files
from tongguan.gateway.system.threads import within
from tongguan.inbox.mailbox import Mailbox
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.retention import clear_boxes

_RESTS = 9  #: times as long as a portion took, which nobody waits for
_MAILBOX = 60.0  #: seconds that one mailbox, or the alert file, may take at a time: it may hang
_DAY = timedelta(days=1)
_T = TypeVar("_T")
log = logs.get_logger("retention")


class DailyClearing:
    """One gateway's; `turn` does all that is due, in portions, and ends early when `stopping`."""

    def __init__(
        self, settings: Settings, journal: Journal, mailboxes: Mapping[str, Mailbox], alerts: Alerts, stopping: threading.Event
    ) -> None:
        self._kept, self._journal, self._mailboxes, self._stopping = settings.retention, journal, mailboxes, stopping
        self._alerts, self._alert_file = alerts, settings.path(settings.alerts.file)

    def turn(self) -> None:
        """OSError where a mailbox or the alert file cannot be cleared; what the others are due is done all the same."""
        self._journal.timekeeper.look()
        bodies, prints, alerts = (self._before(kept) for kept in (self._kept.bodies, self._kept.prints, self._kept.alerts))
        if bodies is not None:
            self._each(partial(self._journal.forget_bodies, bodies), 0)
        if prints is not None:
            for account in self._mailboxes:
                self._each(partial(self._journal.forget_prints, account, prints), (0, 0))
        works: dict[Path, Callable[[], None]] = {}
        if self._before(self._kept.boxes) is not None:
            works = {self._inbox(name): partial(self._clear, mailbox) for name, mailbox in self._mailboxes.items()}
        if alerts is not None:
            works[self._alert_file] = partial(self._forget_alerts, alerts)
        within(_MAILBOX, works, stopping=self._stopping)

    def expire(self, today: str) -> None:
        """Remove results that were to be kept up to a day which is over: from InBox, then from the journal.

        OSError where a mailbox cannot be cleared; what the others are due is done all the same. One that is away waits for it, as does
        one that is still to be written.
        """
        self._journal.timekeeper.look()
        if self._before(_DAY) is None:
            return
        failed: list[OSError] = []
        after: tuple[str, int] | None = ("", 0)
        while after is not None and not self._stopping.is_set():
            found, after = self._journal.results_over(today, after)
            named: dict[str, list[str]] = {}
            for one in found:
                if one.written and one.account in self._mailboxes:
                    named.setdefault(one.account, []).append(one.file)
            works = {self._inbox(account): partial(self._unlinked, account, names, failed) for account, names in named.items()}
            gone = within(_MAILBOX, works, stopping=self._stopping)
            over = [
                one for one in found if one.account not in self._mailboxes or (one.written and gone.get(self._inbox(one.account)))
            ]
            if over:
                self._journal.forget_results(over)
                log.info("results are over", count=len(over))
        if failed:
            raise failed[0]

    def _inbox(self, account: str) -> Path:
        return self._mailboxes[account].folder / "InBox"

    def _unlinked(self, account: str, names: Collection[str], failed: list[OSError]) -> bool:
        """Are these files of the mailbox gone, and will they be after a power cut; what is no file is none of ours."""
        folders = self._mailboxes[account].folders
        if not folders.here():
            return False
        try:
            for name in names:
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    os.unlink(file_names.as_bytes(name), dir_fd=folders["InBox"])
            files.sync_folder(folders["InBox"])
        except OSError as wrong:
            failed.append(wrong)
            return False
        return True

    def _each(self, portion: Callable[[_T], _T | None], first: _T) -> None:
        after: _T | None = first
        while after is not None and not self._stopping.is_set():
            began = clock.monotonic()
            after = portion(after)
            self._stopping.wait(_RESTS * (clock.monotonic() - began))

    def _clear(self, mailbox: Mailbox) -> None:
        if not mailbox.folders.here() or (now := mailbox.folder_time_ms()) is None:
            return
        before_ms = now - round(self._kept.boxes / timedelta(milliseconds=1))
        gone = clear_boxes(mailbox.folders, before_ms=before_ms, ended=self._ended)
        if gone:
            log.info("boxes cleared", account=mailbox.account, files=gone)

    def _forget_alerts(self, before_ms: int) -> None:
        if lines := self._alerts.forget(before_ms):
            log.info("alerts cleared", lines=lines)

    def _ended(self, ids: Collection[str]) -> set[str]:
        with self._journal.search() as records:
            found = records.messages(ids)
        return {id_ for id_ in ids if id_ not in found or found[id_].state in FINAL}

    def _before(self, kept: timedelta) -> int | None:
        """Since when something is kept; None while that is before the clock was set, as nobody knows then how old anything is."""
        before = clock.now_ms() - round(kept / timedelta(milliseconds=1))
        return before if before >= self._journal.timekeeper.even_since else None
