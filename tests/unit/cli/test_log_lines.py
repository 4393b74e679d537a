"""A log line is never worth a message: nobody reads, a full disk, a closed stdout."""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from homes import new_home
from sites import wait_until

from tongguan.gateway.cli.logs import Outlet
from tongguan.gateway.daemon.daemon import Daemon
from tongguan.gateway.home.home import change_settings
from tongguan.gateway.system import logs

RUN = [sys.executable, "-c", "from tongguan.gateway.cli import main; main()", "run", "--home"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = new_home(tmp_path / "home", language="en")
    change_settings(made, "gateway", "settle", "0s")
    return made


def works(home: Path, name: str) -> None:
    (home / "mailboxes/demo/OutBox" / name).write_text("<no message/>")
    wait_until((home / "mailboxes/demo/Status" / f"{name}.status.json").exists, f"{name} to be refused")


def told(home: Path) -> set[str]:
    file = home / "alerts.jsonl"
    return {json.loads(line)["code"] for line in file.read_text().splitlines()} if file.exists() else set()


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def begun(home: Path, running: list[subprocess.Popen[bytes]], **more: Any) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([*RUN, str(home)], stderr=subprocess.DEVNULL, **more)
    running.append(process)
    wait_until((home / "daemon.sock").exists, "the gateway to start")
    return process


def ended(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    return process.wait(60)


def test_the_end_of_the_log_pipe_is_an_alert_and_nothing_else(home: Path, running: list[subprocess.Popen[bytes]]) -> None:
    process = begun(home, running, stdout=subprocess.PIPE)
    works(home, "a.xml")
    assert process.stdout is not None
    process.stdout.close()
    works(home, "b.xml")
    works(home, "c.xml")
    wait_until(lambda: "log" in told(home), "the alert")

    assert told(home) & {"station", "thread", "listener"} == set()
    assert ended(process) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_log_disk_is_an_alert_and_nothing_else(home: Path, running: list[subprocess.Popen[bytes]]) -> None:
    with open("/dev/full", "wb") as full:
        process = begun(home, running, stdout=full)
    works(home, "a.xml")
    works(home, "b.xml")
    wait_until(lambda: "log" in told(home), "the alert")

    assert told(home) & {"station", "thread", "listener"} == set()
    assert ended(process) == 0


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_the_gateway_runs_with_its_handles_closed(
    home: Path, running: list[subprocess.Popen[bytes]], closed: tuple[int, ...]
) -> None:
    def close() -> None:
        for handle in closed:
            os.close(handle)

    process = begun(home, running, preexec_fn=close)
    works(home, "a.xml")

    assert ended(process) == 0


def test_a_reader_that_does_not_read_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    outlet = Outlet(write)
    for n in range(30_000):
        outlet.write(f"{n:0100d}\n")

    assert logs.trouble() == "nobody reads"
    seen = 0
    while len(os.read(read, 1 << 16)) and logs.trouble():
        outlet.flush()
        seen += 1
    os.close(read)
    os.close(write)
    assert seen


def test_lines_that_are_said_together_go_out_at_their_end_in_order() -> None:
    read, write = os.pipe()
    outlet = Outlet(write)
    lines = [f"{n:0100d}\n" for n in range(100)]
    with outlet.together():
        for line in lines:
            outlet.write(line)
        os.set_blocking(read, False)
        with pytest.raises(BlockingIOError):
            os.read(read, 1)

    assert os.read(read, 1 << 16).decode() == "".join(lines)
    os.close(read)
    os.close(write)


def test_the_gateway_takes_as_many_open_files_as_the_system_allows(home: Path, running: list[subprocess.Popen[bytes]]) -> None:
    """A login or service manager may give it fewer than its mailboxes need."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    process = begun(home, running, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, most)))
    works(home, "a.xml")

    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (most, most)
    assert ended(process) == 0


def test_a_log_handler_that_raises_is_no_failure_of_the_commit(home: Path) -> None:
    def raises(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError("in a handler")

    before = structlog.get_config()
    daemon = Daemon(home)
    daemon.start()
    structlog.configure(processors=[raises], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    try:
        works(home, "a.xml")
        wait_until(lambda: "log" in {p.code for p in daemon.alerts.problems()}, "the alert")
        codes = {p.code for p in daemon.alerts.problems()}
    finally:
        structlog.configure(**before)
        daemon.stop()

    assert codes & {"station", "thread", "listener"} == set()


@pytest.mark.parametrize(("form", "said"), [("json", r"a\u001b[2J\u009b2J"), ("text", "a⟨U+001B⟩[2J⟨U+009B⟩2J")])
def test_a_log_line_orders_no_terminal_about(form: str, said: str) -> None:
    line = f"from tongguan.gateway.cli.logs import log_to_stdout; log_to_stdout({form!r}); "
    line += r"import structlog; structlog.get_logger().info('move', file='a\x1b[2J\x9b2J')"

    told = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout

    assert said in told and not {"\x1b", "\x9b"} & set(told)
