"""A RabbitMQ of a test's own, on ports of its own: to be stopped, killed, starved and robbed of its rights while others test on.

And a line to it that can fall silent, as a network does that nobody has told of a machine's end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import brokers
import pytest
from patience import here, wait_until

_PROGRAMS = Path("/usr/lib/rabbitmq/bin")  #: without the wrapper that wants to be another user


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class OwnBroker:
    """One node; its queues lie in `folder`, and are there again after a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._name = f"tongguan-{uuid.uuid4().hex[:8]}@localhost"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugins").write_text("[].")
        self._log = folder / "out"
        places = {
            "MNESIA_BASE": "data",
            "LOG_BASE": "logs",
            "ENABLED_PLUGINS_FILE": "plugins",
            "PID_FILE": "pid",
            "CONFIG_FILE": "none",
            "SCHEMA_DIR": "schema",
            "GENERATED_CONFIG_DIR": "generated",
        }
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            **{f"RABBITMQ_{name}": str(folder / place) for name, place in places.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_PROGRAMS / "rabbitmq-server"], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: brokers.listens(("127.0.0.1", self.port)), "the broker to listen", 120)
        # It listens before it can be talked to.
        wait_until(lambda: self.order("await_startup").returncode == 0, "the broker to start", 120)

    def stop(self, *, kill: bool = False) -> None:
        """End it, in peace or at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9 if kill else 15)
            self._process.wait(here(60))
            self._process = None

    def order(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What `rabbitmqctl` says."""
        told = [_PROGRAMS / "rabbitmqctl", "-q", *words]
        return subprocess.run(told, check=False, env=self._environment, capture_output=True, text=True, timeout=here(60))

    def starve(self) -> None:
        """Let it lack memory: who publishes is blocked."""
        assert self.order("set_vm_memory_high_watermark", "0.0000001").returncode == 0

    def feed(self) -> None:
        assert self.order("set_vm_memory_high_watermark", "0.4").returncode == 0

    def allow(self, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        assert self.order("set_permissions", "guest", configure, write, read).returncode == 0

    def cut_connections(self) -> None:
        assert self.order("close_all_connections", "for a test").returncode == 0


@contextmanager
def own_broker(folder: Path) -> Iterator[OwnBroker]:
    """Skip, or in CI fail, where there is no RabbitMQ."""
    brokers.rabbit_is_there()
    if not (_PROGRAMS / "rabbitmq-server").exists() or shutil.which("erl") is None:
        said = "RabbitMQ's programs are not where Debian puts them"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    made = OwnBroker(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop(kill=True)


class SilentLine:
    """A proxy before a broker. When it falls silent, lines that stand carry nothing any more, and are not ended; new ones are as good as
    ever, or, where it is silent `altogether`, are answered and carry nothing either. Those that were silent once stay so.

    Or lines that stand carry only so many bytes more `to_broker`, or `from_broker`, and lose the rest of what they are given.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._age, self._altogether = 0, False
        self._limited, self._left = 0, dict[bool, int]()
        self._over = False
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self, *, altogether: bool = False) -> None:
        self._age += 1
        self._altogether = altogether

    def carry_only(self, *, to_broker: int | None = None, from_broker: int | None = None) -> None:
        wanted = {True: to_broker, False: from_broker}
        self._limited, self._left = len(self._lines), {way: most for way, most in wanted.items() if most is not None}

    def come_back(self) -> None:
        self._altogether = False

    def close(self) -> None:
        self._over = True
        for each in (self._door, *self._lines):
            with suppress(OSError):
                each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._lines += [near, far]
                number = len(self._lines)
                for a, b in ((near, far), (far, near)):
                    age = -1 if self._altogether else self._age
                    threading.Thread(target=self._carry, args=(a, b, age, number, a is near), daemon=True).start()

    def _carry(self, a: socket.socket, b: socket.socket, age: int, number: int, to_broker: bool) -> None:
        with suppress(OSError):
            while raw := a.recv(65536):
                while age != self._age and not self._over:
                    time.sleep(0.1)  # half-open: neither end hears that the other is gone
                if number <= self._limited and (left := self._left.get(to_broker)) is not None:
                    raw, self._left[to_broker] = raw[:left], max(0, left - len(raw))
                b.sendall(raw)
            b.shutdown(socket.SHUT_WR)
