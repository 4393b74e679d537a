"""The document types as a gateway looks at them when it begins, for every command that goes by them."""

from __future__ import annotations

from pathlib import Path

from tongguan.codecs.checking.compile import compile_all
from tongguan.gateway.daemon.assembly import make_layouts
from tongguan.gateway.profile.loading import load_profiles


def look_at_types(home: Path | None) -> None:
    """Raise SettingsWrong with file and line of all that is wrong with them: what no gateway begins with, nothing else goes by."""
    make_layouts(compile_all(load_profiles(home=home)))
