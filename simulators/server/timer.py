"""Do what is due, sleep until the next is, and wake when something is planned before."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp

from tongguan.simulators.server.clock import Clock

_LONGEST = 2.0  #: seconds of sleep at once: meanwhile the clock may have been set going


class Rounds:
    """The turns of one who acts when something is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._planned = asyncio.Event()

    def planned(self) -> None:
        """Say that something was planned that may be due before what is waited for."""
        self._planned.set()

    async def run(self, turn: Callable[[aiohttp.ClientSession], Awaitable[float | None]], timeout: float) -> None:
        """Take turns until cancelled; ``turn`` does what is due and gives the time of the next. An error ends the process.

        ``timeout``: seconds that a call of a turn may take.
        """
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as client:
            try:
                while True:
                    self._planned.clear()
                    due = await turn(client)
                    pause = _LONGEST if due is None else self._clock.until(due)
                    if pause > 0:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._planned.wait(), min(pause, _LONGEST))
            except Exception as error:
                die(error)


def die(error: Exception) -> None:
    """End the process: a simulator that no longer does as promised would mislead. What it knows is in its books."""
    if isinstance(error, sqlite3.OperationalError):
        print(f"the books cannot be written: {error}; mend that and start the simulators again", file=sys.stderr)
    else:
        traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(70)
