"""Ids: UUIDv7 for what comes in, a hash of the parent for what follows from it."""

from __future__ import annotations

import hashlib
import os
import time
import uuid


def new_id() -> str:
    """A UUIDv7 (RFC 9562): ids made later sort later, to the millisecond."""
    ms = time.time_ns() // 1_000_000
    value = (ms << 80) | int.from_bytes(os.urandom(10), "big")
    return str(uuid.UUID(int=(value & ~(0xF << 76) & ~(0x3 << 62)) | (0x7 << 76) | (0x2 << 62)))


def derived_id(*parts: str) -> str:
    """The same parts give the same id, so that a repeat after a crash makes the same row."""
    digest = bytearray(hashlib.sha256("\x1f".join(parts).encode()).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
