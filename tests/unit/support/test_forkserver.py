"""A forked `tongguan` is a process as any other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import forkserver
import psutil
import pytest
from patience import ended, ran, wait_until
from sites import TONGGUAN, make_site


def test_it_says_and_ends_with_what_one_that_is_started_anew_does(tmp_path: Path) -> None:
    for words in (["--help"], ["nonsense"], ["config", "check", "--home", str(tmp_path)]):
        forked, anew = forkserver.ran(words), ran([*TONGGUAN, *words])

        assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_it_has_the_folder_and_the_environment_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_site(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TONGGUAN_HOME", "home")

    assert forkserver.ran(["config", "check"]).returncode == 0
    monkeypatch.setenv("TONGGUAN_HOME", "none")
    assert forkserver.ran(["config", "check"]).returncode != 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_signals_end_it_with_their_code(tmp_path: Path, number: int, code: int) -> None:
    site = make_site(tmp_path, card="software")
    site.run()
    process = site.processes.pop("run")
    assert process.poll() is None
    process.send_signal(number)

    assert (ended(process, "it"), process.poll()) == (code, code)
    process.send_signal(number)


def test_each_has_files_of_its_own_and_the_simulators_end_with_the_one_that_began_them(tmp_path: Path) -> None:
    site = make_site(tmp_path, card="software")
    site.simulate("--fast")
    site.run()
    authorities = psutil.Process(site.processes["simulate"].pid).children()
    held = os.listdir(folder := f"/proc/{site.processes['run'].pid}/fd")
    assert not [n for n in held if os.readlink(f"{folder}/{n}").endswith("simulate.log")]
    for name in ("simulate", "run"):
        assert site.stop(name, kill=True) == -signal.SIGKILL

    assert len(authorities) == 3
    wait_until(lambda: not any(psutil.pid_exists(each.pid) and each.status() != "zombie" for each in authorities), "their end")
