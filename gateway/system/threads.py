"""How a part of the gateway asks for a thread: by name, with what is to run in it.

In the daemon the supervisor gives them, and keeps them going; tests and tools that end with their work take a plain one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from tongguan.gateway.system import clock

#: seconds in which a mailbox answers, or it hangs
ANSWER = 3.0
#: seconds that it is still waited for once the gateway ends
_LAST_MOMENT = 0.5

WorkMark = AbstractContextManager[Any]
"""Held while there is work in hand, and not while the thread waits for some: what is held for too long is stuck."""
Serve = Callable[[WorkMark], None]
"""Runs until it is told to stop by its owner; when it raised, it may be called again."""
Begin = Callable[[str, Serve], None]
"""Runs a `Serve` in a thread of this name."""


def begin_thread(name: str, serve: Serve) -> None:
    """A plain thread, that nobody looks after."""
    threading.Thread(target=serve, args=(nullcontext(),), name=name, daemon=True).start()


_T = TypeVar("_T")
#: the name of threads that ask at places which may hang
ASKS = "asks"
_hung: dict[Path, threading.Thread] = {}  #: who asked last at a place that did not answer


def within(seconds: float, works: Mapping[Path, Callable[[], _T]], *, stopping: threading.Event | None = None) -> dict[Path, _T]:
    """What each work at a place gives, all done at once, each in a thread of its own; raises what the first one raised that did.

    A call of the system may hang, and nobody can end it. What has not ended in time, or a moment after `stopping` is set, is left out and left
    behind; a place at which something still hangs is not asked again.
    """
    found: dict[Path, _T] = {}
    failed: list[Exception] = []

    def ask(place: Path, work: Callable[[], _T]) -> None:
        try:
            found[place] = work()
        except Exception as wrong:
            failed.append(wrong)

    free = {place: work for place, work in works.items() if place not in _hung or not _hung[place].is_alive()}
    asking = {place: threading.Thread(target=ask, args=(place, work), name=ASKS, daemon=True) for place, work in free.items()}
    for thread in asking.values():
        thread.start()
    end = clock.monotonic() + seconds
    for place, thread in asking.items():
        while thread.is_alive() and (left := end - clock.monotonic()) > 0:
            if stopping is not None and stopping.is_set():
                end = min(end, clock.monotonic() + _LAST_MOMENT)
            thread.join(min(left, _LAST_MOMENT))
        if thread.is_alive():
            _hung[place] = thread
    if failed:
        raise failed[0]
    return dict(found)
