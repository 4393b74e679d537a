"""The gateway that is measured: `tongguan run` in processes of its own, logging as it does, looked at from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tongguan.gateway.journal.client import JournalClient
from tongguan.gateway.model.message import State
from tongguan.gateway.settings import read_settings

_LEAST_PAUSE, _MOST_PAUSE = 0.005, 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
READY = b'"preparing process ready"'
_TROUBLE = (State.REFUSED, State.HELD, State.REJECTED)


@dataclass(frozen=True, slots=True)
class Used:
    """What a process and all that it has begun used so far: seconds of processor; memory now, and at most, of each process."""

    seconds: float
    now_mb: tuple[float, ...]
    most_mb: tuple[float, ...]


def used_by(process: int) -> Used:
    """Look at a process and its children; what has ended by now counts for its parent's time."""
    seconds, now, most = 0.0, [], []
    for each in _family(process):
        try:
            said = _stat(each)
            lines = Path(f"/proc/{each}/status").read_text("utf-8").splitlines()
        except OSError:
            continue  # it has just ended
        sizes = {
            name: float(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines) if name in _SIZES
        }
        seconds += sum(map(int, said[11:15])) / _TICKS
        now.append(sizes.get("VmRSS", 0.0))
        most.append(sizes.get("VmHWM", 0.0))
    return Used(seconds, tuple(now), tuple(most))


_SIZES = {"VmRSS", "VmHWM"}


def _stat(process: int | str) -> list[str]:
    """The fields of a process from its state on (proc(5), `stat`): parent at 1, times at 11 to 14."""
    return Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _family(process: int) -> Iterator[int]:
    """A process, and all that it and those that it began have begun."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents.setdefault(int(_stat(name)[1]), []).append(int(name))
            except OSError:
                continue
    waiting = [process]
    while waiting:
        yield (each := waiting.pop())
        waiting += parents.get(each, [])


class RunningGateway:
    """A gateway that runs in a home, from the moment when it begins to work."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.home, self._process, self._log = home, process, log
        self.began_at = 0.0
        self._before = 0.0

    @property
    def used(self) -> Used:
        """What it used since it began to work; memory in all."""
        used = used_by(self._process.pid)
        return Used(used.seconds - self._before, used.now_mb, used.most_mb)

    def until(self, count: Callable[[], int], wanted: int) -> float:
        """Wait until so many are counted, looking for trouble now and then: seconds since it began to work.

        What is counted is looked at seldom, and more often when it is nearly reached: looking takes time from who works.
        """
        looked, before, at = time.perf_counter(), count(), time.perf_counter()
        while before < wanted:
            self.must_run()
            if time.perf_counter() - looked > 1:
                self._no_trouble()
                looked = time.perf_counter()
            now = count()
            pace = (now - before) / max(time.perf_counter() - at, 1e-6)
            before, at = now, time.perf_counter()
            if now < wanted:
                time.sleep(min(_MOST_PAUSE, max(_LEAST_PAUSE, (wanted - now) / pace / 2 if pace else 10 * _LEAST_PAUSE)))
        return time.perf_counter() - self.began_at

    def up(self, processes: int) -> None:
        """Wait until it says that it runs, with so many processes."""
        while not self._says(b'"started"', 1) or not self._says(READY, processes - 1):
            self.must_run()
            time.sleep(_LEAST_PAUSE)
        self.begin()

    def _says(self, what: bytes, times: int) -> bool:
        return self._log.read_bytes().count(what) >= times

    def begin(self) -> None:
        """What is measured begins at this moment."""
        self.began_at, self._before = time.perf_counter(), used_by(self._process.pid).seconds

    def must_run(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"the gateway ended with {self._process.returncode}: {self._log.read_text('utf-8')[-2000:]}")

    @contextmanager
    def journal(self) -> Iterator[JournalClient]:
        with JournalClient.open(read_settings(self.home).database.url, self.home) as client:
            yield client

    def tally(self, *states: State) -> int:
        """Submissions in these states."""
        with self.journal() as client, client.search() as records:
            return sum(n for _, kind, state, n in records.tally() if kind == "submission" and state in states)

    def _no_trouble(self) -> None:
        with self.journal() as client, client.search() as records:
            wrong = {state for _, kind, state, n in records.tally() if kind == "submission" and n} & set(_TROUBLE)
            for state in wrong:
                message = records.in_state(State(state), 1)[0]
                raise RuntimeError(f"message {message.id} is {state}: {message.faults} {message.hold_reason} {message.extra}")

    def spans(self) -> list[float]:
        """Milliseconds from reading a file to its receipt, of each message."""
        with self.journal() as client, client.search() as records:
            return sorted(records.spans("read", "send"))


@contextmanager
def running_gateway(home: Path, processes: int, options: Sequence[str] = ()) -> Iterator[RunningGateway]:
    """Run `tongguan run` in so many processes, its lines to a file; all of them are there."""
    log = home / "gateway.log"
    command = [sys.executable, "-m", "tongguan.gateway.cli", "run", "--home", str(home.absolute())]
    command += ["--processes", str(processes), *options]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=home)
    gateway = RunningGateway(home, process, log)
    try:
        gateway.up(processes)
        yield gateway
    finally:
        process.terminate()
        process.wait()
