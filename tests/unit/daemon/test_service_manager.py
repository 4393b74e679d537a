"""A service manager hears that the gateway is ready, alive and ending; who collects metrics finds them on the port that the settings name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import TONGGUAN, wait_until

from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.daemon.service_manager import ServiceManager
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.system import logs

pytestmark = pytest.mark.requirement("GW-08")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.setblocking(False)
        yield line


def heard(manager: socket.socket, so_far: list[str]) -> list[str]:
    try:
        while True:
            so_far.append(manager.recv(200).decode())
    except BlockingIOError:
        return so_far


def test_a_manager_hears_ready_alive_anew_and_ending(home: Path, tmp_path: Path, manager: socket.socket) -> None:
    change_settings(home, "gateway", "log", "json")
    told: list[str] = []
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    words = [*TONGGUAN, "run", "--processes", "1", "--home", str(home)]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: "READY=1" in heard(manager, told), "READY")
        wait_until(lambda: heard(manager, told).count("WATCHDOG=1") > 2, "signs of life")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "STATUS=running" in heard(manager, told), "the settings read anew")
        alive = told.count("WATCHDOG=1")
        wait_until(lambda: heard(manager, told).count("WATCHDOG=1") > alive, "signs of life of the next gateway")
        process.terminate()
        wait_until(lambda: process.poll() is not None, "the end")
    finally:
        process.kill()

    assert process.returncode == 0
    assert "STOPPING=1" in heard(manager, told)
    assert told.index("READY=1") < told.index("STATUS=reading the settings anew") < told.index("STOPPING=1")


def test_without_a_manager_and_with_one_that_does_not_listen_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceManager().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    ServiceManager().ready()


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def with_port(home: Path, port: int) -> None:
    path = home / "tongguan.toml"
    path.write_text(path.read_text("utf-8").split("\n[metrics]")[0] + f"\n[metrics]\nport = {port}\n", "utf-8")


@pytest.mark.long
def test_metrics_are_told_on_a_port_of_this_machine_and_go_on_when_settings_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs.Logger, "_say", lambda *_: None)
    first, second = free_port(), free_port()
    with_port(home, first)
    daemon = Daemon(home)
    daemon.start()
    daemon.alerts.tell("sms", "x", do="look", about="y")
    assert metrics(first)["tongguan_up"] == 1
    assert metrics(first)['tongguan_trouble{about="y",code="sms"}'] == 1

    change_settings(home, "gateway", "settle", "1s")
    daemon = daemon.swapped()
    assert metrics(first)["tongguan_up"] == 1
    with_port(home, second)
    daemon = daemon.swapped()
    assert metrics(second)["tongguan_up"] == 1
    with pytest.raises(OSError):
        metrics(first)
    daemon.stop()
    with pytest.raises(OSError):
        metrics(second)


def test_a_port_that_somebody_else_has_stops_the_start(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with_port(home, other.getsockname()[1])
        with pytest.raises(SettingsWrong, match=r"metrics\.port"):
            Daemon(home)


def test_the_port_is_this_machines_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with_port(home, port)
    daemon = Daemon(home)
    assert daemon.metrics is not None
    assert daemon.metrics.server.server_address == ("127.0.0.1", port)
    daemon.stop()
