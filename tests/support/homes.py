"""Homes with software cards, each a copy of one that was made for all: seven RSA keys take longer than most tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tongguan.gateway.home.home import make_home


def new_home(home: Path, *, language: str = "zh") -> Path:
    """A home that nothing ran in yet, its simulators' ports left open; its keys are those of all others."""
    return Path(shutil.copytree(_made(language), home))


@cache
def _made(language: str) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return make_home(folder / "home", card="software", port_base=0, language=language).home
