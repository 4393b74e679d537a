"""Loggers that never raise: a line that cannot be written is counted, and the work that it tells of goes on.

The daemon asks `trouble` for what became of lines, and alerts it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

#: around many lines, of which each would else be written by itself; set by whoever writes them
together: Callable[[], AbstractContextManager[None]] = nullcontext

_lost: dict[str, str] = {}  #: by who could not write: why


def trouble() -> str:
    """Why lines are lost; empty while none is."""
    return next(iter(list(_lost.values())), "")


def lost(by: str, why: str) -> None:
    """Note that a line was lost."""
    _lost[by] = why


def written(by: str) -> None:
    """Note that lines come through again."""
    if by in _lost:
        _lost.pop(by, None)


class Logger:
    """One part's logger."""

    def __init__(self, name: str) -> None:
        self._log = structlog.get_logger(name)

    def info(self, event: str, **facts: Any) -> None:
        self._say("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._say("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._say("error", event, facts)

    def is_enabled_for(self, level: int) -> bool:
        try:
            return bool(self._log.is_enabled_for(level))
        except Exception:
            return False

    def _say(self, level: str, event: str, facts: dict[str, Any]) -> None:
        try:
            getattr(self._log, level)(event, **facts)
        except Exception as wrong:
            lost("logger", f"{type(wrong).__name__}: {wrong}")
        else:
            written("logger")


def get_logger(name: str) -> Logger:
    """The logger of a part; structlog says where its lines go."""
    return Logger(name)
