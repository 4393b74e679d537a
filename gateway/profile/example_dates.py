"""The dates in examples: written for one year, and read in any other as if they had been written then."""

from __future__ import annotations

import re

WRITTEN = 2026  #: the year for which the examples are written
_YEAR = re.compile(rb'(?<=[>"])20[0-9]{2}(?=[<"]|-[0-9]{2}-[0-9]{2}[<"T]|(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])[<"])')
_LAST = WRITTEN + 10  #: days after that stand for "never", and stay


def moved(example: bytes, today: str) -> bytes:
    """An example's text as of a day: each value that is a year, or a day, goes along by whole years.

    What ends with the year ends with it in each: a licence that is wanted until 31 December is wanted until then. No example names 29 February.
    """
    by = int(today[:4]) - WRITTEN

    def along(found: re.Match[bytes]) -> bytes:
        named = int(found[0])
        return b"%d" % (named + by) if WRITTEN <= named <= _LAST else found[0]

    return _YEAR.sub(along, example)
