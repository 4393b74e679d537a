"""Show how far the demo is: a bar on a terminal, lines otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tongguan.gateway.cli import context
from tongguan.gateway.cli.output import console


class Progress(Protocol):
    def say(self, text: str) -> None:
        """Tell what is being done."""

    def step(self, name: str, *, ok: bool) -> None:
        """One more has ended."""


class _Lines:
    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def step(self, name: str, *, ok: bool) -> None:
        self._done += 1
        self.say(f"[{self._done}/{self._total}] {'✓' if ok else '✗'} {name}")


class _OnTerminal:
    def __init__(self, bar: Bar, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)

    def say(self, text: str) -> None:
        self._bar.console.print(text)

    def step(self, name: str, *, ok: bool) -> None:
        self._bar.update(self._task, advance=1, description=f"{'✓' if ok else '✗'} {name}")


@contextmanager
def open_progress(total: int) -> Iterator[Progress]:
    """Progress over `total` examples, in the form that suits the output."""
    if not sys.stdout.isatty() or context.as_json():
        yield _Lines(total)
        return
    with Bar(MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console()) as bar:
        yield _OnTerminal(bar, total)
