"""Run the authorities, each in a process of its own: ``python -m tongguan.simulators.serve --home HOME [--fast] [--faults FILE]``.

A line is printed for each that listens, then the ports stand in ``HOME/simulators/ports.json``. SIGTERM or SIGINT stops all;
so does the death of one, or of the process that started them.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

import uvicorn

from tongguan.simulators.books.store import Store
from tongguan.simulators.books.tables import Tables
from tongguan.simulators.customs.permits import own_permits
from tongguan.simulators.messages.faults import load_plan
from tongguan.simulators.messages.signing import load_sealer
from tongguan.simulators.script.loading import load_other_scripts, load_scripts
from tongguan.simulators.server.clock import Clock
from tongguan.simulators.server.http_app import ClosingProtocol
from tongguan.simulators.server.office import Office, stranger_like
from tongguan.simulators.server.server import Counter
from tongguan.simulators.settings import FILE, FOLDER, PORTS, WrongSettings, load_settings

WRONG_SETTINGS = 78  #: exit code, as sysexits has it
_LEAST_SQLITE = (3, 35)  #: the first that knows RETURNING
KEEPS_LICENCES = "customs"  #: whose ledger has the licences of the settings
OWN_PROFILES = "profiles"  #: the folder of a home with document types of its own


def serve(home: Path, *, fast: bool = False, faults: Path | None = None, profiles: Path | None = None) -> None:
    """Run every authority of a home until told to stop. Raises WrongSettings, or ValueError for a wrong script,
    before anything is started.

    ``profiles`` is the root of the profile folders, default the installed ones. Exits with 1 when an authority died.
    """
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        least = ".".join(map(str, _LEAST_SQLITE))
        raise WrongSettings(f"SQLite {least} or newer is needed, and this Python has {sqlite3.sqlite_version}")
    settings = load_settings(home)
    load_plan(faults)
    for name in settings.endpoints:
        load_scripts(name, profiles, home / OWN_PROFILES)
    _alone(home / FOLDER)
    ports = home / FOLDER / PORTS
    ports.unlink(missing_ok=True)
    options = ["--home", str(home), *(["--fast"] if fast or settings.fast else [])]
    options += ["--faults", str(faults)] if faults else []
    options += ["--profiles", str(profiles)] if profiles else []
    children = {name: _start(name, options) for name in settings.endpoints}
    _stop_on_signal(list(children.values()))
    listening = {name: _listens(name, child) for name, child in children.items()}
    if all(listening.values()):
        _replace(ports, json.dumps({name: address[1] for name, address in listening.items() if address}))
        for name, address in listening.items():
            print(f"{name}: listening on http://{address[0]}:{address[1]}" if address else "", flush=True)
    _wait(list(children.values()))


def _alone(folder: Path) -> None:
    """Raise WrongSettings where the simulators of a home run already; no others start while this process lives."""
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WrongSettings(f"{folder}: the simulators of this home run already") from None


def _start(authority: str, options: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tongguan.simulators.serve", "--only", authority, *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _listens(name: str, child: subprocess.Popen[str]) -> tuple[str, int] | None:
    """Read where a child listens, or nothing when it ended before."""
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        print(f"{name}: did not start", file=sys.stderr, flush=True)
        return None
    host, port = json.loads(line)
    return host, port


def _stop_on_signal(children: list[subprocess.Popen[str]]) -> None:
    def stop(_: int, __: FrameType | None) -> None:
        for child in children:
            child.terminate()

    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, stop)


def _wait(children: list[subprocess.Popen[str]]) -> None:
    """Wait for the first child to end, then end the others."""
    ended = threading.Event()
    for child in children:
        threading.Thread(target=_tell_end, args=(child, ended), daemon=True).start()
    while not ended.wait(0.5):  # a wait without end would keep signals from being handled on some platforms
        pass
    for child in children:
        if child.poll() is None:
            child.terminate()
    if any(code not in (0, -signal.SIGTERM) for code in [child.wait() for child in children]):
        raise SystemExit(1)


def _tell_end(child: subprocess.Popen[str], ended: threading.Event) -> None:
    child.wait()
    ended.set()


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(text)
    os.replace(part, path)


class _Server(uvicorn.Server):
    """Tell the starter where we listen, and send waiting callers home when told to stop."""

    def __init__(self, config: uvicorn.Config, counter: Counter) -> None:
        super().__init__(config)
        self._counter = counter
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            print(json.dumps(sockets[0].getsockname()[:2] if sockets else []), flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End soon, from any thread; repeated calls are harmless."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._counter.close)


def open_office(home: Path, authority: str, *, fast: bool, faults: Path | None = None, profiles: Path | None = None) -> Office:
    """Make one authority ready: its keys, scripts and books."""
    settings = load_settings(home)
    endpoint = settings.endpoints[authority]
    sealer = load_sealer(endpoint.key, endpoint.certificate)
    store = Store(endpoint.store)
    if authority == KEEPS_LICENCES:
        with store.transaction():
            for permit in own_permits(settings, authority):
                store.ledger.keep_permit(permit)
    return Office(
        endpoint=endpoint,
        settings=settings,
        scripts=load_scripts(authority, profiles, home / OWN_PROFILES),
        store=store,
        sealer=sealer,
        stranger=stranger_like(sealer),
        fast=fast,
        plan=load_plan(faults),
        others=load_other_scripts(authority, profiles, home / OWN_PROFILES),
        tables=Tables(profiles, home / OWN_PROFILES, home / "tables"),
        clock=Clock(home),
    )


def _run(office: Office) -> None:
    counter = Counter(office)
    config = uvicorn.Config(
        counter.app(), http=ClosingProtocol, ws="none", log_level="warning", access_log=False, timeout_graceful_shutdown=3
    )
    bound = socket.socket(socket.AF_INET6 if ":" in office.endpoint.host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    where = office.endpoint
    try:
        bound.bind((where.host, where.port))
    except OSError as error:
        what = f"[{where.authority}] {where.host}:{where.port}: {error.strerror}; name another port (0: a free one)"
        raise WrongSettings(f"{office.settings.folder / FILE}: {what}") from error
    server = _Server(config, counter)
    threading.Thread(target=_until_starter_ends, args=(server,), daemon=True).start()
    server.run(sockets=[bound])
    office.store.close()


def _until_starter_ends(server: _Server) -> None:
    sys.stdin.read()
    server.stop()


def main() -> None:
    """Read the command line; exit 78 on wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m tongguan.simulators.serve", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fast", action="store_true", help="steps follow within a tenth of a second")
    parser.add_argument("--faults", type=Path, help="a file of fault rules")
    parser.add_argument("--profiles", type=Path, help="root of the profile folders")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.only:
            _run(open_office(given.home, given.only, fast=given.fast, faults=given.faults, profiles=given.profiles))
        else:
            serve(given.home, fast=given.fast, faults=given.faults, profiles=given.profiles)
    except (WrongSettings, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(WRONG_SETTINGS) from error


if __name__ == "__main__":
    main()
