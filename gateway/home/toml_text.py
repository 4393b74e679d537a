"""Change one value in a TOML file that a person wrote, leaving every other character as it is.

Promises: the changed text says the same as before but for that one value, or nothing is changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")


class NotFound(Exception):
    """The file has no such block in a form that can be changed line by line."""


def with_value(text: str, table: str, key: str, value: str, *, named: str = "", note: str = "") -> str:
    """Set `key` in `[table]`, or in the `[[table]]` whose `name` is `named`; a new key goes to the block's end.

    `note` becomes the comment of a new line. Raises NotFound.
    """
    try:
        return _with_value(text, (table, named), key, value, note)
    except tomllib.TOMLDecodeError:  # a line that looks like a head or a value stands inside a longer text
        raise NotFound(f"[{table}] {named}".strip()) from None


def _with_value(text: str, place: tuple[str, str], key: str, value: str, note: str) -> str:
    table, named = place
    lines = text.splitlines(keepends=True)
    for first, after in _blocks(lines, table):
        block = tomllib.loads("".join(lines[first:after]))
        if not named or block.get("name") == named:
            changed = _changed(lines, first, after, f"{key} = {json.dumps(value, ensure_ascii=False)}", key, note)
            _only_that(text, changed, key, value)
            return changed
    raise NotFound(f"[{table}] {named}".strip())


def _blocks(lines: list[str], table: str) -> Iterator[tuple[int, int]]:
    """The spans of lines below each head of that name."""
    heads = [(n, found[2]) for n, line in enumerate(lines) if (found := _HEAD.match(line))]
    for place, (n, name) in enumerate(heads):
        if name == table:
            yield n + 1, heads[place + 1][0] if place + 1 < len(heads) else len(lines)


def _changed(lines: list[str], first: int, after: int, line: str, key: str, note: str) -> str:
    comment = f"  # {note}" if note else ""
    old = next((n for n in range(first, after) if re.match(rf"\s*{re.escape(key)}\s*=", lines[n])), None)
    if old is not None:
        kept = re.search(r"\s*#[^\"']*$", lines[old].rstrip("\n"))
        comment = comment or (kept[0] if kept else "")
        return "".join([*lines[:old], f"{line}{comment}\n", *lines[old + 1 :]])
    last = max((n for n in range(first, after) if lines[n].strip() and not lines[n].lstrip().startswith("#")), default=first - 1)
    whole = lines[last] if lines[last].endswith("\n") else lines[last] + "\n"
    return "".join([*lines[:last], whole, f"{line}{comment}\n", *lines[last + 1 :]])


def _only_that(before: str, after: str, key: str, value: str) -> None:
    """Raise NotFound unless the two texts differ in one value only, which is `value` now."""
    differing = list(_differences(tomllib.loads(before), tomllib.loads(after)))
    if any(found != (key, value) for found in differing) or len(differing) > 1:
        raise NotFound(key)


def _differences(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {*before, *after}:
            yield from _differences(before.get(name), after.get(name), name)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from _differences(one, other, key)
    elif before != after:
        yield key, after
