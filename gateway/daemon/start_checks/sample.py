"""The enterprise of sample homes, and the secrets that were made up for it: all invented, and refused in production."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from tongguan.gateway.system.storage import files

NAME = "demo"
TITLE = "大连示例进出口有限公司"
USCC = "91210200MA0EXAMPLC"
CODES = {"mofcom": "2100MA0EXAMPL", "customs": "2102960001"}
_MADE = Path("simulators") / "made-for-tests.json"


def remember_secrets(home: Path, secrets: Iterable[Path], salt: str) -> None:
    """Mark secrets that were made for tests, by their hashes: wherever they are copied to, they are known again."""
    known = {"salt": salt, "sha256": sorted(_hash(salt, files.read(path)) for path in secrets)}
    files.write(home / _MADE, json.dumps(known).encode(), mode=0o600)


def is_sample_secret(home: Path, path: Path) -> bool:
    """Is what this file holds a secret that was made for tests?"""
    try:
        known = json.loads(files.read(home / _MADE))
        return _hash(str(known["salt"]), files.read(path)) in known["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _hash(salt: str, secret: bytes) -> str:
    return hashlib.sha256(salt.encode() + secret.strip()).hexdigest()
