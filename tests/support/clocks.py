"""A machine whose clocks are set by hand, and its place in a test."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tongguan.gateway.system import clock


@dataclass
class Machine:
    """Real time passes in both clocks, and the wall clock can be set."""

    wall: int = 1_800_000_000_000
    steady: int = 5_000_000
    boots: int = 1

    def passes(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def starts_anew(self) -> None:
        self.steady = 1000
        self.boots += 1

    def rules(self, monkeypatch: pytest.MonkeyPatch) -> Machine:
        """From now on its clocks are read."""
        monkeypatch.setattr(clock, "now_ms", lambda: self.wall)
        monkeypatch.setattr(clock, "steady_ms", lambda: self.steady)
        monkeypatch.setattr(clock, "boot", lambda: f"boot {self.boots}")
        monkeypatch.setattr(clock, "monotonic", lambda: self.steady / 1000)
        return self
