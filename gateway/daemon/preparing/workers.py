"""Keep the processes that prepare running: each has a thread here that hands it one job after the other.

Promises: no job is lost with its process: whoever asked is told that it ended, and whether the job was in work; a process that
ends, or falls silent over a job, is begun anew; one that would decide by other rules than the gateway's is not asked. The first one
begins when there is work for it, so that an idle gateway is one process.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from tongguan.gateway.daemon.preparing.crossing import PreparedChains, PreparingJob, believed, sent
from tongguan.gateway.flow.intake.preparer import MessageBatch, PreparerEnded, PreparingBatch
from tongguan.gateway.flow.query.authority.known_answers import KnownAnswers
from tongguan.gateway.flow.rules import Rules
from tongguan.gateway.flow.submission.dispatch import series_ahead
from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.model.outcome import Chain
from tongguan.gateway.system import clock, logs
from tongguan.gateway.system.backoff import Backoff
from tongguan.gateway.system.business_clock import BusinessClock
from tongguan.gateway.system.threads import Begin, WorkMark
from tongguan.outbox.alerts import Alerts

log = logs.get_logger("workers")

MOST = 4  #: processes in all that are begun without having been asked for
SILENCE = 100.0  #: seconds after which a process that owes an answer is ended
_GREETING = 60.0  #: likewise for its first word
_END = 2.0  #: seconds that a process has to end by itself
PROGRAM = ("-m", "tongguan.gateway.daemon.preparing.process")
NAME = "prepare"  #: of threads, before the number


def usual_processes() -> int:
    """One for each core that we may use, up to a few."""
    return max(1, min(MOST, len(os.sched_getaffinity(0))))


@dataclass(slots=True)
class _JobAsked:
    """A job on its way."""

    hand: PreparingBatch
    anew: bool
    last: bool
    done: Future[Sequence[Chain]]


class _ProcessUnfit(Exception):
    """The process cannot be used; the text says why, in Chinese and English."""

    def __init__(self, zh: str, en: str) -> None:
        self.zh, self.en = zh, en
        super().__init__(en)


class PrepareWorkers:
    """So many processes for one gateway; a mailbox's hands go to one of them as long as it has any there."""

    def __init__(
        self,
        count: int,
        rules: Rules,
        journal: Journal,
        alerts: Alerts,
        business: BusinessClock,
        answers: KnownAnswers,
        *,
        at_once: bool = False,
    ) -> None:
        self._at_once = at_once
        self.each = [_Worker(n, rules, journal, alerts, business, answers) for n in range(1, count + 1)]
        self._of: dict[str, _Worker] = {}

    @property
    def ready(self) -> bool:
        """Is one there? Where none is yet, the first is begun."""
        found = any(worker.ready for worker in self.each)
        if not found:
            self.each[0].want()
        return found

    def begun(self) -> bool:
        if not self.ready:
            with suppress(PreparerEnded):
                self.ask(MessageBatch(()), anew=True, last=True).result()
        return self.ready

    def ask(self, hand: PreparingBatch, *, anew: bool, last: bool) -> Future[Sequence[Chain]]:
        if anew:
            there = [worker for worker in self.each if worker.ready] or self.each[:1]
            idle = min(there, key=lambda worker: worker.waiting)
            self._of[hand.door] = idle
            for worker in self.each:
                if not worker.ready and idle.waiting:
                    worker.want()
                    break
        return self._of[hand.door].ask(_JobAsked(hand, anew, last, Future()))

    def start(self, begin: Begin) -> None:
        for worker in self.each:
            worker.open()
            if self._at_once:
                worker.want()
            begin(f"{NAME}:{worker.number}", worker.serve)

    def stop(self) -> None:
        """No job comes any more."""
        for worker in self.each:
            worker.stop()

    def close(self) -> None:
        """Their threads have ended."""
        for worker in self.each:
            worker.close()

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.each if worker.pid is not None]


