"""Look up what a document's secret field refers to: a file of the account, or a variable of the environment.

Promises: never leaves the account's own folder, also not by a link; never shows what it read.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from tongguan.signer.cards.pin import Secret

MOST_BYTES = 65_536


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
        raise SecretMissing("empty or absent")
    return secret


class Vault:
    """What is in the accounts' folders, as last looked at: whether it can be used, never what it says. Threads share it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._looked: dict[str, Mapping[str, str | None]] = {}  #: by account: each reference, and what is wrong with it

    def look(self, account: str) -> None:
        """Look at all that an account has."""
        folder, found = self.root / account, {}
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                reference = f"file:{(Path(place) / name).relative_to(folder)}"
                found[reference] = _wrong(reference, folder)
        self._looked[account] = found

    def wrong(self, account: str, reference: str) -> str | None:
        """Why a reference of an account cannot be used; None when it can. Touches no file."""
        if reference.startswith("env:"):
            return _wrong(reference, self.root / account)
        return self._looked.get(account, {}).get(reference, os.strerror(errno.ENOENT))


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
