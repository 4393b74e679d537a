"""Nobody reads a command's output to its end: the command ends without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.requirement("GW-08")
@pytest.mark.parametrize(
    "words", ["--help", "list --help", "profiles", "profiles --json", "config show --json", "doctor", "status"]
)
def test_a_command_whose_output_nobody_reads_ends_as_others_do_without_a_word(home: Path, words: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        said = subprocess.run(
            [sys.executable, "-m", "tongguan.gateway.cli", *words.split()],
            env={**os.environ, "TONGGUAN_HOME": str(home)},
            stdout=writes,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writes)

    assert (said.returncode, said.stderr) == (141, "")
