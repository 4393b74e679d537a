"""The business clock of a gateway that runs: it goes on where it was, and is kept for the next start and for other processes.

The journal has the line as well as the file: whichever is lost, damaged or older than the other, time does not go back, and leaps nowhere.
"""

from __future__ import annotations

from contextlib import suppress
from shlex import quote

from tongguan.gateway.journal.journal import Journal
from tongguan.gateway.model.errors import in_both
from tongguan.gateway.settings import Settings
from tongguan.gateway.system import clock, logs
from tongguan.gateway.system.business_clock import FILE, BusinessClock, ClockLine, going_on, kept_line, read_line
from tongguan.gateway.system.storage import files
from tongguan.outbox.alerts import Alerts

log = logs.get_logger("clock")
MARKER = "business clock"
HELD_FOR = 10_000  #: milliseconds for which a gateway says that days pass fast, and says so again when half of them are over


class FastClock:
    """Begins when its gateway takes over, and keeps the file as it should be until that ends."""

    def __init__(self, settings: Settings, journal: Journal, alerts: Alerts) -> None:
        self._settings, self._journal, self._alerts = settings, journal, alerts
        self._file = settings.path(FILE)
        self.business = BusinessClock(None if self._real else kept_line(settings.home))

    @property
    def _real(self) -> bool:
        return self._settings.gateway.environment == "production"

    def begin(self) -> None:
        """From here on the line is this gateway's: the furthest that is known, at the speed of its settings."""
        line = going_on(self._kept(), self._settings.clock.speed, seen=self._journal.timekeeper.seen, lasts=HELD_FOR)
        self.business.line = line
        if line is not None:
            self._set(line)

    def keep(self, *, jumped: bool = False) -> None:
        """Look after the file, and have the line hold for longer; `jumped`: the machine's clock was set, so that after a start of the
        machine the line would be wrong."""
        line = self.business.line
        if line is None:
            return
        passed = clock.steady_ms() - line.steady
        if jumped or (line.speed > 1 and passed > HELD_FOR // 2):
            self._set(line.anew(line.speed, lasts=HELD_FOR))
        else:
            self._write(line)

    def end(self) -> None:
        """While no gateway runs the business clock goes no faster than the machine's: a night must not become a century.

        One that is killed cannot say so: its line ends by itself.
        """
        line = self.business.line
        if line is None or line.speed == 1:
            return
        try:
            self._set(line.anew(1))
        except Exception as wrong:  # it goes on, as after a crash; nothing else of the end is hurt
            log.warning("business clock not slowed", why=f"{type(wrong).__name__}: {wrong}")

    def _kept(self) -> list[ClockLine]:
        """What file and journal say; in production, where business days are days, nothing."""
        if self._real:
            return []
        with self._journal.search() as records:
            kept = records.marker(MARKER)
        found = []
        with suppress(ValueError):
            found += [read_line(kept)] if kept else []
        with suppress(OSError, ValueError):
            found.append(read_line(files.read(self._file)))
        return found

    def _set(self, line: ClockLine) -> None:
        """The file first, for those who read it meanwhile go by the line before; what a power cut makes of it, the journal mends."""
        self._write(line)
        self.business.line = line
        with self._journal.search() as records:
            kept = records.marker(MARKER)
        if kept != line.text():
            self._journal.set_markers({MARKER: line.text()})

    def _write(self, line: ClockLine) -> None:
        """Have the file say this line. A disk that does not take it is told of, and tried again."""
        text = line.text().encode()
        trouble = ""
        try:
            if not self._says(text):
                files.write(self._file, text, mode=0o600)
        except OSError as wrong:
            why = f"{self._file}: {wrong.strerror}"
            trouble = in_both(
                f"业务时钟写不出 {why}；模拟器和命令行的时间会与网关不同",
                f"the business clock cannot be written to {why}; simulators and command line go by another time",
            )
        self._alerts.stands(
            "business-clock", trouble, do=f"ls -l {quote(str(self._file))}; df -h {quote(str(self._settings.home))}"
        )

    def _says(self, text: bytes) -> bool:
        with suppress(OSError):
            return files.read(self._file) == text
        return False
