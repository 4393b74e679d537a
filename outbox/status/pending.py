"""What waits to be told: each id once, with the moment since when, so that one can say how far all is told."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from itertools import chain, islice

#: seconds before something follows that need not be told at once, so that several moves make one file
FOLLOW = 0.2
#: the same for what moves on at once: when that takes as long as this (many wait, or an authority is slow), where it is is shown
PASSING = 2.0


class Pending:
    """Ids of one kind: ready to be told, to follow a little later, failed and to be tried again, or not told of wholly yet."""

    def __init__(self) -> None:
        self.ready: dict[str, float] = {}  #: id to the moment since when, oldest first
        self.following: dict[str, tuple[float, float]] = {}  #: since when, and when it is due, soonest first
        self.passing: dict[str, tuple[float, float]] = {}  #: likewise
        self.failed: dict[str, float] = {}
        self.short: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self.ready)

    def add(self, ids: Mapping[str, float]) -> None:
        for id_, since in ids.items():
            later = (known.pop(id_)[0] for known in (self.following, self.passing) if id_ in known)
            self.ready[id_] = min(since, self.ready.get(id_, since), *later)

    def follow(self, ids: Mapping[str, float], now: float, passing: Container[str] = frozenset()) -> None:
        """`passing`: those that move on at once; one of them that rests at last follows as soon as any other."""
        for id_, since in ids.items():
            if id_ not in passing:
                since, _ = self.passing.pop(id_, (since, now))
                self.following.setdefault(id_, (since, now + FOLLOW))
            elif id_ not in self.following:
                self.passing.setdefault(id_, (since, now + PASSING))

    def fail(self, id_: str, since: float) -> None:
        self.failed[id_] = min(since, self.failed.get(id_, since))

    def lack(self, id_: str, since: float) -> None:
        """This was told, but for what is not in its place yet."""
        self.short[id_] = min(since, self.short.get(id_, since))

    def arrived(self) -> None:
        """Something came into its place: what lacked anything is told again."""
        self.add(self.short)
        self.short = {}

    def ripen(self, now: float, *, again: bool) -> None:
        """Make ready what is due; `again`: what failed as well."""
        for later in (self.following, self.passing):
            while later:
                id_ = next(iter(later))
                since, due = later[id_]
                if due > now:
                    break
                self.add({id_: since})
        if again:
            self.add(self.failed)
            self.failed = {}

    def first(self, count: int) -> list[str]:
        return list(islice(self.ready, count))

    def take(self, ids: Sequence[str]) -> float:
        """These are being told; the moment since when the oldest of them waited."""
        return min((self.ready.pop(id_, math.inf) for id_ in ids), default=math.inf)

    def told(self, id_: str) -> None:
        """This has just been told, as it stands now, beside others."""
        self.ready.pop(id_, None)
        self.following.pop(id_, None)
        self.passing.pop(id_, None)

    def due_at(self) -> float:
        """When the next one follows; infinity when none does."""
        return min((due for later in (self.following, self.passing) for _, due in islice(later.values(), 1)), default=math.inf)

    def oldest(self) -> float:
        """Since when something has been waiting; infinity when nothing is."""
        later = (s for s, _ in chain(self.following.values(), self.passing.values()))
        return min(chain(self.ready.values(), self.failed.values(), self.short.values(), later), default=math.inf)
