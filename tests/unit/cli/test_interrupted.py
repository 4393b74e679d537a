"""A demo or a measurement that somebody ends leaves neither processes nor folders behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import wait_until

pytestmark = pytest.mark.requirement("GW-08")


def processes_of(folder: Path) -> list[int]:
    """Those whose command names something in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = place.read_bytes()
        except OSError:
            continue  # it has just ended
        if os.fsencode(folder) in said:
            found.append(int(place.parent.name))
    return found


@pytest.mark.long
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda told: told.name)
@pytest.mark.parametrize(("words", "log"), [("demo", "home/logs/run.log"), ("bench idle --messages 100000", "home/gateway.log")])
def test_what_is_ended_by_somebody_ends_what_it_began_and_clears_its_folder(
    tmp_path: Path, words: str, log: str, told: signal.Signals
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "tongguan.gateway.cli", *words.split()],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: any(tmp_path.glob(f"tongguan-*/{log}")) and processes_of(tmp_path), "the gateway's process")
    command.send_signal(told)

    assert command.wait() != 0
    assert list(tmp_path.glob("tongguan-*")) == []
    wait_until(lambda: not processes_of(tmp_path), "the end of all that was begun")
