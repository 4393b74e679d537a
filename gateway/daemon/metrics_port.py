"""Metrics in the Prometheus text format: on a port of this machine where the settings name one, and for `tongguan status --metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest

from tongguan.gateway.flow.site import Site
from tongguan.gateway.model.errors import SettingsWrong
from tongguan.gateway.model.message import State
from tongguan.gateway.system import clock
from tongguan.outbox.alerts import Alerts

HOST = "127.0.0.1"
_LOOK = 1.0  #: seconds between two looks at whether the gateway stops
_PATIENCE = 5.0  #: seconds that a caller may take


@dataclass(frozen=True, slots=True)
class Gauges:
    """One moment of a gateway."""

    up: bool
    counts: Sequence[tuple[str, str, str, int]]  #: account, kind, state, how many
    oldest: Mapping[str, int]  #: state to when its oldest message came
    lanes: Mapping[str, str]  #: lanes that are shut, with the reason
    troubles: Sequence[tuple[str, str]]  #: code and level, or about
    now_ms: int
    second: str = "level"  #: what a trouble's second word is

    def families(self) -> Iterable[GaugeMetricFamily]:
        yield _gauge("up", "1 while the gateway runs", (), [((), int(self.up))])
        counted = [((account, kind, state), n) for account, kind, state, n in self.counts]
        yield _gauge("messages", "messages by account, kind and state", ("account", "kind", "state"), counted)
        ages = [((state,), (self.now_ms - at) / 1000) for state, at in self.oldest.items()]
        yield _gauge("oldest_seconds", "age of the oldest message in a state", ("state",), ages)
        shut = [((name, reason), 1) for name, reason in self.lanes.items()]
        yield _gauge("lane_shut", "1 for each lane that is shut", ("lane", "reason"), shut)
        standing = [(each, 1) for each in dict.fromkeys(self.troubles)]
        yield _gauge("trouble", "1 for each trouble that stands", ("code", self.second), standing)


def _gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"tongguan_{name}", text, labels=labels)
    for values, value in samples:
        made.add_metric([str(each) for each in values], value)
    return made


@dataclass(frozen=True, slots=True, eq=False)  # a registry keeps it by its identity
class _Collected:
    """A collector of one moment's gauges."""

    gauges: Gauges

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self.gauges.families()


def exposition_of(gauges: Gauges) -> bytes:
    """The text format."""
    registry = CollectorRegistry()
    registry.register(_Collected(gauges))
    return generate_latest(registry)


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, format: str, *args: Any) -> None:
        """What is collected every few seconds is no event."""


class MetricsPort:
    """The port of a running gateway; `turn` serves one caller, or none for a while."""

    def __init__(self, site: Site, alerts: Alerts, server: WSGIServer) -> None:
        self.server, self._site, self._alerts = server, site, alerts
        registry = CollectorRegistry()
        registry.register(self)
        self._app = make_wsgi_app(registry)

    @classmethod
    def of(cls, site: Site, alerts: Alerts, *, before: MetricsPort | None = None) -> MetricsPort | None:
        """The port that the settings name, taken over where it was open before; SettingsWrong when somebody else has it."""
        port = site.rules.settings.metrics.port
        if not port:
            return None
        if before is not None and before.server.server_port == port:
            return cls(site, alerts, before.server)
        try:
            server = make_server(HOST, port, lambda *_: [], handler_class=_Handler)
        except OSError as wrong:
            said = f"metrics.port {port}: {wrong.strerror}"
            raise SettingsWrong(f"{said}；请换一个端口", f"{said}; choose another port") from None
        server.timeout = _LOOK
        return cls(site, alerts, server)

    def turn(self) -> bool:
        """Serve the next caller; always as if there were more to do, for that waits by itself."""
        self.server.set_app(self._app)
        self.server.handle_request()
        return True

    def close(self) -> None:
        self.server.server_close()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges of this moment."""
        with self._site.journal.search() as records:
            counts = records.tally()
            oldest = {state.value: at for state in State if (at := records.oldest(state)) is not None and state not in _ENDED}
        lanes = {str(lane.name): lane.reason for lane in self._site.journal.lanes.values()}
        troubles = [(problem.code, problem.about) for problem in self._alerts.problems()]
        return Gauges(True, counts, oldest, lanes, troubles, clock.now_ms(), second="about").families()


_ENDED = (State.ACCEPTED, State.REJECTED, State.REFUSED, State.STOPPED, State.GIVEN_UP, State.REPEATED, State.SETTLED)
