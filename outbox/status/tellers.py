"""One teller for each mailbox, each in a thread of its own: what one mailbox does, or hangs in, is nothing to the others."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.journal.reading.cursor import Cursor
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.system import clock
from tongguan.gateway.system.threads import Begin, begin_thread
from tongguan.outbox.alerts import Alerts
from tongguan.outbox.status.files import StatusContext
from tongguan.outbox.status.index import heartbeat
from tongguan.outbox.status.teller import NAME, Teller

#: what all mailboxes need is made so many seconds apart at least
_APART = 1.0
_Made = TypeVar("_Made")


class _Shared(Generic[_Made]):
    """What many threads need and one makes, anew after a while."""

    def __init__(self, make: Callable[[], _Made], monotonic: Callable[[], float]) -> None:
        self._make, self._monotonic = make, monotonic
        self._lock = threading.Lock()
        self.due_at = -math.inf

    def __call__(self) -> _Made:
        with self._lock:
            if self._monotonic() >= self.due_at:
                self._made = self._make()
                self.due_at = self._monotonic() + _APART
            return self._made


class Tellers:
    """`before`: those of other settings, of which one may still hang in a mailbox that is this one's too."""

    def __init__(
        self,
        journal: Journal,
        context: StatusContext,
        alerts: Alerts,
        *,
        before: Tellers | None = None,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._journal, self._context, self._alerts = journal, context, alerts
        self._serving: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock) if before is None else before._serving
        self._page = _Shared(lambda: heartbeat(alerts.problems(), context), monotonic)
        self._end = _Shared(self._read_end, monotonic)
        self._homeless: set[str] = set()  # accounts without a mailbox whose answers were told of
        self.each = {
            account: Teller(
                account,
                journal,
                context,
                alerts,
                page=self._page,
                end=self._end,
                serving=self._serving[mailbox.folders.root],
                monotonic=monotonic,
            )
            for account, mailbox in context.mailboxes.items()
        }

    def tell(
        self,
        account: str,
        message_ids: Iterable[str],
        document_ids: Iterable[str] = (),
        *,
        passing: Container[str] = frozenset(),
    ) -> None:
        """These of an account moved, or it got answers. `passing`: those that move on at once."""
        if (teller := self.each.get(account)) is not None:
            teller.tell(message_ids, document_ids, passing=passing)
        elif account not in self._homeless:
            self._tell_of_homeless()

    def recover(self) -> None:
        """Have all told again that is not surely told."""
        for teller in self.each.values():
            teller.recover()
        self._tell_of_homeless()
        self._alerts.only("GW-A03", self._homeless)

    def _tell_of_homeless(self) -> None:
        with self._journal.search() as records:
            self._homeless = records.accounts_with_unwritten() - self.each.keys()
        for account in self._homeless:
            zh, en = (
                f"账户 {account} 没有信箱，回执留在日志中",
                f"account {account} has no mailbox: its answers stay in the journal",
            )
            self._alerts.tell("GW-A03", in_both(zh, en), do="tongguan config check", about=account)

    def _read_end(self) -> Cursor:
        with self._journal.search() as records:
            return records.end()

    def catch_up(self) -> None:
        """In this thread: write all that is due now."""
        for teller in self.each.values():
            teller.catch_up()

    def start(self, begin: Begin = begin_thread) -> None:
        for account, teller in self.each.items():
            begin(f"{NAME}:{account}", teller.serve)

    def stop(self, seconds: float) -> set[str]:
        """All tell what is waiting, once, at the same time, and end, within so many seconds; the threads that are left behind, as their mailbox hangs."""
        self._page.due_at = self._end.due_at = -math.inf
        ending = {account: threading.Thread(target=each.stop, daemon=True) for account, each in self.each.items()}
        for thread in ending.values():
            thread.start()
        end = clock.monotonic() + seconds
        for thread in ending.values():
            thread.join(max(0.0, end - clock.monotonic()))
        hung = [account for account, thread in ending.items() if thread.is_alive()]
        for account in hung:
            self.each[account].leave()
        return {f"{NAME}:{account}" for account in hung}
