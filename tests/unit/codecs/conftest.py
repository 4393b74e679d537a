"""The made-up type of `sample.py`, compiled once, and importable by name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("codecs_sample", Path(__file__).with_name("sample.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["codecs_sample"] = module
    spec.loader.exec_module(module)
    return module


_load()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The made-up type, compiled."""
    return sys.modules["codecs_sample"].compiled(tmp_path_factory.mktemp("profiles"))
