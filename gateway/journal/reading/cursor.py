"""How far somebody who follows the history has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry of each gateway's newest run, and the number of the newest of all: runs before those are over and told.

    A run's entries are committed in their order, without gaps, whatever other gateways commit meanwhile; numbers that rows get before their
    commit are not. The beginning, without arguments, lies before everything.
    """

    newest: int = 0
    entries: Mapping[str, int] = field(default_factory=dict)  #: by run

    def __str__(self) -> str:
        """As a marker keeps it: without spaces."""
        return orjson.dumps([self.newest, self.entries], option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def of(cls, text: str | None) -> Cursor:
        """What a marker keeps; the beginning where it keeps none: who follows is told too much rather than too little."""
        try:
            newest, entries = orjson.loads(text or "")
            return cls(int(newest), {str(run): int(entry) for run, entry in entries.items()})
        except (ValueError, TypeError, AttributeError):
            return cls()
