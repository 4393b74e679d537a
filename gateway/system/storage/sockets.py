"""Sockets that have a name in a folder: the system takes names of 107 bytes, and homes lie deeper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST_NAME = 107  #: bytes of a socket's name


@contextmanager
def socket_name(path: Path) -> Iterator[str]:
    """A name by which a socket at this path can be made or reached, until the end of the block."""
    near = os.path.relpath(path)
    if len(os.fsencode(near)) <= _MOST_NAME:
        yield near
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
