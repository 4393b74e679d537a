"""What a value was surely meant to be that is no code of its table: never one that only looks alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cached_property

from tongguan.gateway.model.characters import without_unseen

_PARTS = re.compile(r"[\s\-－—:：,，;；/|()（）\[\]【】]+")
_FRACTION = re.compile(r"\.0+")
_MOST_TOLD = 3
_LONG = 200  #: letters: nobody means a code by more


class MeantCodes:
    """The codes of a table by the ways in which they get spoilt; made ready when a value is wrong for the first time."""

    def __init__(self, codes: Mapping[str, Mapping[str, str]]) -> None:
        self._rows = codes

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        """Codes by how they look when case and width do not count."""
        found: dict[str, list[str]] = {}
        for code in self._rows:
            found.setdefault(_fold(code), []).append(code)
        return found

    @cached_property
    def _named(self) -> dict[str, list[str]]:
        """And by their names."""
        found: dict[str, list[str]] = {}
        for code, row in self._rows.items():
            for name in {_fold(row.get(language, "")) for language in ("zh", "en")} - {""}:
                found.setdefault(name, []).append(code)
        return found

    @cached_property
    def _widths(self) -> list[int]:
        return sorted({len(code) for code in self._rows})

    def near(self, value: str) -> str:
        """` → 0110 ?`, or nothing where it is not certain what was meant."""
        found = self._meant(without_unseen(value)) if len(value) <= _LONG else []
        return f" → {' / '.join(found)} ?" if 0 < len(found) <= _MOST_TOLD else ""

    def _meant(self, value: str) -> list[str]:
        word = _fold(value)
        return (
            self._padded(_FRACTION.sub("", word) if _FRACTION.search(word) and word.replace(".", "").isdigit() else word)
            or self._folded.get(word, [])
            or self._named.get(word, [])
            or self._folded.get(_PARTS.sub("", word).replace(".", ""), [])
            or self._in_parts(word)
        )

    def _padded(self, word: str) -> list[str]:
        """With zeros in front that a spreadsheet took away, or without those that something put there."""
        if not (word.isascii() and word.isdigit()):
            return []
        bare = word.lstrip("0")
        return [code for width in self._widths if (code := bare.zfill(width)) in self._rows]

    def _in_parts(self, word: str) -> list[str]:
        """A code and its name together: `0110 一般贸易`."""
        parts = [part for part in _PARTS.split(word) if part]
        codes = [code for part in parts for code in self._folded.get(part, [])]
        names = {code for part in parts for code in self._named.get(part, [])}
        return [code for code in codes if code in names]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
