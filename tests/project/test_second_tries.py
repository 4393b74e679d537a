"""What `make test` tries again, and what it never does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "run-tests"
ONCE = """
from pathlib import Path
def test_{name}():
    mark = Path(__file__).with_suffix(".{name}")
    first = not mark.exists()
    mark.touch()
    assert not first
"""


def run(folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    """Run the tool on a small project; `flow__a="…"` is the file tests/flow/test_a.py."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    for name, content in files.items():
        layer, stem = name.split("__")
        path = folder / "tests" / layer / f"test_{stem}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return subprocess.run([sys.executable, str(TOOL)], cwd=folder, check=False, capture_output=True, text=True)


def once(*names: str) -> str:
    """Tests that fail when they run for the first time."""
    return "".join(ONCE.format(name=name) for name in names)


def test_two_that_wait_for_processes_get_a_second_try_which_is_counted_and_shown(tmp_path: Path) -> None:
    done = run(tmp_path, flow__a=once("one"), crash__b=once("two"), unit__c="def test_fine(): pass")

    assert done.returncode == 0, done.stdout
    assert "SECOND TRIES: 2 of 2, passed: " in done.stdout
    assert "tests/flow/test_a.py::test_one" in done.stdout.splitlines()[-1]


def test_a_second_failure_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, flow__a="def test_wrong(): assert False")

    assert done.returncode == 1
    assert "SECOND TRIES: 1 of 2, in vain" in done.stdout


@pytest.mark.parametrize("layer", ["unit", "profiles", "project"])
def test_what_waits_for_no_process_is_never_tried_again(tmp_path: Path, layer: str) -> None:
    done = run(tmp_path, **{f"{layer}__a": once("one"), "flow__b": once("two")})

    assert done.returncode == 1
    assert "SECOND TRIES" not in done.stdout


def test_more_than_two_are_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, flow__a=once("one", "two", "three"))

    assert done.returncode == 1
    assert "SECOND TRIES" not in done.stdout


def test_a_run_that_broke_off_is_not_tried_again(tmp_path: Path) -> None:
    done = run(tmp_path, flow__a="import nowhere")

    assert done.returncode == 2
