"""Writes the daemon's numbers in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from portmapper import __version__
from portmapper.api import Metrics

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Numbers(Collector):
    """Gives a registry the numbers of one moment."""

    def __init__(self, measured: Metrics, events: Mapping[str, int]) -> None:
        self._measured = measured
        self._events = events

    def collect(self) -> Iterator[Metric]:
        measured = self._measured
        yield _gauge("info", "Version of portmapper", ["version"], [((__version__,), 1)])
        states = [((state.value,), count) for state, count in measured.mappings.items()]
        yield _gauge("mappings", "Wanted mappings by state", ["state"], states)
        yield _gauge(
            "gateway_latency_seconds",
            "Time that a gateway took to answer when it was found",
            ["backend", "gateway"],
            measured.latencies.items(),
        )
        if measured.since_success is not None:
            since = [((), measured.since_success)]
            yield _gauge("last_success_seconds", "Time since a gateway last granted anything", [], since)
        yield _counter("renewals", "Leases renewed", "backend", measured.renewals)
        yield _counter("failures", "Attempts that opened nothing, by error", "type", measured.failures)
        yield _counter("events", "Events by name", "event", self._events)
        yield _counter(
            "events_dropped", "Events that an observer was too slow for", "observer", measured.dropped
        )


def text_of(measured: Metrics, events: Mapping[str, int]) -> bytes:
    """Return all numbers, from a registry of their own: the library's default one is the whole process's."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(measured, events))
    return generate_latest(registry)


def _gauge(
    name: str, words: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"portmapper_{name}", words, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _counter(name: str, words: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"portmapper_{name}", words, labels=[label])
    for which, value in values.items():
        family.add_metric([which], value)
    return family
