"""One event loop on one background thread, shared by every route of the gateway.

Promises that whatever was handed over before `stop` gets its end: run, or cancelled and told so.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from typing import Any, Self, TypeVar

from tongguan.gateway.model.errors import StationBroken
from tongguan.gateway.system.threads import Begin, WorkMark, begin_thread

T = TypeVar("T")
_END_SECONDS = 20.0


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # not made for every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class EventLoop:
    """The loop's life. What is called before `start` waits for it; after `stop` nothing is taken any more."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._pulse: WorkMark = nullcontext()
        self._begun = self._asked = False
        self._ended = threading.Event()
        self._turning = threading.Lock()  #: held while the loop runs
        self._failure: BaseException | None = None
        self._gate = threading.Lock()
        self._open = True
        self._closers: list[Callable[[], Awaitable[None]]] = []

    def start(self, begin: Begin = begin_thread) -> None:
        """Run the loop in a thread that `begin` makes and keeps going."""
        self._begun = True
        begin("wire", self.serve)

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
        raise StationBroken("网络线程已停止", "the wire is stopped")

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
        if not self._begun or not self._turning.locked():
            begin_thread("wire", self.serve)  # else nobody would end what was handed over
        # In line behind everything that was taken while the gate was open.
        ended = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        with suppress(TimeoutError):  # a loop that hangs, or runs no more, must not keep the process
            ended.result(timeout=_END_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._ended.wait(_END_SECONDS):
            self._loop.close()

    def serve(self, pulse: WorkMark) -> None:
        """Run the loop until `stop`; when it raised it may be called again, and goes on with what it has."""
        with self._turning:
            if self._ended.is_set():
                return
            self._pulse, self._asked, self._failure = pulse, False, None
            asyncio.set_event_loop(self._loop)
            self._loop.set_exception_handler(self._failed)
            self._loop.run_forever()
            if self._failure is not None:
                raise self._failure
            self._ended.set()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback raised, which nobody else would hear of; what a task raised is its owner's to hear."""
        if "handle" in context and self._open:
            self._failure = context.get("exception") or RuntimeError(str(context.get("message")))
            loop.stop()
        else:
            loop.default_exception_handler(context)

    def look(self) -> None:
        """Ask the loop for a sign of life: its pulse is held until it answers."""
        if not self._asked:
            self._asked = True
            self._pulse.__enter__()
            self.soon(self._answer)

    def _answer(self) -> None:
        self._pulse.__exit__(None, None, None)
        self._asked = False

    async def _end(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for closer in self._closers:
            await closer()
