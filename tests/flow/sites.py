"""A whole site for acceptance tests: a home, both authorities and the daemon, each in a process of its own.

Tests drop files and read what a user would read; each uses references of its own, so that they share one site.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tongguan.gateway.home import make_home, set_ports

TONGGUAN = [sys.executable, "-c", "from tongguan.gateway.cli import main; main()"]
FINAL = ("accepted", "rejected", "refused", "stopped", "given_up")
_names = itertools.count(1)


def wait_until(look: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """What `look` gives once it is true; fails, saying what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}; last seen: {look()!r}")


@dataclass
class Site:
    """A running home as its users see it."""

    home: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    account: str = "demo"

    @property
    def mailbox(self) -> Path:
        return self.home / "mailboxes" / self.account

    def simulate(self, *options: str) -> None:
        (self.home / "simulators" / "ports.json").unlink(missing_ok=True)
        log = (self.home / "simulate.log").open("ab")
        self.processes["simulate"] = subprocess.Popen(
            [*TONGGUAN, "simulate", "--home", str(self.home), *options], stdout=log, stderr=log
        )
        wait_until((self.home / "simulators" / "ports.json").exists, "the simulators to listen")
        set_ports(self.home)

    def run(self) -> None:
        (self.home / "daemon.sock").unlink(missing_ok=True)  # left behind by a killed one
        log = (self.home / "run.log").open("ab")
        self.processes["run"] = subprocess.Popen([*TONGGUAN, "run", "--home", str(self.home)], stdout=log, stderr=log)
        wait_until(lambda: (self.home / "daemon.sock").exists(), "the daemon to start")

    def stop(self, name: str = "run", *, kill: bool = False) -> int:
        process = self.processes.pop(name)
        process.kill() if kill else process.terminate()
        return process.wait(timeout=60)

    def command(self, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `tongguan <words> --home HOME`."""
        result = subprocess.run(
            [*TONGGUAN, *words, "--home", str(self.home)], check=False, capture_output=True, text=True, timeout=60
        )
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

    def wait(self, name: str, *states: str, seconds: float = 30) -> dict[str, Any]:
        """The status once the message is in one of these states (default: any final one)."""
        wanted = states or FINAL

        def look() -> dict[str, Any] | None:
            status = self.status(name)
            return status if status is not None and status["state"] in wanted else None

        try:
            return wait_until(look, f"{name} to be {wanted}", seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}; status: {self.status(name)}") from None

    def wait_business(self, type_: str, key: str, *texts: str, seconds: float = 30) -> dict[str, Any]:
        """The document file once its business status has one of these texts."""

        def look() -> dict[str, Any] | None:
            found = self.document(type_, key)
            return found if found is not None and (found.get("business_status") or {}).get("text") in texts else None

        return wait_until(look, f"{type_} {key} to be {texts}", seconds)

    def inbox(self, beginning: str) -> list[Path]:
        """Answers in InBox whose name begins so, in order of name."""
        return sorted(p for p in (self.mailbox / "InBox").iterdir() if p.name.startswith(beginning))

    def result(self, name: str, seconds: float = 10) -> Path:
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


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return found


def make_site(folder: Path, *, card: str | None = "software") -> Site:
    """A home that is not running yet; `card`: software, pkcs11 or None for what the machine has."""
    home = folder / "home"
    make_home(home, card=card, port_base=0)  # type: ignore[arg-type]
    return Site(home)
