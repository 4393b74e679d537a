"""What `tongguan status --metrics` prints: the Prometheus text format, for whatever collects it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tongguan.gateway.cli.health.report import HealthReport
from tongguan.gateway.system import clock


def exposition(seen: HealthReport) -> str:
    """Gauges of one moment: is it running, messages by state, age of the oldest, lanes that are shut, troubles."""
    now = clock.now_ms()
    lines = [*_gauge("up", "1 while the gateway runs", [({}, int(seen.running))])]
    counts = [({"account": a, "kind": k, "state": s}, n) for a, k, s, n in seen.counts]
    lines += _gauge("messages", "messages by account, kind and state", counts)
    ages = [({"state": state}, (now - at) / 1000) for state, at in seen.oldest.items()]
    lines += _gauge("oldest_seconds", "age of the oldest message in a state", ages)
    lines += _gauge(
        "lane_shut",
        "1 for each lane that is shut",
        [({"lane": name, "reason": lane.reason}, 1) for name, lane in seen.lanes.items()],
    )
    lines += _gauge(
        "trouble", "1 for each trouble that stands", [({"code": p.code, "level": p.level.name.lower()}, 1) for p in seen.troubles]
    )
    return "\n".join(lines)


def _gauge(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP tongguan_{name} {text}", f"# TYPE tongguan_{name} gauge"]
    seen: set[str] = set()
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(str(given))}"' for label, given in labels.items())
        if inner not in seen:  # a series stands once
            seen.add(inner)
            lines.append(f"tongguan_{name}{{{inner}}} {value:g}" if inner else f"tongguan_{name} {value:g}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
