"""Look up what a document's secret field refers to: a file of the account, or a variable of the environment.

Promises: never leaves the account's own folder, also not by a link; never shows what it read.
"""

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from tongguan.signer.cards.pin import Secret

MOST_BYTES = 65_536
_EMPTY = "empty or absent"
Seen = Mapping[str, Mapping[str, str | None]]
"""By account: each reference that was looked at, and what was wrong with it."""


class SecretMissing(Exception):
    """There is nothing usable at the reference; the text says why and shows the reference only."""


def read_secret(reference: str, folder: Path) -> Secret:
    """Resolve `file:NAME` below the account's folder, or `env:NAME`; one line break at its end is no part of it."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        text = os.environ.get(place, "")
    elif kind == "file":
        text = _file(place, folder)
    else:
        raise SecretMissing("neither file: nor env:")
    secret = Secret(text.removesuffix("\n").removesuffix("\r"))
    if not secret.reveal():
        raise SecretMissing(_EMPTY)
    return secret


class Vault:
    """What is in the accounts' folders, as last looked at: whether it can be used, never what it says. Threads share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: Seen = {}
        self._lock = threading.Lock()

    def look(self, account: str) -> None:
        """Look at all that an account has, and at the environment."""
        folder = self.root / account
        found = {reference: _wrong(reference, folder) for reference in (f"env:{name}" for name in os.environ)}
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                reference = f"file:{(Path(place) / name).relative_to(folder)}"
                found[reference] = _wrong(reference, folder)
        with self._lock:
            self.seen = {**self.seen, account: found}  # replaced whole: who has the old one goes on with it


def unusable(seen: Seen, account: str, reference: str) -> str | None:
    """Why a reference of an account could not be used when it was looked at; None when it could."""
    absent = _EMPTY if reference.startswith("env:") else os.strerror(errno.ENOENT)
    return seen.get(account, {}).get(reference, absent)


def _wrong(reference: str, folder: Path) -> str | None:
    try:
        read_secret(reference, folder)
    except SecretMissing as missing:
        return str(missing)
    return None


def _file(place: str, folder: Path) -> str:
    try:
        path = (folder / place).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise SecretMissing("outside of the account's folder")
        if not path.is_file():
            raise SecretMissing("no plain file")
        if path.stat().st_size > MOST_BYTES:
            raise SecretMissing(f"larger than {MOST_BYTES} bytes")
        return path.read_text("utf-8")
    except OSError as wrong:
        raise SecretMissing(wrong.strerror or type(wrong).__name__) from None
    except UnicodeDecodeError:
        raise SecretMissing("not UTF-8") from None
