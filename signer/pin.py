"""Find the PIN that the settings refer to, and keep it out of sight."""

import os
from pathlib import Path
from typing import NoReturn

from tongguan.signer.errors import PinNeeded


class Secret:
    """Hold a text that no repr, format, log, traceback of locals or pickle shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text; call it only inside the expression that hands it on, so that no local variable keeps it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def read_pin(reference: str, home: Path) -> Secret:
    """Resolve `file:PATH` (relative to the home), `env:NAME` or `prompt`.

    Raises PinNeeded when nothing is there, and for `prompt` always; ValueError, without its text, for any other reference.
    """
    kind, _, place = reference.partition(":")
    if reference == "prompt":
        raise PinNeeded("the PIN is asked from a person")
    if kind not in ("file", "env") or not place:
        # The reference is not shown: somebody may have written the PIN itself there.
        raise ValueError("a PIN is given as file:PATH, env:NAME or prompt")
    try:
        secret = Secret((home / place).read_text("utf-8").strip() if kind == "file" else os.environ.get(place, ""))
    except (OSError, UnicodeDecodeError) as error:
        raise PinNeeded(f"the PIN file {place} cannot be read: {type(error).__name__}") from None
    if not secret.reveal():
        raise PinNeeded(f"{reference} is empty")
    return secret
