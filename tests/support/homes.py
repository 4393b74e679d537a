"""Homes with software cards, each a copy of one that was made for all: seven RSA keys take longer than most tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from tongguan.gateway.home.home import make_home
from tongguan.gateway.system import times
from tongguan.gateway.system.business_clock import FILE, ClockLine


def new_home(home: Path, *, language: str = "zh", speed: int = 1) -> Path:
    """A home that nothing ran in yet, its simulators' ports left open; its keys are those of all others.

    `speed`: so many times as fast as the machine's its business clock runs.
    """
    made = Path(shutil.copytree(_made(language), home))
    if speed != 1:
        with open(made / "tongguan.toml", "a", encoding="utf-8") as settings:
            settings.write(f"\n[clock]\nspeed = {speed}\n")
    return made


def begins(home: Path, day: str, *, speed: int = 1) -> None:
    """Have the business clock of a home that nothing runs in begin on a day, of China, by its file."""
    line = replace(ClockLine.begin(speed), business=times.read(day))
    (home / FILE).write_text(line.text())


@cache
def _made(language: str) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return make_home(folder / "home", card="software", port_base=0, language=language).home
