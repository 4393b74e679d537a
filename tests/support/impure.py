"""Decisions as they should be, and as none may be; found by their names in another process, too."""

from __future__ import annotations

import os
from typing import Any

from tongguan.gateway.model.message import State
from tongguan.gateway.model.outcome import Chain
from tongguan.gateway.system import clock
from tongguan.gateway.work.loop import end

_times: list[int] = []


def _accepted(message: Any, now: int, **more: Any) -> Chain:
    return (end(message, State.ACCEPTED, "check", now, **more),)


def as_it_should_be(moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    return _accepted(message, moment.now, number=str(moment.numbers.take("a")))


def by_its_rules(rules: Any, moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    return _accepted(message, moment.now, number=rules.settings.home.name, source=rules.profile("NA.application").version)


def by_an_element(moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    return _accepted(message, moment.now, attempts=answer.sourceline, number=answer.text)


def by_a_counter(moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    """Another one at each time."""
    _times.append(1)
    return _accepted(message, moment.now, attempts=len(_times))


def by_the_process(moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    """The same in one process."""
    return _accepted(message, moment.now, attempts=os.getpid())


def by_the_clock(moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    """The same for some milliseconds."""
    clock.now_ms()
    return _accepted(message, moment.now)


def by_chance(moment: Any, message: Any, answer: Any, records: Any) -> Chain:
    """Asks the snapshot for another thing each time."""
    records.message(os.urandom(8).hex())
    return _accepted(message, moment.now)
