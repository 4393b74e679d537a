"""What waits to be told: each id once, with the moment since when, so that one can say how far all is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice

#: seconds before something follows that need not be told at once, so that several moves make one file
FOLLOW = 0.2


class Waiting:
    """Ids of one kind: ready to be told, to follow a little later, or failed and to be tried again."""

    def __init__(self) -> None:
        self.ready: dict[str, float] = {}  #: id to the moment since when, oldest first
        self.following: dict[str, tuple[float, float]] = {}  #: since when, and when it is due
        self.failed: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self.ready)

    def add(self, ids: Mapping[str, float]) -> None:
        for id_, since in ids.items():
            self.ready.setdefault(id_, since)

    def follow(self, ids: Mapping[str, float], now: float) -> None:
        for id_, since in ids.items():
            self.following.setdefault(id_, (since, now + FOLLOW))

    def fail(self, id_: str, since: float) -> None:
        self.failed[id_] = min(since, self.failed.get(id_, since))

    def ripen(self, now: float, *, again: bool) -> None:
        """Make ready what is due; `again`: what failed as well."""
        while self.following:
            id_ = next(iter(self.following))
            since, due = self.following[id_]
            if due > now:
                break
            del self.following[id_]
            self._sooner(id_, since)
        if again:
            for id_, since in self.failed.items():
                self._sooner(id_, since)
            self.failed = {}

    def _sooner(self, id_: str, since: float) -> None:
        self.ready[id_] = min(since, self.ready.get(id_, since))

    def first(self, count: int) -> list[str]:
        return list(islice(self.ready, count))

    def take(self, ids: Sequence[str]) -> float:
        """These are being told; the moment since when the oldest of them waited."""
        return min((self.ready.pop(id_) for id_ in ids), default=math.inf)

    def due_at(self) -> float:
        """When the next one follows; infinity when none does."""
        return next((due for _, due in self.following.values()), math.inf)

    def oldest(self) -> float:
        """Since when something has been waiting; infinity when nothing is."""
        since = (*self.ready.values(), *self.failed.values(), *(since for since, _ in self.following.values()))
        return min(since, default=math.inf)
