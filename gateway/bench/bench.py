"""This machine's rates: a fresh home, made-up messages, the real road; one line a measurement, `<n> msgs/s` first.

Everything printed was measured in this run, from outside: the gateway has its own processes, as `tongguan run` begins them.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tongguan.gateway.bench.beside_merge import measure_beside, measure_keys
from tongguan.gateway.bench.context import authority, count, drop, lay_ready, let_in, mailbox, make_home
from tongguan.gateway.bench.documents import measure_documents
from tongguan.gateway.bench.lists import ListsAsked, measure_lists, measure_waking
from tongguan.gateway.bench.merges import measure_merge
from tongguan.gateway.bench.process import RunningGateway, Used, running_gateway, used_by
from tongguan.gateway.bench.queues import QueuesAsked, measure_queues
from tongguan.gateway.bench.statistics import measure_statistics
from tongguan.gateway.bench.takes import measure_takes
from tongguan.gateway.bench.verification import measure_verification
from tongguan.gateway.daemon.preparing.workers import usual_processes
from tongguan.gateway.model.message import State

_FEW = 1_000  #: messages after which memory is looked at first
_BATCHED = 500  #: messages at once that a single one is compared with
_BETWEEN = 0.02  #: seconds between two single messages
#: of a merge beside which others are measured: lists at most, and of so many lines; others' messages at a time; declared lists
_MOST_LISTS, _LINES_OF_LIST, _AT_A_TIME, _MOST_DECLARED = 1500, 20, 10, 300


@dataclass(frozen=True, slots=True)
class Run:
    """What to measure. `key`: software, token, or milliseconds that each signature takes; `delay_ms`: of the endpoint."""

    part: str = "e2e"
    messages: int = 2000
    key: str = "software"  #: software | token | milliseconds
    delay_ms: int = 0
    full: bool = False
    waiting: int = 0  #: files that lie in OutBox behind the measured ones
    batch: int = 1  #: messages in one file
    rounds: int = 1  #: each in a home of its own; the median is told
    processes: int = 0  #: of the gateway; 0: as suits the machine
    broker: str = ""  #: through which messages come, in turn with files; empty: files alone

    @property
    def options(self) -> list[str]:
        """What `tongguan run` is told; `read` takes up what the door deferred, as for numbers that are being leased."""
        return ["--only", "inbox,read"] if self.part == "accept" else []


@dataclass(frozen=True, slots=True)
class Measured:
    """What one round gave."""

    rate: float
    used: Used
    cpu_ms: float  #: of a message, all processes of the gateway
    endpoint_ms: float = 0.0  #: of a message, the other side's
    waits: Sequence[float] = ()  #: milliseconds, sorted
    figures: dict[str, float] = field(default_factory=dict)  #: those of this part alone, by the words that follow them


def measure(run: Run, folder: Path | None = None) -> str:
    """Do the rounds, each in a new folder, and say what they gave.

    A folder is removed afterwards, unless `TONGGUAN_BENCH_KEEP` is set: many deleted files make the next run's slow on ext4.
    """
    if run.part == "verify":
        return measure_verification(run.messages)
    if run.part == "statistics":
        with _new_home(run, folder) as made:
            return measure_statistics(made, run.messages)
    if run.part == "take":
        with _new_home(run, folder) as made:
            return measure_takes(made, run.messages)
    if run.part == "documents":
        with _new_home(run, folder) as made:
            return measure_documents(made, run.messages, run.processes or usual_processes())
    asked = ListsAsked(lambda: _new_home(run, folder), run.messages, run.rounds, run.processes or usual_processes())
    if run.part == "merge":
        with asked.home() as made:
            planned = measure_merge(made, run.messages)
        lists = max(1, min(_MOST_LISTS, run.messages // _LINES_OF_LIST))
        few = replace(asked, messages=min(_MOST_DECLARED, lists), processes=1)
        return " | ".join((planned, measure_beside(asked.home, lists, _AT_A_TIME, run.rounds), measure_keys(few)))
    if run.broker:
        processes = run.processes or usual_processes()
        return measure_queues(
            QueuesAsked(lambda: _new_home(run, folder), run.broker, run.messages, run.rounds, processes, run.delay_ms)
        )
    if run.part in _BESIDE:
        return _BESIDE[run.part](asked)
    return _line(run, [_round(run, folder) for _ in range(run.rounds)])


def running(run: Run, made: Path) -> AbstractContextManager[RunningGateway]:
    return running_gateway(made, run.processes or usual_processes(), run.options)


@contextmanager
def _new_home(run: Run, folder: Path | None) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="tongguan-bench-", dir=folder))
    try:
        make_home(place / "home", run.key)
        yield place / "home"
    finally:
        if not os.environ.get("TONGGUAN_BENCH_KEEP"):
            shutil.rmtree(place, ignore_errors=True)


def _round(run: Run, folder: Path | None) -> Measured:
    with _new_home(run, folder) as made, authority(made, run.delay_ms, full=run.full) as endpoint:
        return _PARTS[run.part](run, made, endpoint)


def _end_to_end(run: Run, made: Path, endpoint: int) -> Measured:
    """From files lying in OutBox to the technical receipts applied, the answers and the status files written."""
    lay_ready(made, run.messages + run.waiting, batch=run.batch)
    with running(run, made) as gateway:
        before = used_by(endpoint).seconds
        gateway.begin()
        let_in(made)
        took = _until_answered(gateway, run.messages, run.batch)
        return _gave(gateway, run.messages, took, used_by(endpoint).seconds - before, gateway.spans())


def _until_answered(gateway: RunningGateway, messages: int, batch: int = 1) -> float:
    files = -(-messages // batch)
    gateway.until(lambda: count(mailbox(gateway.home) / "SentBox"), files)
    return gateway.until(lambda: count(mailbox(gateway.home) / "InBox"), messages + (files if batch > 1 else 0))


def _gave(gateway: RunningGateway, messages: int, took: float, endpoint: float, waits: Sequence[float] = ()) -> Measured:
    used = gateway.used
    return Measured(messages / took, used, used.seconds * 1000 / messages, endpoint * 1000 / messages, waits)


def _accept(run: Run, made: Path, endpoint: int) -> Measured:
    """Read, seal and commit only: nothing is sent."""
    lay_ready(made, run.messages)
    with running(run, made) as gateway:
        gateway.begin()
        let_in(made)
        took = gateway.until(lambda: gateway.tally(State.SEALED, State.CHECKED), run.messages)
        return _gave(gateway, run.messages, took, 0.0)


def _idle(run: Run, made: Path, endpoint: int) -> Measured:
    """One file at a time into an idle gateway, from the rename to the status file that says sent; then many at once."""
    status, waits = mailbox(made) / "Status", []
    with running(run, made) as gateway:
        time.sleep(1)
        before, other = gateway.used.seconds, used_by(endpoint).seconds
        for n in range(run.messages):
            lay_ready(made, 1, first=n, quiet=0)
            began = time.perf_counter()
            let_in(made)
            file = status / f"m{n:07d}.xml.status.json"
            while not (file.exists() and b'"sent"' in file.read_bytes()):
                time.sleep(0.0002)
                gateway.must_run()
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(_BETWEEN)
        single, other = gateway.used, used_by(endpoint).seconds - other
        cpu_ms = (single.seconds - before) * 1000 / run.messages
        drop(made, _BATCHED, first=run.messages)
        _until_answered(gateway, run.messages + _BATCHED)
        batched = (gateway.used.seconds - single.seconds) * 1000 / _BATCHED
        median = statistics.median(waits)
        figures = {"ms drop to status file": median, "ms CPU of a batched one": batched, "times that": cpu_ms / batched}
        return Measured(1000 / median, gateway.used, cpu_ms, other * 1000 / run.messages, sorted(waits), figures)


def _memory(run: Run, made: Path, endpoint: int) -> Measured:
    """Memory of all processes after few messages, and after many."""
    few, other = min(_FEW, run.messages), used_by(endpoint).seconds
    with running(run, made) as gateway:
        for done in range(0, run.messages, few):
            drop(made, min(few, run.messages - done), first=done)
            took = _until_answered(gateway, min(done + few, run.messages))
            if done == 0:
                first = sum(gateway.used.now_mb)
        last = sum(gateway.used.now_mb)
        gave = _gave(gateway, run.messages, took, used_by(endpoint).seconds - other)
        return replace(
            gave, figures={f"MB after {few}": first, f"MB after {run.messages}": last, "times the first": last / first}
        )


_PARTS: dict[str, Callable[[Run, Path, int], Measured]] = {
    "e2e": _end_to_end,
    "accept": _accept,
    "idle": _idle,
    "memory": _memory,
}
#: parts that measure one thing beside another, each in homes of its own
_BESIDE: dict[str, Callable[[ListsAsked], str]] = {"lists": measure_lists, "waking": measure_waking}


def _line(run: Run, rounds: Sequence[Measured]) -> str:
    """The round of the median rate, and how far the others lay from it."""
    rates = sorted(each.rate for each in rounds)
    told = min(rounds, key=lambda each: abs(each.rate - statistics.median(rates)))
    waits = told.waits
    many = f" rounds={len(rates)} [{rates[0]:.1f}..{rates[-1]:.1f}]" if len(rates) > 1 else ""
    latency = f", p50 {statistics.median(waits):.1f} ms p99 {waits[int(len(waits) * 0.99) - 1]:.1f} ms" if waits else ""
    where = "simulators" if run.full else f"bench endpoint +{run.delay_ms} ms"
    asked = (f" waiting={run.waiting}" if run.waiting else "") + (f" batch={run.batch}" if run.batch > 1 else "")
    peak = " + ".join(f"{each:.0f} MB" for each in told.used.most_mb)
    figures = "".join(f", {value:.1f} {words}" for words, value in told.figures.items())
    return (
        f"{statistics.median(rates):.1f} msgs/s {run.part} n={run.messages}{many} key={run.key}{asked} {where}"
        f", sqlite wal full, group commit{latency}, peak {peak}"
        f" | CPU {told.cpu_ms:.2f} ms a message, endpoint {told.endpoint_ms:.2f}{figures}"
    )