class _Worker:
    """One process, and the thread that speaks with it."""

    def __init__(
        self, number: int, rules: Rules, journal: Journal, alerts: Alerts, business: BusinessClock, answers: KnownAnswers
    ) -> None:
        self.number = number
        self._rules, self._journal, self._alerts, self._business, self._answers = rules, journal, alerts, business, answers
        self._jobs: deque[_JobAsked] = deque()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        self._gate = threading.Lock()  #: between those who ask and the end
        self._open = self._wanted = self._stopping = False
        self._again = Backoff()
        self.ready = False
        self.pid: int | None = None

    @property
    def waiting(self) -> int:
        return len(self._jobs)

    def want(self) -> None:
        """Have the process begin, if it has not."""
        if not self._wanted:
            self._wanted = True
            self._wake()

    def open(self) -> None:
        """From now on there is, or will be, a thread that serves."""
        self._open = True

    def ask(self, asked: _JobAsked) -> Future[Sequence[Chain]]:
        with self._gate:
            if not self._open:
                asked.done.set_exception(PreparerEnded(begun=False))
                return asked.done
            self._jobs.append(asked)
        self._wanted = True
        self._wake()
        return asked.done

    def stop(self) -> None:
        self._stopping = True
        self._wake()

    def close(self) -> None:
        self._bell.close()
        self._ring.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it is awake
            self._ring.send(b"w")

    def serve(self, pulse: WorkMark) -> None:
        """Have the process run from the moment that it is wanted, until `stop`."""
        try:
            while not (self._wanted or self._stopping):
                self._rest()
            while not self._stopping:
                began = False
                try:
                    with self._running(pulse) as connection:
                        began = True
                        self._work(connection, pulse)
                except _ProcessUnfit as wrong:
                    self._failed(wrong, began=began)
                except (EOFError, OSError) as wrong:
                    zh, en = "进程已结束", f"the process ended ({type(wrong).__name__})"
                    self._failed(_ProcessUnfit(zh, en), began=began)
        finally:
            with self._gate:
                self._open = not self._stopping
                self._give_up()

    @contextmanager
    def _running(self, pulse: WorkMark) -> Iterator[Connection]:
        """The process, once it has shown that it decides as we do."""
        here, there = socket.socketpair()
        with Connection(here.detach()) as connection:
            with there:
                process = subprocess.Popen(
                    [sys.executable, "-P", *PROGRAM, str(there.fileno())],
                    pass_fds=[there.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            self.pid = process.pid
            try:
                with pulse:
                    connection.send_bytes(pickle.dumps(self._rules.settings))
                    if not self._heard(connection, _GREETING):
                        raise _ProcessUnfit("没有启动", "it did not begin")
                    if connection.recv_bytes().decode() != self._rules.fingerprint:
                        zh = "磁盘上的单证类型或证书与运行中的不同：请执行：tongguan reload"
                        raise _ProcessUnfit(
                            zh, "profiles or certificates on disk are not those that run: it is of use after: tongguan reload"
                        )
                self.ready = True
                log.info("preparing process ready", number=self.number, pid=process.pid)
                yield connection
            finally:
                self.ready, self.pid = False, None
                connection.close()
                try:
                    process.wait(_END if self._stopping else 0)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _work(self, connection: Connection, pulse: WorkMark) -> None:
        while True:
            while self._jobs:
                asked = self._jobs[0]
                try:
                    with pulse:
                        asked.done.set_result(self._told(connection, asked))
                finally:
                    self._jobs.popleft()
                    if not asked.done.done():
                        asked.done.set_exception(PreparerEnded(begun=True))
                self._well()
            if self._stopping:
                return
            if self._rest(connection):
                raise EOFError  # it has nothing to say unasked

    def _told(self, connection: Connection, asked: _JobAsked) -> Sequence[Chain]:
        """What it prepared; nothing, where it could not."""
        series = series_ahead(self._rules.types.values(), self._business.now_ms())
        numbers = self._journal.lend_numbers(series, len(asked.hand))
        lanes, line, told = self._journal.lanes, self._business.line, self._answers.seen
        connection.send_bytes(sent(PreparingJob(asked.hand, asked.anew, asked.last, lanes, numbers, line, told)))
        if not self._heard(connection, SILENCE):
            raise _ProcessUnfit("没有应答", "it does not answer")
        raw = connection.recv_bytes()
        try:
            prepared = believed(raw) if raw else PreparedChains([], numbers)
        except Exception as wrong:  # whatever it sent, it is no answer
            raise _ProcessUnfit("应答不对", f"its answer makes no sense: {type(wrong).__name__}") from wrong
        self._journal.take_back_numbers(prepared.left)
        return prepared.chains

    def _heard(self, connection: Connection, patience: float) -> bool:
        """Does it say something within so many seconds, and before all ends?"""
        end = clock.monotonic() + patience
        while not self._stopping and (left := end - clock.monotonic()) > 0:
            if self._rest(connection, patience=left):
                return True
        return connection.poll(0)

    def _rest(self, *others: Connection, patience: float | None = None) -> bool:
        """Until somebody rings, so many seconds at most; True when one of the others has something to say."""
        heard = wait([self._bell, *others], patience)
        with suppress(BlockingIOError):
            self._bell.recv(4096)
        return any(each is not self._bell for each in heard)

    def _failed(self, wrong: _ProcessUnfit, *, began: bool) -> None:
        """Wait a while before the next one begins; where none could, what waits for it is told."""
        if not began:
            self._give_up()
        now = clock.monotonic()
        self._again.failed(now)
        log.error("preparing process failed", number=self.number, why=wrong.en)
        text = in_both(f"预处理进程：{wrong.zh}；由主进程继续", f"preparing process: {wrong.en}; the gateway goes on without it")
        self._alerts.tell("process", text, do="tongguan doctor", about=str(self.number))
        while not self._stopping and (left := self._again.at - clock.monotonic()) > 0:
            self._rest(patience=left)

    def _well(self) -> None:
        self._again.well()
        self._alerts.over("process", str(self.number))

    def _give_up(self) -> None:
        """Nobody serves what still waits."""
        while self._jobs:
            self._jobs.popleft().done.set_exception(PreparerEnded(begun=False))


def make_workers(
    processes: int | None, rules: Rules, journal: Journal, alerts: Alerts, business: BusinessClock, answers: KnownAnswers
) -> PrepareWorkers | None:
    """Those of a gateway of so many processes, itself one of them; None: as many as suit the machine."""
    count = (usual_processes() if processes is None else processes) - 1
    if count < 1:
        return None
    return PrepareWorkers(count, rules, journal, alerts, business, answers, at_once=processes is not None)
