"""A guard around every decision of the gateway: what it touches outside of memory, and a move that is not in the flow's table,
is noted and fails the test.

In the tests' own process, and in the gateways that they start (`sites.py`): those write what they find into the file that
`TONGGUAN_TEST_IMPURE` names.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from decided_again import Twice

FILE = "TONGGUAN_TEST_IMPURE"
#: files, folders, sockets, processes; a module that is loaded late is a file too
_EVENTS = frozenset(
    {
        "open",
        "os.listdir",
        "os.scandir",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.link",
        "os.symlink",
        "os.chmod",
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "sqlite3.connect",
        "ctypes.dlopen",
        "time.sleep",
    }
)
#: Python's own: lines of source that a traceback shows, which 3.13 reads as a program, too
_ITS_OWN = ("linecache.py", "tokenize.py", "/traceback.py")
_here = threading.local()


@contextmanager
def deciding() -> Iterator[None]:
    """One decision of this thread."""
    before, _here.decides = getattr(_here, "decides", False), True
    try:
        yield
    finally:
        _here.decides = before


def guard() -> None:
    """Watch this process from now on."""
    from tongguan.gateway.journal.writing.writer import Writer
    from tongguan.gateway.system import clock
    from tongguan.gateway.work import loop as work
    from tongguan.signer.cards.software import SoftwareCard
    from tongguan.signer.cards.token import TokenCard

    work.deciding = deciding
    work._attempt = _each_real_one(work._attempt, work._as_decided)
    for name in ("now", "now_ms", "monotonic", "steady_ms"):
        _watch(clock, name)
    _watch(Writer, "submit")
    for card in (SoftwareCard, TokenCard):
        for name in [name for name in vars(card) if not name.startswith("_")]:
            _watch(card, name)
    sys.addaudithook(_hear)


def _each_real_one(attempt: Callable[..., Any], toy: object) -> Callable[..., Any]:
    """Every decision of a gateway's step comes out the same again, and every move is one of `flow/table.py`; steps that a test
    made up are their own matter."""
    twice = Twice(attempt, _note)
    twice.watch()

    def attempted(step: Any, moment: Any, message: Any, answer: Any, records: Any) -> Any:
        if step.respond is toy:
            return attempt(step, moment, message, answer, records)
        chain, raised = twice(step, moment, message, answer, records)
        for outcome, before in zip(chain, (message, *(o.message for o in chain)), strict=False):
            _hold_against_table(step.name, before, outcome.message.state)
        return chain, raised

    return attempted


def _hold_against_table(step: str, before: Any, state: str) -> None:
    from tongguan.gateway.flow.table import DOOR, FLOW
    from tongguan.gateway.model.message import State

    if before.lane is None:
        takes, leads_to = {before.state}, DOOR
    elif before.lane.kind in FLOW:
        takes, leads_to = FLOW[before.lane.kind].takes, FLOW[before.lane.kind].leads_to
    else:
        takes, leads_to = set(), set()
    if before.state not in takes or state not in {*leads_to, before.state, State.HELD}:
        _note(f"not in flow/table.py: {step} takes {before.state} from lane {before.lane} and leaves {state}")


def _note(line: str) -> None:
    with Path(os.environ[FILE]).open("a") as file:
        file.write(f"{line}\n")


def noted() -> str:
    """What was noted since the last time, by all processes."""
    path = Path(os.environ[FILE])
    found = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return found


def _watch(cls: Any, name: str) -> None:
    """A method, or what looks like an attribute and is one, or a function of a module."""
    found = vars(cls)[name]
    method: Callable[..., Any] = found.fget if isinstance(found, property) else found

    @wraps(method)
    def watched(*args: Any, **words: Any) -> Any:
        _touched(f"{cls.__name__}.{name}")
        return method(*args, **words)

    setattr(cls, name, property(watched) if isinstance(found, property) else watched)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        _touched(f"{event} {args[:1]}")


def _touched(what: str) -> None:
    if not getattr(_here, "decides", False):
        return
    _here.decides = False
    try:
        places = ((frame.f_code, line) for frame, line in traceback.walk_stack(None))
        lines = [f"  {code.co_filename}:{line} {code.co_name}" for code, line in places][:30]
        if not any(own in line for own in _ITS_OWN for line in lines):
            _note("\n".join([f"a decision touched {what}", *lines]))
    finally:
        _here.decides = True
