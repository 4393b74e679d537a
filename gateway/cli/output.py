"""How answers are shown: JSON on one line or indented for people, tables as wide as they need to be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tongguan.gateway.cli import context
from tongguan.gateway.model import characters
from tongguan.gateway.model.lane import ClosedLane
from tongguan.gateway.system import clock, times

_SAYS_EVERY = 2.0  #: seconds between two words of how far it is
_CHINESE = {"entries": "记录", "events": "事件", "pages": "页", "bytes": "字节"}  #: what is counted; tables go by their names
_WIDE = 400  #: columns where nobody looks: a pipe gets every id whole

STATE_STYLES = {
    "accepted": "green",
    "rejected": "red",
    "refused": "red",
    "held": "bold yellow",
    "quarantined": "bold red",
    "unmatched": "yellow",
    "given_up": "red",
}


def console() -> Console:
    on_terminal = sys.stdout.isatty()
    return Console(width=None if on_terminal else _WIDE, highlight=False, soft_wrap=not on_terminal)


def print_json(content: Any) -> None:
    told = orjson.dumps(_typed(content), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str)
    sys.stdout.write(characters.escaped(told.decode(), sys.stdout.encoding or "utf-8") + "\n")


def _typed(content: Any) -> Any:
    """What stands under `do` is to be typed."""
    if isinstance(content, Mapping):
        return {
            name: context.typed(value) if name == "do" and isinstance(value, str) else _typed(value)
            for name, value in content.items()
        }
    return [_typed(each) for each in content] if isinstance(content, (list, tuple)) else content


def print_text(text: str) -> None:
    """A text, the commands in it such that they work where they are read."""
    print_raw(context.typed(text))


def print_raw(text: str) -> None:
    """What is not ours to word; lines as long as they are, for a command that is broken in two cannot be copied.

    A name or content that others chose orders no terminal about: characters that cannot be seen are shown by their numbers.
    """
    console().print(Text(characters.shown(text)), soft_wrap=True)


def say(zh: str, en: str) -> None:
    """Print the text in the user's language."""
    print_text(context.t(zh, en))


def progress() -> Callable[[str, int, int], None]:
    """Says on stderr, now and then, how far long work is: what of it, how much, of how much (0: nobody knows)."""
    said_at = clock.monotonic()

    def say_now(what: str, done: int, of: int) -> None:
        nonlocal said_at
        if clock.monotonic() - said_at > _SAYS_EVERY:
            said_at = clock.monotonic()
            print(
                f"… {context.t(_CHINESE.get(what, what), what)} {done}" + (f" / {of}" if of else ""), file=sys.stderr, flush=True
            )

    return say_now


def facts_of(what: Any, *names: str) -> dict[str, Any]:
    """Attributes by their names, for JSON."""
    return {name: getattr(what, name) for name in names}


def print_table(zh: str, en: str, rows: Iterable[Sequence[Any]], *, state_at: int | None = None) -> None:
    """A table under heads in the user's language; `state_at`: the column that holds a message's state."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in context.t(zh, en).split():
        table.add_column(head, overflow="fold")
    for row in rows:
        cells = [Text(characters.shown(_cell(value)).replace("\n", "⟨U+000A⟩")) for value in row]
        if state_at is not None:
            cells[state_at].stylize(STATE_STYLES.get(str(row[state_at]), ""))
        table.add_row(*cells)
    console().print(table)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Name and value, line by line; empty ones are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, "", {}, [], ()):
            table.add_row(name, Text(characters.shown(_cell(value))))
    console().print(table)


def lane_facts(lane: ClosedLane) -> dict[str, Any]:
    """A lane that is shut, for JSON."""
    since = times.show(lane.since)
    return {**facts_of(lane, "name", "reason", "do", "who"), "text": context.told(lane.text), "since": since}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={each}" for name, each in value.items())
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else context.typed(str(value))


def moment(ms: int | None) -> str:
    """A journal time to the second, China time."""
    text = times.show(ms)
    return text[:19].replace("T", " ") if text else ""


def age(ms: int | None) -> str:
    """How long ago, in the largest unit that says it."""
    if ms is None:
        return ""
    seconds = max(0, clock.now_ms() - ms) // 1000
    for name, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{name}"
    return f"{seconds}s"
