"""What a measured gateway has around it: a fresh home, an enterprise that drops files, an authority that answers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files as resources
from pathlib import Path

from tongguan.gateway.home import home
from tongguan.gateway.profile.example_dates import moved
from tongguan.gateway.system import times
from tongguan.gateway.system.business_clock import BusinessClock

_TEMPLATE = "bench-*.xml"
LISTS = "lists-[0-9].xml"  #: what must be declared, and approved, before it; the last one is the list itself
PAPERS = "papers-[12].xml"  #: a request for papers of fifty declarations, and what exports what was made of it
BESIDE_LISTS = "lists-beside.xml"  #: of another type, about as many bytes
_MARK = b'reference="bench-0"'
_BESIDE = "beside"
_PAUSE = 0.05
_ELLIPTIC = "customs"  #: the authority of a home whose key is elliptic


def template() -> bytes:
    """The sample message of the installed profiles: 6 KB, Chinese text, a table."""
    return samples(_TEMPLATE)[0]


def samples(pattern: str) -> list[bytes]:
    """The sample messages with such names in the installed profiles, in the order of their names."""
    root = Path(str(resources("tongguan.gateway") / "profiles"))
    today = times.china_date(BusinessClock().now_ms())
    return [moved(file.read_bytes(), today) for file in sorted(root.glob(f"*/*/examples/{pattern}"), key=lambda file: file.name)]


def make_home(made: Path, key: str) -> None:
    """A home of one account; `key`: software, token, or milliseconds that each signature takes."""
    home.make_home(made, card="pkcs11" if key == "token" else "software", port_base=0)
    if key not in ("software", "token"):
        home.change_settings(made, "account.card", "delay", f"{key}ms", named="demo-mofcom")


def mailbox(made: Path) -> Path:
    return made / "mailboxes" / "demo"


def drop(
    made: Path, count: int, *, first: int = 0, batch: int = 1, folder: str = "mailboxes/demo/OutBox", text: bytes | None = None
) -> None:
    """Put `count` different messages into OutBox, so many to a file; `text`: another one than the sample message."""
    outbox = made / folder
    text = template() if text is None else text
    item = text.partition(b"?>")[2] if batch > 1 else text
    for n in range(first, first + count, batch):
        items = [item.replace(_MARK, f'reference="bench-{m}"'.encode()) for m in range(n, min(n + batch, first + count))]
        content = b'<Batch reference="bench-b%d">%b</Batch>' % (n, b"".join(items)) if batch > 1 else items[0]
        (outbox / f"m{n:07d}.tmp").write_bytes(content)
        os.rename(outbox / f"m{n:07d}.tmp", outbox / f"m{n:07d}.xml")


def put(made: Path, name: str, content: bytes) -> None:
    """Put a file into OutBox."""
    outbox = mailbox(made) / "OutBox"
    (outbox / f"{name}.tmp").write_bytes(content)
    os.rename(outbox / f"{name}.tmp", outbox / name)


def lay_ready(made: Path, count: int, *, first: int = 0, batch: int = 1, quiet: float = 2.0, text: bytes | None = None) -> None:
    """Lay `count` messages beside OutBox, and let the disk be quiet for so many seconds."""
    (made / _BESIDE).mkdir(exist_ok=True)
    drop(made, count, first=first, batch=batch, folder=_BESIDE, text=text)
    if quiet:
        os.sync()
        time.sleep(quiet)


def let_in(made: Path) -> None:
    """Move what was laid ready into OutBox, in order of name."""
    for name in sorted(os.listdir(made / _BESIDE)):
        os.rename(made / _BESIDE / name, mailbox(made) / "OutBox" / name)


def count(folder: Path, prefix: str = "") -> int:
    with os.scandir(folder) as entries:
        return sum(e.name.startswith(prefix) and not e.name.startswith(".") for e in entries)


@contextmanager
def authority(made: Path, delay_ms: int, *, full: bool, named: str = home.AUTHORITIES[0]) -> Iterator[int]:
    """Who the home's routes lead to: it only acknowledges (signed receipts, least work), or is the full simulators. Its process.

    `named`: as which authority it acknowledges.
    """
    process = _simulators(made) if full else _acknowledger(made, delay_ms, named)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _begin(module: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *options], stdout=subprocess.DEVNULL)


def _simulators(made: Path) -> subprocess.Popen[bytes]:
    process = _begin("tongguan.simulators.serve", "--home", str(made), "--fast")
    while not (made / "simulators" / "ports.json").exists():
        time.sleep(_PAUSE)
    home.set_ports(made)
    return process


def _acknowledger(made: Path, delay_ms: int, named: str) -> subprocess.Popen[bytes]:
    """The endpoint that only acknowledges, under the name of a route, with an elliptic key that the route trusts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    keys, trust = made / "simulators", made / "trust"
    words = ["--port", str(port), "--authority", named, "--delay-ms", str(delay_ms)]
    keyed = ["--key", str(keys / f"{_ELLIPTIC}.key"), "--certificate", str(keys / f"{_ELLIPTIC}.pem")]
    process = _begin("tongguan.simulators.bench_endpoint", *words, *keyed)
    if named != _ELLIPTIC:  # no two routes may believe one key: the two authorities change places
        shutil.copy(keys / f"{_ELLIPTIC}.pem", trust / f"{named}.pem")
        shutil.copy(keys / f"{named}.pem", trust / f"{_ELLIPTIC}.pem")
    for route in home.AUTHORITIES:
        home.change_settings(made, f"route.{route}", "url", f"http://127.0.0.1:{port}")
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(_PAUSE)
