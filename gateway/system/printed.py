"""Commands that stand in texts, made to work where they are read: with the home that they are about."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

#: a command as texts have it: words of ASCII that a shell takes as they are, up to a mark, a letter that is none, or the end
_COMMAND = re.compile(r"(?<![\w./:-])tongguan(?: (?:[\w./:=@%+-]*[\w/]|'[^'\n]*'))+", re.ASCII)
_HOMELESS = ("init", "demo", "bench")


def at_home(text: str, home: Path | None) -> str:
    """The text, each command in it about this home; one that names a home already, or needs none, is left as it is."""
    if home is None or "tongguan " not in text:
        return text
    about = f" --home {shlex.quote(str(home))}"
    return _COMMAND.sub(lambda found: found[0] + ("" if _complete(found[0].split()) else about), text)


def _complete(words: list[str]) -> bool:
    return "--home" in words or words[1] in _HOMELESS or words[1].startswith("--")
