"""What `tongguan status --metrics` prints: what the gateway's own port says, seen from outside."""

from __future__ import annotations

from tongguan.gateway.cli.health.report import HealthReport
from tongguan.gateway.daemon.metrics_port import Gauges, exposition_of
from tongguan.gateway.system import clock


def exposition(seen: HealthReport) -> str:
    """Gauges of one moment, in the Prometheus text format."""
    return exposition_of(
        Gauges(
            up=bool(seen.running),
            counts=seen.counts,
            oldest={state: at for state, at in seen.oldest.items()},
            lanes={str(name): lane.reason for name, lane in seen.lanes.items()},
            troubles=[(each.code, each.level.name.lower()) for each in seen.troubles],
            now_ms=clock.now_ms(),
        )
    ).decode()
