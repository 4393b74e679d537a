"""`tongguan` processes that start at once: forked from a server that has loaded the whole package and read every profile.

Each has words, environment, folder, streams, signals and an exit code of its own, as one that is started anew; what it saves are
the seconds in which Python reads modules. The simulators' processes are forked, too; cards and presses are started anew.
This file is also the server's program: one for each process that runs tests. It has no threads, so that it may fork.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

_LARGEST = 1 << 20  #: bytes of one request: the environment is its largest part


class Forked:
    """One process, with what tests use of `subprocess.Popen`: the `main` of a module, with these words.

    `guarded`: its decisions are watched (`purity.py`).
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        stdout: IO[Any],
        stderr: IO[Any],
        module: str = "tongguan.gateway.cli",
        guarded: bool = False,
    ) -> None:
        self.returncode: int | None = None
        asked = {"module": module, "words": list(words), "guarded": guarded}
        asked |= {"folder": os.getcwd(), "environment": dict(os.environ)}
        told, telling = os.pipe()
        try:
            socket.send_fds(_server(), [json.dumps(asked).encode()], [stdout.fileno(), stderr.fileno(), telling])
        finally:
            os.close(telling)
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it, as soon as it has ended."""
        if self.returncode is None and _tells(self._told, 0):
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def wait(self) -> int:
        while (code := self.poll()) is None:
            _tells(self._told, None)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _tells(file: int | IO[Any], milliseconds: int | None) -> bool:
    """Is there something to read, or the end? None waits for it."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(milliseconds))


def ran(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run `tongguan <words>` to its end, its output captured as text."""
    import patience  # the server, which has this file as its program, measures nothing

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = patience.ended(Forked(words, stdout=out, stderr=err), f"tongguan {' '.join(words)}")
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


@cache
def _server() -> socket.socket:
    """What the server is asked through; it ends with this process."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (mine, its):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
    with its:
        words = [sys.executable, __file__, str(its.fileno())]
        server = subprocess.Popen(words, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    atexit.register(lambda: (mine.close(), server.wait()))
    return mine


class _Become(BaseException):
    """Raised in a forked child, up to the program's end: it is another process now, with these words."""

    def __init__(self, module: str, *words: str) -> None:
        self.module, self.words = module, words


def _load() -> None:
    import tongguan
    from tongguan.codecs.checking.compile import compile_all
    from tongguan.gateway.profile.loading import load_profiles
    from tongguan.simulators import serve

    for module in pkgutil.walk_packages(tongguan.__path__, "tongguan."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    compile_all(load_profiles())
    gc.freeze()
    serve._start = _Authority  # type: ignore[assignment]


def _serve(asked: socket.socket) -> dict[str, Any]:
    """Fork for each request; gives it, in the child. Ends with the process that asks."""
    running: dict[int, tuple[int, int]] = {}  # by what tells of the end: the process, and whom to tell
    asking = select.poll()  # the number of a file has no bound here
    asking.register(asked, select.POLLIN)
    while True:
        for ready, _ in asking.poll():
            if ready in running:
                asking.unregister(ready)
                pid, telling = running.pop(ready)
                _tell(telling, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(telling)
                os.close(ready)
                continue
            request, files, *_ = socket.recv_fds(asked, _LARGEST, 3)
            if not request:
                sys.exit()
            stdout, stderr, telling = files
            if pid := os.fork():
                _tell(telling, pid)
                end = os.pidfd_open(pid)
                running[end] = (pid, telling)
                asking.register(end, select.POLLIN)
                os.close(stdout)
                os.close(stderr)
                continue
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            for each in (*files, *running, *(telling for _, telling in running.values())):
                os.close(each)
            asked.close()
            return json.loads(request)  # type: ignore[no-any-return]


def _tell(telling: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # who asked has forgotten it
        os.write(telling, f"{number}\n".encode())


class _Authority:
    """What `simulators/serve.py` starts for an authority, forked: with what it uses of `subprocess.Popen`."""

    def __init__(self, authority: str, options: list[str]) -> None:
        told, telling = os.pipe()
        its, mine = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.dup2(its, 0)
            os.dup2(telling, 1)
            for each in (told, telling, its, mine):
                os.close(each)
            raise _Become("tongguan.simulators.serve", "--only", authority, *options)
        os.close(telling)
        os.close(its)
        self.stdout, self._stdin = os.fdopen(told), mine
        self._end, self._lock = os.pidfd_open(self.pid), threading.Lock()
        self._code: int | None = None

    def poll(self) -> int | None:
        with self._lock:
            if self._code is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
                self._code = os.waitstatus_to_exitcode(ended[1])
            return self._code

    def wait(self) -> int:
        while (code := self.poll()) is None:
            _tells(self._end, None)
        return code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def _play(asked: dict[str, Any]) -> None:
    """Be the process that was asked for, to its end."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    os.chdir(asked["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked["guarded"]:
        import purity

        purity.guard()
    module, words = asked["module"], asked["words"]
    while True:
        sys.argv = [module, *words]
        try:
            importlib.import_module(module).main()
            return
        except _Become as other:
            module, words = other.module, other.words


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _load()
    with socket.socket(fileno=int(sys.argv[1])) as _asks:
        _play(_serve(_asks))
