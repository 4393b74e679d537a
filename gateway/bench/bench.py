"""This machine's rates: a fresh home, made-up messages, the real road; one line a run, `<n> msgs/s` first.

Everything printed was measured in this run. The endpoint only acknowledges (signed receipts, least work), unless the full
simulators are asked for.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.resources import files as resources
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from signxml.verifier import XMLVerifier

from tongguan.gateway.bench.statistics import measure_statistics
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home import home
from tongguan.gateway.model.message import State
from tongguan.gateway.system import clock
from tongguan.signer.certificate import der_chain
from tongguan.signer.issue import Holder, Validity, make_authority, make_software_card
from tongguan.signer.verify import TrustedCertificate, verify
from tongguan.signer.xml_signature import prepare

_TEMPLATE = "bench-*.xml"
_MARK = b'reference="bench-0"'
_POLL = 0.05
_SETTLED = 2.1  #: seconds after which a file that was written before the start is known to be finished


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


def template() -> bytes:
    """The sample message of the installed profiles: 6 KB, Chinese text, a table."""
    root = Path(str(resources("tongguan.gateway") / "profiles"))
    return next(iter(sorted(root.glob(f"*/*/examples/{_TEMPLATE}")))).read_bytes()


def measure(run: Run, folder: Path | None = None) -> str:
    """Do one run in a new folder and say what it gave.

    The folder is removed afterwards, unless `TONGGUAN_BENCH_KEEP` is set: many deleted files make the next run's slow on ext4.
    """
    if run.part == "verify":
        return _verify(run)
    place = Path(tempfile.mkdtemp(prefix="tongguan-bench-", dir=folder))
    try:
        if run.part == "statistics":
            home.make_home(place / "home", card="software", port_base=0)
            return measure_statistics(place / "home", run.messages)
        with _site(run, place) as site:
            return _PARTS[run.part](run, site)
    finally:
        if not os.environ.get("TONGGUAN_BENCH_KEEP"):
            shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _site(run: Run, place: Path) -> Iterator[Path]:
    """A home whose route leads to the endpoint of this run."""
    made = place / "home"
    home.make_home(made, card="pkcs11" if run.key == "token" else "software", port_base=0)
    if run.key not in ("software", "token"):
        home.change_settings(made, "account.card", "delay", f"{run.key}ms", named="demo-mofcom")
    endpoint = _simulators(made) if run.full else _acknowledger(made, run.delay_ms)
    try:
        yield made
    finally:
        endpoint.terminate()
        endpoint.wait()


def _simulators(made: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tongguan.simulators.serve", "--home", str(made), "--fast"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (made / "simulators" / "ports.json").exists():
        time.sleep(0.05)
    home.set_ports(made)
    return process


def _acknowledger(made: Path, delay_ms: int) -> subprocess.Popen[bytes]:
    """The endpoint that only acknowledges, under the name of the first route, with an elliptic key the route then trusts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    keys = made / "simulators"
    command = [sys.executable, "-m", "tongguan.simulators.bench_endpoint", "--port", str(port), "--authority", "mofcom"]
    command += ["--key", str(keys / "customs.key"), "--certificate", str(keys / "customs.pem"), "--delay-ms", str(delay_ms)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # No two routes may believe one key: the two authorities change places.
    shutil.copy(keys / "customs.pem", made / "trust" / "mofcom.pem")
    shutil.copy(keys / "mofcom.pem", made / "trust" / "customs.pem")
    for route in home.AUTHORITIES:
        home.change_settings(made, f"route.{route}", "url", f"http://127.0.0.1:{port}")
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.05)


def _drop(made: Path, count: int, *, first: int = 0, batch: int = 1) -> None:
    """Put `count` different messages into OutBox, so many to a file."""
    outbox = made / "mailboxes" / "demo" / "OutBox"
    text = template()
    item = text.partition(b"?>")[2] if batch > 1 else text
    for n in range(first, first + count, batch):
        items = [item.replace(_MARK, f'reference="bench-{m}"'.encode()) for m in range(n, min(n + batch, first + count))]
        content = b'<Batch reference="bench-b%d">%b</Batch>' % (n, b"".join(items)) if batch > 1 else items[0]
        (outbox / f"m{n:07d}.tmp").write_bytes(content)
        os.rename(outbox / f"m{n:07d}.tmp", outbox / f"m{n:07d}.xml")


