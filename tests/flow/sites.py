"""A whole site for acceptance tests: a home, both authorities and the daemon, each in a process of its own (`forkserver.py`).

Tests drop files and read what a user would read; each uses references of its own, so that they share one site.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import decided_again
import forkserver
import patience
import purity
from homes import new_home
from patience import STILL, here

from tongguan.gateway.home.home import make_home, set_ports

TONGGUAN = [sys.executable, "-c", "from tongguan.gateway.cli import main; main()"]
#: the same, its decisions guarded
_SUPPORT = str(Path(purity.__file__).parent)
GUARDED = [*TONGGUAN[:2], f"import sys; sys.path.append({_SUPPORT!r}); import purity; purity.guard(); {TONGGUAN[2]}"]
FINAL = ("accepted", "rejected", "refused", "stopped", "given_up")
_names = itertools.count(1)


_running = set[Path]()  #: homes with a process: whatever moves there is worth waiting for


def wait_until(look: Callable[[], Any], what: str, seconds: float = STILL, *, moves: Callable[[], object] | None = None) -> Any:
    """What `look` gives once it is true; fails when nothing moves any more, here or at any running site."""
    return patience.wait_until(look, what, seconds, moves=moves or (lambda: [pulse(home) for home in sorted(_running)]))


def pulse(home: Path) -> object:
    """What changes while work goes on: moves of the journal, files that come and go (the heartbeat beats without work)."""
    folders = [*home.glob("mailboxes/*/*"), *home.glob("mailboxes/*/Status/*")]
    return journal_moves(home), [len(os.listdir(f)) for f in folders if f.is_dir()]


def _for_the_owner(path: str, flags: int) -> int:
    """A home's files are its owner's alone; the doctor says so of a log, too."""
    return os.open(path, flags, 0o600)


@dataclass
class Site:
    """A running home as its users see it."""

    home: Path
    processes: dict[str, subprocess.Popen[bytes] | forkserver.Forked] = field(default_factory=dict)
    account: str = "demo"

    @property
    def mailbox(self) -> Path:
        return self.home / "mailboxes" / self.account

    def simulate(self, *options: str) -> None:
        (self.home / "simulators" / "ports.json").unlink(missing_ok=True)
        self.start("simulate", "simulate", *options)
        wait_until((self.home / "simulators" / "ports.json").exists, "the simulators to listen")
        set_ports(self.home)

    def run(self, program: Sequence[str] = ()) -> None:
        """Start the gateway, its decisions guarded; `program`: not forked, but by these words and `run`."""
        (self.home / "daemon.sock").unlink(missing_ok=True)  # left behind by a killed one
        self.start("run", "run", program=program)
        wait_until(lambda: (self.home / "daemon.sock").exists(), "the daemon to start")

    def start(self, name: str, *words: str, program: Sequence[str] = ()) -> None:
        """Start `tongguan <words> --home HOME` as the process `name`, forked or by a program."""
        words = (*words, "--home", str(self.home))
        if name == "run":
            decided_again.begin()
        with open(self.home / f"{name}.log", "ab", opener=_for_the_owner) as log:
            self.processes[name] = (
                subprocess.Popen([*program, *words], stdout=log, stderr=log)
                if program
                else forkserver.Forked(words, stdout=log, stderr=log, guarded=name == "run")
            )
        _running.add(self.home)

    def stop(self, name: str = "run", *, kill: bool = False) -> int:
        process = self.processes.pop(name)
        if not self.processes:
            _running.discard(self.home)
        process.kill() if kill else process.terminate()
        return patience.ended(process, f"tongguan {name}")

    def command(self, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `tongguan <words> --home HOME`."""
        result = forkserver.ran([*words, "--home", str(self.home)])
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def drop(self, content: str | bytes, *, name: str | None = None, suffix: str = ".xml") -> str:
        """Put a file into OutBox as an ERP does: written beside, then renamed. The name it has."""
        name = name or f"t{next(_names):05d}-{os.getpid()}{suffix}"
        part = self.mailbox / "OutBox" / f"{name}.tmp"
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.rename(self.mailbox / "OutBox" / name)
        return name

    def drop_zip(
        self, message: str | bytes, files: Mapping[str, bytes], *, name: str | None = None, inner: str = "message.xml"
    ) -> str:
        name = name or f"t{next(_names):05d}-{os.getpid()}.zip"
        path = self.home / f"{name}.part"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(inner, message)
            for entry, raw in files.items():
                archive.writestr(entry, raw)
        return self.drop(path.read_bytes(), name=name)

    def status(self, name: str) -> dict[str, Any] | None:
        """The status file of a dropped file, once it is there."""
        return _json(self.mailbox / "Status" / f"{name}.status.json")

    def document(self, type_: str, key: str) -> dict[str, Any] | None:
        return _json(self.mailbox / "Status" / "documents" / f"{type_}_{key}.json")

    def put_faults(self, authority: str, rules: bytes = b"") -> None:
        """Give a simulator other fault rules, or none."""
        place = self.home / "simulators"
        token = tomllib.loads((place / "simulators.toml").read_text("utf-8"))["admin_token"]
        address = f"http://127.0.0.1:{json.loads((place / 'ports.json').read_bytes())[authority]}/v1/admin/faults"
        order = urllib.request.Request(address, data=rules, method="PUT", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(order, timeout=here(STILL)) as answer:
            assert answer.status == 204

    def wait(self, name: str, *states: str, seconds: float = STILL) -> dict[str, Any]:
        """The status once the message is in one of these states (default: any final one)."""
        wanted = states or FINAL

        def look() -> dict[str, Any] | None:
            status = self.status(name)
            return status if status is not None and status["state"] in wanted else None

        try:
            return wait_until(look, f"{name} to be {wanted}", seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}; status: {self.status(name)}") from None

    def wait_business(self, type_: str, key: str, *texts: str, seconds: float = STILL) -> dict[str, Any]:
        """The document file once its business status has one of these texts."""

        def look() -> dict[str, Any] | None:
            found = self.document(type_, key)
            return found if found is not None and (found.get("business_status") or {}).get("text") in texts else None

        return wait_until(look, f"{type_} {key} to be {texts}", seconds)

    def inbox(self, beginning: str) -> list[Path]:
        """Answers in InBox whose name begins so, in order of name."""
        return sorted(p for p in (self.mailbox / "InBox").iterdir() if p.name.startswith(beginning))

    def result(self, name: str, seconds: float = STILL) -> Path:
        """The result file of a query that was dropped as `name`."""
        stem = name.rsplit(".", 1)[0]
        return wait_until(lambda: self.inbox(f"Result_{stem}_"), f"the result of {name}", seconds)[0]

    def places(self, name: str) -> list[str]:
        """Every folder in which the original (or what it was renamed to) lies."""
        stem, suffix = name.rsplit(".", 1)
        found = [
            b
            for b in ("SentBox", "FailBox")
            for p in (self.mailbox / b).iterdir()
            if p.name.startswith(f"{stem}_") and p.name.endswith(suffix)
        ]
        return [*found, *(["OutBox"] if (self.mailbox / "OutBox" / name).exists() else [])]


def journal_moves(home: Path) -> int:
    """How many moves the journal holds; none while there is nothing to read."""
    try:
        with closing(sqlite3.connect(f"file:{home}/tongguan.db?mode=ro", uri=True, timeout=0)) as base:
            return int(base.execute("SELECT COALESCE(MAX(n), 0) FROM move").fetchone()[0])
    except sqlite3.Error:
        return 0


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return found


def make_site(folder: Path, *, card: str | None = "software", speed: int = 1) -> Site:
    """A home that is not running yet; `card`: software, pkcs11 or None for what the machine has; `speed`: of its business clock."""
    home = folder / "home"
    if card == "software":
        new_home(home, speed=speed)
    else:
        make_home(home, card=card, port_base=0)  # type: ignore[arg-type]
    return Site(home)


def second_account(site: Site) -> Site:
    """Another account of the same enterprise, not running yet: its codes, and its cards, which here are the same keys."""
    path = site.home / "tongguan.toml"
    text = path.read_text()
    account = text[text.index("[[account]]") : text.index("[route.mofcom]")].replace("mailboxes/demo", "mailboxes/second")
    for name in ('"demo"', '"demo-mofcom"', '"demo-customs"'):
        account = account.replace(name, name.replace("demo", "second"))
    path.write_text(text.replace("[route.mofcom]", account + "\n[route.mofcom]"))
    return Site(site.home, site.processes, account="second")
