"""Ids: UUIDv7 for what comes in, a hash of the parent for what follows from it."""

from __future__ import annotations

import hashlib
import os
import time

_VERSION, _VARIANT = ~(0xF << 76), ~(0x3 << 62)  #: all bits but those that say what kind of UUID it is


def new_id() -> str:
    """A UUIDv7 (RFC 9562): ids made later sort later, to the millisecond."""
    ms = time.time_ns() // 1_000_000
    value = (ms << 80) | int.from_bytes(os.urandom(10), "big")
    return _uuid(value, version=7)


def derived_id(*parts: str) -> str:
    """The same parts give the same id, so that a repeat after a crash makes the same row."""
    return _uuid(int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:16], "big"), version=8)


def _uuid(value: int, *, version: int) -> str:
    digits = f"{value & _VERSION & _VARIANT | version << 76 | 0x2 << 62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
