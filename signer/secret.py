"""Look up what a document's secret field refers to: a file of the account, or a variable of the environment.

Promises: never leaves the account's own folder, also not by a link; never shows what it read.
"""

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from tongguan.gateway.model.errors import TongguanError
from tongguan.signer.cards.pin import Secret

MOST_BYTES = 65_536
Why = tuple[str, str]
"""In Chinese and English, as faults have it."""
_EMPTY: Why = ("是空的或不存在", "empty or absent")
_FOLDER = "file:"  #: under this stands why a folder of the account cannot be listed
Seen = Mapping[str, Mapping[str, Why | None]]
"""By account: each reference that was looked at, and what was wrong with it."""


class SecretMissing(TongguanError):
    """There is nothing usable at the reference; the text says why and shows the reference only."""


def read_secret(reference: str, folder: Path) -> Secret:
    """Resolve `file:NAME` below the account's folder, or `env:NAME`; one line break at its end is no part of it."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        text = os.environ.get(place, "")
    elif kind == "file":
        text = _file(place, folder)
    else:
        raise SecretMissing("既不是 file: 也不是 env:", "neither file: nor env:")
    secret = Secret(text.removesuffix("\n").removesuffix("\r"))
    if not secret.reveal():
        raise SecretMissing(*_EMPTY)
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

        def closed(wrong: OSError) -> None:
            if not isinstance(wrong, FileNotFoundError):  # who has no secrets needs no folder
                said = f"secrets/{Path(os.fsdecode(wrong.filename)).relative_to(self.root)}: {wrong.strerror}"
                found.setdefault(_FOLDER, (said, said))

        for place, folders, files in os.walk(folder, onerror=closed):
            for name in (*folders, *files):
                reference = f"file:{(Path(place) / name).relative_to(folder)}"
                found[reference] = _wrong(reference, folder)
        with self._lock:
            self.seen = {**self.seen, account: found}  # replaced whole: who has the old one goes on with it


def unusable(seen: Seen, account: str, reference: str) -> Why | None:
    """Why a reference of an account could not be used when it was looked at; None when it could."""
    found = seen.get(account, {})
    absent = _EMPTY if reference.startswith("env:") else found.get(_FOLDER, (os.strerror(errno.ENOENT),) * 2)
    return found.get(reference, absent)


def _wrong(reference: str, folder: Path) -> Why | None:
    try:
        read_secret(reference, folder)
    except SecretMissing as missing:
        return missing.zh, missing.en
    return None


def _file(place: str, folder: Path) -> str:
    try:
        path = (folder / place).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise SecretMissing("在该账户的文件夹之外", "outside of the account's folder")
        if not path.is_file():
            raise SecretMissing("不是普通文件", "no plain file")
        if path.stat().st_size > MOST_BYTES:
            raise SecretMissing(f"超过 {MOST_BYTES} 字节", f"larger than {MOST_BYTES} bytes")
        return path.read_text("utf-8-sig")  # an editor's mark of byte order is no part of a password
    except OSError as wrong:
        raise SecretMissing(wrong.strerror or type(wrong).__name__) from None
    except UnicodeDecodeError:
        raise SecretMissing("不是 UTF-8", "not UTF-8") from None
