"""What is kept for a while only, once a day: files in the boxes, printed forms, bodies of what ended (`[retention]`).

Goes by the machine's clock, as what lies on disk does; a business clock that runs faster makes nothing older. Only what a type keeps up to a
day (`picks`, `until`) goes by the business clock, soon after that day is over.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.writing.retention import KeptResult
from tongguan.gateway.model.message import FINAL
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, file_names, logs
from tongguan.gateway.system.threads import within
from tongguan.inbox.mailbox import Mailbox
from tongguan.outbox.retention import clear_boxes

_RESTS = 9  #: times as long as a portion took, which nobody waits for
_MAILBOX = 60.0  #: seconds that one mailbox may take at a time: it may hang
_T = TypeVar("_T")
log = logs.get_logger("retention")


class DailyClearing:
    """One gateway's; `turn` does all that is due, in portions, and ends early when `stopping`."""

    def __init__(self, settings: Settings, journal: Journal, mailboxes: Mapping[str, Mailbox], stopping: threading.Event) -> None:
        self._kept, self._journal, self._mailboxes, self._stopping = settings.retention, journal, mailboxes, stopping

    def turn(self) -> None:
        """OSError where a mailbox cannot be cleared; what the others are due is done all the same."""
        bodies, prints, boxes = (_before(kept) for kept in (self._kept.bodies, self._kept.prints, self._kept.boxes))
        self._each(partial(self._journal.forget_bodies, bodies), 0)
        for account in self._mailboxes:
            self._each(partial(self._journal.forget_prints, account, prints), (0, 0))
        present = [mailbox for mailbox in self._mailboxes.values() if mailbox.folders.here()]
        within(_MAILBOX, {mailbox.folder / "InBox": partial(self._clear, mailbox, boxes) for mailbox in present})

    def expire(self, today: str) -> None:
        """Remove results that were to be kept up to a day which is over: from InBox, then from the journal. OSError when a disk fails."""
        after: int | None = 0
        while after is not None and not self._stopping.is_set():
            found, after = self._journal.results_over(today, after)
            there = [one for one in found if self._unlinked(one)]
            if there:
                self._journal.forget_results(there)
                log.info("results are over", count=len(there))

    def _unlinked(self, result: KeptResult) -> bool:
        """Is its file gone; one of a mailbox that is away waits for it."""
        mailbox = self._mailboxes.get(result.account)
        if mailbox is None or not result.file:
            return True
        if not mailbox.folders.here():
            return False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file_names.as_bytes(result.file), dir_fd=mailbox.folders["InBox"])
        return True

    def _each(self, portion: Callable[[_T], _T | None], first: _T) -> None:
        after: _T | None = first
        while after is not None and not self._stopping.is_set():
            began = clock.monotonic()
            after = portion(after)
            self._stopping.wait(_RESTS * (clock.monotonic() - began))

    def _clear(self, mailbox: Mailbox, before_ms: int) -> None:
        gone = clear_boxes(mailbox.folders, before_ms=before_ms, ended=self._ended)
        if gone:
            log.info("boxes cleared", account=mailbox.account, files=gone)

    def _ended(self, ids: Collection[str]) -> set[str]:
        with self._journal.search() as records:
            found = records.messages(ids)
        return {id_ for id_ in ids if id_ not in found or found[id_].state in FINAL}


def _before(kept: timedelta) -> int:
    return clock.now_ms() - round(kept / timedelta(milliseconds=1))
