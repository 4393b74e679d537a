"""What a file is that is none of ours: `foreign.csv` beside the profiles, by the root of an XML."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from tongguan.gateway.model.faults import listed_types
from tongguan.gateway.profile.profile import Text

FOREIGN = Path(__file__).parents[1] / "profiles" / "foreign.csv"
RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A kind of file that other systems write."""

    root: str  #: pattern of its root element's name
    kind: str  #: message | receipt | other
    what: Text


@dataclass(frozen=True)
class KnownFiles:
    """The document types that are taken here, and what else people drop by mistake."""

    types: frozenset[str]

    def foreign(self, root: str) -> ForeignFile | None:
        """What has a root element of this name; None where nobody knows."""
        return next((one for one in _foreign_files() if re.fullmatch(one.root, root)), None)

    @cached_property
    def listed(self) -> str:
        """The types for a reader."""
        return listed_types(self.types)


@lru_cache(maxsize=1)
def _foreign_files() -> tuple[ForeignFile, ...]:
    with FOREIGN.open(encoding="utf-8", newline="") as file:
        return tuple(ForeignFile(row["root"], row["kind"], Text(row["zh"], row["en"])) for row in csv.DictReader(file))


@lru_cache(maxsize=8)
def _known(types: frozenset[str]) -> KnownFiles:
    return KnownFiles(types)


def known_files(types: Iterable[str]) -> KnownFiles:
    """Of these document types; the same object for the same types."""
    return _known(frozenset(types))
