"""What `pip install .` would install: everything that runs, and every document type's data."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_wheel_holds_all_code_profiles_schemas_and_examples(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(sources)], check=True)  # as committed: no build leftovers
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("tongguan-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    parts = ("gateway", "codecs", "routes", "signer", "outbox", "inbox", "simulators")
    tracked = subprocess.run(["git", "ls-files", *parts], cwd=sources, check=True, capture_output=True, text=True).stdout
    wanted = {f"tongguan/{name}" for name in tracked.splitlines() if name.isascii() and not name.startswith('"')}

    assert wanted - names == set()
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]
