"""Do what is due, sleep until the next is, and wake when something is planned before."""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp

_LONGEST = 3600.0  #: seconds of sleep when nothing is planned


class Rounds:
    """The turns of one who acts when something is due."""

    def __init__(self) -> None:
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
                    pause = _LONGEST if due is None else due - time.time()
                    if pause > 0:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._planned.wait(), pause)
            except Exception:
                die()


def die() -> None:
    """End the process: a simulator that no longer does as promised would mislead."""
    traceback.print_exc()
    os._exit(70)
