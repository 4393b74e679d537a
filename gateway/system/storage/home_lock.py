"""Who is alone in a home: its lock, which the kernel lets go however a process ends, and the socket beside it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system import clock
from tongguan.gateway.system.storage import files, permissions

LOCK, SOCKET = "daemon.lock", "daemon.sock"
_OWN = (LOCK, "anchor.jsonl", "secrets/anchor.key")  #: what no gateway writes anew when it starts
_PAUSE = 0.05  #: seconds between two tries


def in_the_way(home: Path) -> Iterator[SettingsWrong]:
    """What lies where the gateway has files of its own, and is none."""
    for path in (home / name for name in (*_OWN, SOCKET)):
        try:
            kind = files.kind_of(path)
        except OSError:
            continue  # nothing, or what whoever reads it tells of
        if kind is not None and (path.name != SOCKET or path.is_dir()):
            do = files.out_of_the_way(path)
            yield SettingsWrong(
                f"{path} 是{kind[0]}，而网关要在那里放自己的文件；请移开：{do}",
                f"{path} is {kind[1]}, where the gateway has a file of its own; move it away: {do}",
            )


def hold(home: Path, *, tries: int = 1) -> int:
    """The lock's descriptor, which holds the home until it is closed. BlockingIOError while another holds it."""
    permissions.make(home / LOCK)
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CLOEXEC)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            tries -= 1
            if tries <= 0:
                os.close(handle)
                raise
            clock.pause(_PAUSE)  # a command that only asks who is there holds it for a moment


def is_held(home: Path) -> bool:
    """Does somebody hold the home now?"""
    try:
        handle = os.open(files.plain(home / LOCK), os.O_RDONLY | os.O_CLOEXEC)  # a home may be read-only
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
