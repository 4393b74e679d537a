"""Look up what a document's secret field refers to: a file of the account, or a variable of the environment.

Promises: never leaves the account's own folder, also not by a link; never shows what it read.
"""

import os
from pathlib import Path

from tongguan.signer.pin import Secret

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
