"""One event loop on one background thread, shared by every route of the gateway.

Promises that whatever was handed over before `stop` gets its end: run, or cancelled and told so.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from tongguan.gateway.kernel.errors import StationBroken

T = TypeVar("T")


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # not made for every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Wire:
    """The loop's life. What is called before `start` waits for it; after `stop` nothing is taken any more."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._turn, name="wire", daemon=True)
        self._gate = threading.Lock()
        self._open = True
        self._closers: list[Callable[[], Awaitable[None]]] = []

    def start(self) -> None:
        self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `coroutine` on the loop; StationBroken after `stop`."""
        with self._gate:
            if self._open:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise StationBroken("the wire is stopped")

    def soon(self, callback: Callable[[], object]) -> bool:
        """Call `callback` on the loop; False after `stop`."""
        with self._gate:
            if self._open:
                self._loop.call_soon_threadsafe(callback)
            return self._open

    def at_stop(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Await `closer` on the loop when the wire stops, after all that ran on it has ended."""
        self._closers.append(closer)

    def stop(self) -> None:
        """Cancel what runs, close what is open, end the thread. May be repeated."""
        with self._gate:
            if not self._open:
                return
            self._open = False
        if self._thread.ident is None:
            self._thread.start()
        # In line behind everything that was taken while the gate was open.
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _end(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for closer in self._closers:
            await closer()
