"""A gateway's work in rounds, in the thread of the test: whatever its threads would do, one thing after the other."""

from __future__ import annotations

import contextlib
import math
from datetime import timedelta
from functools import partial

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.flow.orders import orders
from tongguan.gateway.model.errors import Deferred
from tongguan.inbox.receipts import ReceiptDoor


def poll_once(door: ReceiptDoor) -> int:
    """Poll each account once; how many receipts were delivered. Deferred when a route has no page."""
    delivered = 0
    for account, code in door._accounts.items():
        after = door._intake.cursor(door._route.name, account)
        page = door._route.call(door._route.poll(code, after, limit=door._limit, wait=timedelta(0))).result()
        door._deliver(account, page, after)
        delivered += len(page.receipts)
    return delivered


def turn(daemon: Daemon) -> bool:
    """One round of everything; False when nothing was left to do."""
    daemon._guarded(daemon._upkeep)
    busy = daemon._guarded(daemon.slots.turn)
    for mailbox in daemon.mailboxes.values():
        if f"account:{mailbox.account}" not in daemon.journal.lanes:
            busy |= daemon._guarded(partial(daemon._empty, mailbox))
    for station in daemon.stations:
        busy |= daemon._guarded(station.turn)
    busy |= daemon._guarded(daemon.notifier.turn)
    for door in daemon.doors:
        with contextlib.suppress(Deferred):
            busy |= poll_once(door) > 0
    busy |= bool(orders(daemon.site))
    daemon.watching.probe()
    daemon.tellers.catch_up()
    return busy


def all_told(daemon: Daemon) -> bool:
    """Is no status file to follow a little later?"""
    return all(min(each._messages.due_at(), each._documents.due_at()) == math.inf for each in daemon.tellers.each.values())
