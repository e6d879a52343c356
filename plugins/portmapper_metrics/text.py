"""Writes the daemon's metrics in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from portmapper import __version__
from portmapper.api import Metrics

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Snapshot(Collector):
    """Collector for the values of one moment."""

    def __init__(self, measured: Metrics, events: Mapping[str, int]) -> None:
        self._measured = measured
        self._events = events

    def collect(self) -> Iterator[Metric]:
        measured = self._measured
        yield _gauge("info", "Version of portmapper", ["version"], [((__version__,), 1)])
        roles = [((role,), measured.role == role) for role in ("alone", "leader", "standby")]
        yield _gauge("role", "1 for the role of this daemon", ["role"], roles)
        states = [((state.value,), count) for state, count in measured.mappings.items()]
        yield _gauge("mappings", "Desired mappings by state", ["state"], states)
        yield _gauge(
            "gateway_latency_seconds",
            "Time a gateway took to answer during discovery",
            ["backend", "gateway"],
            measured.latencies.items(),
        )
        if measured.since_success is not None:
            since = [((), measured.since_success)]
            yield _gauge("last_success_seconds", "Time since a gateway last granted a lease", [], since)
        yield _counter("renewals", "Leases renewed", "backend", measured.renewals)
        yield _counter("failures", "Attempts that opened no port, by error", "type", measured.failures)
        yield _counter("events", "Events by name", "event", self._events)
        yield _counter(
            "events_dropped", "Events dropped because an observer was too slow", "observer", measured.dropped
        )


def text_of(measured: Metrics, events: Mapping[str, int]) -> bytes:
    """Return all metrics as text; a separate registry keeps the process-wide default one unchanged."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(measured, events))
    return generate_latest(registry)


def _gauge(
    name: str, description: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"portmapper_{name}", description, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _counter(name: str, description: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"portmapper_{name}", description, labels=[label])
    for label_value, value in values.items():
        family.add_metric([label_value], value)
    return family
