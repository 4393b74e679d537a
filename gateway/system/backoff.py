"""When to try again what could not be done now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import random as _random

#: each wait is lengthened by up to this part of itself, so that what failed together does not come back together
JITTER = 0.2
#: seconds before a failed write is tried again: at first, and at most
RETRY, MOST_RETRY = 1.0, 30.0


def wait_before_next(
    received_at: datetime, now: datetime, *, least: timedelta, most: timedelta, random: Callable[[], float] = _random
) -> timedelta:
    """Wait as long as the message has waited already, within bounds: no counter, no table, right after a restart."""
    wait = max(least, min(now - received_at, most))
    return wait * (1 + JITTER * random())


class Backoff:
    """When to try again after failures in a row."""

    def __init__(self) -> None:
        self._wait = self.at = 0.0

    def failed(self, now: float) -> None:
        if self.at <= now:
            self._wait = min(MOST_RETRY, self._wait * 2) if self._wait else RETRY
            self.at = now + self._wait

    def well(self) -> None:
        self._wait = self.at = 0.0
