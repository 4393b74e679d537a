"""A document type is a folder of data: no code outside the tests knows the name of one."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from tongguan.gateway.profile.loading import load_profiles

HOME = Path(__file__).resolve().parents[2]
PARTS = ("codecs", "gateway", "inbox", "outbox", "routes", "signer", "simulators")
TYPES = sorted(load_profiles(Path(str(files("tongguan"))) / "gateway" / "profiles"))
SOURCES = [path for part in PARTS for path in sorted((HOME / part).rglob("*.py"))]


def test_there_are_types_and_sources_to_look_at() -> None:
    assert TYPES
    assert {path.relative_to(HOME).parts[0] for path in SOURCES} == set(PARTS)


@pytest.mark.parametrize("name", TYPES)
def test_no_python_file_names_the_document_type(name: str) -> None:
    found = [
        f"{path.relative_to(HOME)}:{n}"
        for path in SOURCES
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if name in line
    ]

    assert found == []
