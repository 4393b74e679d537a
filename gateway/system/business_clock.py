"""The business clock: what is dated goes by it, what works goes by the machine's.

The two are one, but in a test home whose settings make business days pass faster. Such a home has a line: a moment as each clock said it,
and how fast the business clock runs from there, for how long: a gateway that runs says so again and again, and where none does, days are
no shorter than the machine's. The gateway alone writes it, to `HOME/clock.json`, where its command line and the
simulators read it. Until the machine is started anew the line goes by its steady clock, so nobody moves it by setting the other one; after
that by the machine's own, and never back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tongguan.gateway.system import clock, times
from tongguan.gateway.system.storage import files

FILE = "clock.json"
MOST_SPEED = 1_000_000  #: a day in less than a tenth of a second
WRITTEN_WITHIN = 10  #: milliseconds in which a file is surely in its place
LAST = 253_370_736_000_000  #: the year 9999 begins in China: there it stands, as no date can be written behind that year


@dataclass(frozen=True, slots=True)
class ClockLine:
    """A moment as the clocks said it, in milliseconds; from there `speed` milliseconds of business pass in one of the machine.

    So it does while it `lasts`, in milliseconds of the machine; after that one passes in one.
    """

    business: int
    machine: int
    steady: int
    boot: str
    speed: int
    lasts: int = LAST

    @classmethod
    def begin(cls, speed: int) -> ClockLine:
        """From now on; until now it was as late as the machine says."""
        now = clock.now_ms()
        return cls(now, now, clock.steady_ms(), clock.boot(), speed)

    def at(self, steady: int) -> int:
        """The business time at a moment of the steady clock that it is anchored to."""
        return self._after(steady - self.steady)

    def pace(self, steady: int) -> int:
        """How many milliseconds of business pass in one of the machine at a moment of the steady clock."""
        return self.speed if steady - self.steady < self.lasts else 1

    def _after(self, passed: int) -> int:
        return min(self.business + passed + min(passed, self.lasts) * (self.speed - 1), LAST)

    def here(self, *, seen: int = 0) -> ClockLine:
        """The same line by the steady clock of this start of the machine; `seen`: the latest that its other clock is known to have said."""
        steady, boot = clock.steady_ms(), clock.boot()
        if boot and boot == self.boot and steady >= self.steady:
            return self
        machine = clock.now_ms()
        passed = max(machine, seen, self.machine) - self.machine
        lasts = max(0, self.lasts - passed)
        return replace(self, business=self._after(passed), machine=machine, steady=steady, boot=boot, lasts=lasts)

    def anew(self, speed: int, *, lasts: int = LAST) -> ClockLine:
        """From this moment at another speed, for longer, or by a machine's clock that was set.

        A slower one begins a little ahead: until it is written, whoever reads the file goes by this one.
        """
        steady = clock.steady_ms()
        ahead = WRITTEN_WITHIN if speed < self.speed else 0
        return ClockLine(self.at(steady + ahead), clock.now_ms(), steady, clock.boot(), speed, lasts)

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_line(text: str | bytes) -> ClockLine:
    """The line that a text says; ValueError when it says none."""
    try:
        line = ClockLine(**json.loads(text))
    except (TypeError, RecursionError) as wrong:
        raise ValueError(str(wrong)) from wrong
    numbers = (line.business, line.machine, line.steady, line.speed, line.lasts)
    if not all(type(number) is int and 0 <= number <= LAST for number in numbers) or type(line.boot) is not str:
        raise ValueError(f"no line of a clock: {line}")
    if not 1 <= line.speed <= MOST_SPEED:
        raise ValueError(f"speed {line.speed}")
    return line


def going_on(kept: Sequence[ClockLine], speed: int, *, seen: int = 0, lasts: int = LAST) -> ClockLine | None:
    """The line from now on, at this speed; None: by the machine's clock.

    Of the lines that were kept the one that was written last goes on, from no earlier than any of them began: one that is older than
    it (of a restored journal, a file put back) may have run fast ever since, and nobody was there.
    """
    if not kept:
        return None if speed == 1 else ClockLine.begin(speed).anew(speed, lasts=lasts)
    steady, reached = clock.steady_ms(), max(each.business for each in kept)
    line = max(kept, key=lambda each: (*_written(each), each.at(steady))).here(seen=seen)
    if line.at(steady) < reached:
        line = replace(ClockLine.begin(speed), business=reached)
    return line.anew(speed, lasts=lasts)


def _written(line: ClockLine) -> tuple[bool, int]:
    """When, as far as lines can be compared: since the machine was started by the steady clock, else by the other."""
    of_now = line.boot == clock.boot() and line.steady <= clock.steady_ms()
    return of_now, line.steady if of_now else line.machine


def kept_line(home: Path) -> ClockLine | None:
    """The line that a home's file says, by the clocks of this start of the machine; None where there is no file, or none that can be read."""
    with suppress(OSError, ValueError):
        return read_line(files.read(home / FILE)).here()
    return None


@dataclass(slots=True)
class BusinessClock:
    """What time it is in the business. `line`: None while it is the machine's own."""

    line: ClockLine | None = None

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return clock.now_ms() if self.line is None else self.line.at(clock.steady_ms())

    def shown(self) -> dict[str, Any]:
        """As the heartbeat and `tongguan status --json` say it; nothing while it is the machine's own."""
        return (
            {"clock": {"business_time": times.show(self.now_ms()), "speed": self.line.pace(clock.steady_ms())}}
            if self.line
            else {}
        )