def _end_to_end(run: Run, made: Path) -> str:
    """From files lying in OutBox to the technical receipts applied, the answers and the status files written."""
    _drop(made, run.messages + run.waiting, batch=run.batch)
    os.sync()
    time.sleep(_SETTLED)
    daemon = Daemon(made)
    mailbox = made / "mailboxes" / "demo"
    files = -(-run.messages // run.batch)
    answers = run.messages + (files if run.batch > 1 else 0)
    with _timed(daemon, lambda: _count(mailbox / "SentBox") >= files and _count(mailbox / "InBox") >= answers) as took:
        peak = _peak_mb()
        waits = _waits(daemon)
    return _line(run, run.messages / took, waits, peak_mb=peak)


@contextlib.contextmanager
def _timed(daemon: Daemon, done: Callable[[], bool]) -> Iterator[float]:
    """Run it until all is done, looking for trouble once a second: how long that took."""
    began = looked = time.perf_counter()
    daemon.start()
    try:
        while not done():
            time.sleep(_POLL)
            if time.perf_counter() - looked > 1:
                _fail_on_trouble(daemon)
                looked = time.perf_counter()
        yield time.perf_counter() - began
    finally:
        daemon.stop()


def _accept(run: Run, made: Path) -> str:
    """Read, seal and commit only: nothing is sent."""
    _drop(made, run.messages)
    os.sync()
    time.sleep(_SETTLED)
    daemon = Daemon(made, only=frozenset({"inbox"}))
    with _timed(daemon, lambda: _tally(daemon, State.SEALED) + _tally(daemon, State.CHECKED) >= run.messages) as took:
        pass
    return _line(run, run.messages / took, [])


def _idle(run: Run, made: Path) -> str:
    """One file at a time into an idle gateway: from the rename to the status file that says sent."""
    daemon = Daemon(made)
    daemon.start()
    status = made / "mailboxes" / "demo" / "Status"
    waits = []
    try:
        time.sleep(1)
        for n in range(run.messages):
            began = time.perf_counter()
            _drop(made, 1, first=n)
            file = status / f"m{n:07d}.xml.status.json"
            while not (file.exists() and b'"sent"' in file.read_bytes()):
                time.sleep(0.0002)
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(0.02)
    finally:
        daemon.stop()
    return _line(run, 1000 / statistics.median(waits), waits, note=f" | drop to status file {statistics.median(waits):.1f} ms")


def _verify(run: Run) -> str:
    """Verify one signed receipt again and again, in turn with signxml as its documentation shows it."""
    validity = Validity(clock.now() - timedelta(days=1))
    issued = make_software_card(make_authority("bench", validity), Holder("bench", "1", ("1",)), validity=validity)
    chain = der_chain(issued.certificates)
    key = load_pem_private_key(issued.key, None)
    assert isinstance(key, RSAPrivateKey)
    faults = "".join(f'<Fault code="{n}" path="/Goods[{n}]">规格型号不符合要求</Fault>' for n in range(40))
    prepared = prepare(
        f'<Receipt xmlns="urn:tongguan:receipt:1" id="1"><Faults>{faults}</Faults></Receipt>'.encode(), "rsa-sha256"
    )
    raw = prepared.complete(key.sign(prepared.signed_info_digest, PKCS1v15(), Prehashed(SHA256())), chain)
    trusted = TrustedCertificate(x509.load_der_x509_certificate(chain[0]))
    ours = partial(verify, raw, (trusted,), clock.now())
    theirs = partial(lambda: XMLVerifier().verify(raw, x509_cert=trusted.certificate))
    pairs = [(_rate(ours, run.messages // 5), _rate(theirs, run.messages // 25)) for _ in range(5)]
    ratio = statistics.median(mine / other for mine, other in pairs)
    rate, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"{rate:.1f} msgs/s verify n={run.messages} {len(raw)} bytes rsa-2048 | signxml {other:.1f} msgs/s, ratio {ratio:.2f}"


def _rate(work: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(max(count, 1)):
        work()
    return max(count, 1) / (time.perf_counter() - began)


def _count(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(not e.name.startswith(".") for e in entries)


def _tally(daemon: Daemon, state: State) -> int:
    with daemon.journal.search() as records:
        return sum(n for _, kind, s, n in records.tally() if kind == "submission" and s == state)


def _fail_on_trouble(daemon: Daemon) -> None:
    for state in (State.REFUSED, State.HELD, State.REJECTED):
        if _tally(daemon, state):
            with daemon.journal.search() as records:
                message = records.in_state(state, 1)[0]
            raise RuntimeError(f"message {message.id} is {state}: {message.faults} {message.hold_reason} {message.extra}")


def _waits(daemon: Daemon) -> list[float]:
    """Milliseconds from reading a file to its receipt, of each message."""
    with daemon.journal.search() as records:
        return sorted(records.spans("read", "send"))


_PARTS: dict[str, Callable[[Run, Path], str]] = {"e2e": _end_to_end, "accept": _accept, "idle": _idle}


def _peak_mb() -> float:
    """This process's peak so far: the gateway's, before the figures are worked out."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _line(run: Run, rate: float, waits: Sequence[float], *, note: str = "", peak_mb: float = 0) -> str:
    waits = sorted(waits)
    own = peak_mb or _peak_mb()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 if run.key == "token" else 0
    latency = f", p50 {statistics.median(waits):.1f} ms p99 {waits[int(len(waits) * 0.99) - 1]:.1f} ms" if waits else ""
    endpoint = "simulators" if run.full else f"bench endpoint +{run.delay_ms} ms"
    waiting = f" waiting={run.waiting}" if run.waiting else ""
    waiting += f" batch={run.batch}" if run.batch > 1 else ""
    kept = "sqlite wal full, group commit"
    return (
        f"{rate:.1f} msgs/s {run.part} n={run.messages} key={run.key}{waiting} {endpoint}, {kept}"
        f"{latency}, peak {own + children:.0f} MB{note}"
    )
