"""When to try again what could not be done now."""

from __future__ import annotations

import hashlib
from datetime import timedelta

#: each wait is lengthened by up to this part of itself, so that what failed together does not come back together
JITTER = 0.2
#: seconds before a failed write is tried again: at first, and at most
RETRY, MOST_RETRY = 1.0, 30.0


def wait_before_next(age: timedelta, *, least: timedelta, most: timedelta, part: float) -> timedelta:
    """Wait as long as the message has waited already, within bounds: no counter, no table, right after a restart.

    `part` of the jitter (0 to 1) is added.
    """
    return max(least, min(age, most)) * (1 + JITTER * part)


def part_of(*words: str) -> float:
    """Where in the jitter something comes: anywhere between 0 and 1, and there again for the same words."""
    return int.from_bytes(hashlib.sha256("|".join(words).encode()).digest()[:4]) / (1 << 32)


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
