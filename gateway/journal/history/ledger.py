"""What the history says of each row, against the rows that are there.

Promises: memory does not grow with the journal; what is compared lies in temporary files, in parts that fit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from tongguan.gateway.journal.history.digests import GONE, NAME, RECORD

_A_PART = 100_000  #: records compared at a time
_MOST_PARTS = 256  #: each is two open files
_IN_MEMORY = 1 << 20
_PLACE = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not as the history left it."""

    name: bytes
    place: int | None  #: of the entry that told of it; None: none did
    present: bool  #: is there a row at all


class Ledger:
    """First everything is told, then everything is seen; `records` is how many records there are about."""

    def __init__(self, records: int) -> None:
        parts = max(1, min(_MOST_PARTS, records // _A_PART))
        self._told = [_file() for _ in range(parts)]
        self._seen = [_file() for _ in range(parts)]

    def close(self) -> None:
        for file in (*self._told, *self._seen):
            file.close()

    def tell(self, name: bytes, facts: bytes, place: int) -> None:
        """An entry left this row."""
        self._of(self._told, name).write(name + facts + _PLACE.pack(place))

    def see(self, record: bytes) -> None:
        self._of(self._seen, record).write(record)

    def _of(self, files: list[IO[bytes]], name: bytes) -> IO[bytes]:
        return files[int.from_bytes(name[:2], "big") % len(files)]

    def differences(self) -> Iterator[Difference]:
        for told, seen in zip(self._told, self._seen, strict=True):
            left: dict[bytes, tuple[bytes, int]] = {}
            for record in _read(told, RECORD + _PLACE.size):
                left[record[:NAME]] = (record[NAME:RECORD], _PLACE.unpack(record[RECORD:])[0])
            for record in _read(seen, RECORD):
                name = record[:NAME]
                facts, place = left.pop(name, (GONE, None))
                if facts != record[NAME:]:
                    yield Difference(name, place, present=True)
            yield from (Difference(name, place, present=False) for name, (facts, place) in left.items() if facts != GONE)


def _file() -> IO[bytes]:
    return SpooledTemporaryFile(max_size=_IN_MEMORY)


def _read(file: IO[bytes], size: int) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(size * 1000):
        for start in range(0, len(block), size):
            yield block[start : start + size]
