"""What the programs say while they run: one line an event on stdout, or nothing but trouble."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog

from tongguan.gateway.kernel import clock

Event = MutableMapping[str, Any]


def log_to_stdout(form: Literal["json", "text"]) -> None:
    """Say everything: for whoever collects the daemon's lines."""
    last: Any = (
        structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str).decode())
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    _configure(sys.stdout, logging.INFO, last)


def only_trouble() -> None:
    """Keep stdout for the command's own answer."""
    _configure(sys.stderr, logging.ERROR, structlog.dev.ConsoleRenderer(colors=False))


def _configure(stream: Any, level: int, last: Any) -> None:
    structlog.configure(
        processors=[structlog.processors.add_log_level, _stamp, structlog.processors.format_exc_info, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


def _stamp(_: Any, __: str, event: Event) -> Event:
    event["timestamp"] = clock.show(clock.now_ms())
    return event
