"""Show how far the demo is: a bar on a terminal, lines otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from tongguan.gateway.cli import context
from tongguan.gateway.cli.output import console


class Progress:
    """Over `total` examples: a bar where there is one, else a line each."""

    def __init__(self, total: int, bar: Bar | None = None) -> None:
        self._total, self._done, self._bar = total, 0, bar
        self._task = bar.add_task("", total=total) if bar else None

    def say(self, text: str) -> None:
        """Tell what is being done."""
        if self._bar:
            self._bar.console.print(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def step(self, name: str, *, ok: bool) -> None:
        """One more has ended."""
        self._done += 1
        said = f"{'✓' if ok else '✗'} {name}"
        if self._bar and self._task is not None:
            self._bar.update(self._task, advance=1, description=said)
        else:
            self.say(f"[{self._done}/{self._total}] {said}")


@contextmanager
def open_progress(total: int) -> Iterator[Progress]:
    """Progress over `total` examples, in the form that suits the output."""
    if not sys.stdout.isatty() or context.as_json():
        yield Progress(total)
        return
    with Bar(MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console()) as bar:
        yield Progress(total, bar)
