"""Programs that the demo runs beside itself: started with a log of their own, always stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tongguan.gateway.cli.context import CommandWrong
from tongguan.gateway.system import clock

_STOP_SECONDS = 20


class Child:
    """One running `tongguan` command."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self._process, self._log = name, process, log

    def must_run(self) -> None:
        """Raise Wrong, with the last it said, when it has ended."""
        if self._process.poll() is not None:
            said = self._log.read_text("utf-8", "replace").strip().splitlines()[-5:]
            text = "\n".join([f"tongguan {self.name}: exit {self._process.returncode}", *said])
            raise CommandWrong(text, text)

    def until(self, ready: Callable[[], bool], *, seconds: float, pause: Callable[[float], object]) -> None:
        """Wait until it is ready; Wrong when it ends before, or takes too long."""
        deadline = clock.monotonic() + seconds
        while not ready():
            self.must_run()
            if clock.monotonic() > deadline:
                raise CommandWrong(
                    f"tongguan {self.name} 没有就绪，见 {self._log}", f"tongguan {self.name} is not ready, see {self._log}"
                )
            pause(0.02)

    def stop(self) -> None:
        """End it and wait; kill it when it does not end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        finally:  # also when somebody would not wait so long
            self._process.kill()
            self._process.wait()


def end_in_order() -> None:
    """From now on a command that is told to end, or whose terminal is closed, ends what it has begun and clears up first."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(each, lambda number, _: sys.exit(128 + number))


@contextmanager
def child(home: Path, arguments: Sequence[str]) -> Iterator[Child]:
    """Run `tongguan <arguments> --home <home>`; its words go to `HOME/logs/<command>.log`."""
    (home / "logs").mkdir(exist_ok=True)
    log = home / "logs" / f"{arguments[0]}.log"
    command = [sys.executable, "-m", "tongguan.gateway.cli", *arguments, "--home", str(home)]
    with log.open("ab") as out:
        # A group of its own: Ctrl-C must reach it through us, once everything is told.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ, start_new_session=True
        )
    running = Child(arguments[0], process, log)
    try:
        yield running
    finally:
        running.stop()
