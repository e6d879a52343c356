"""The controller's metrics in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from portmapper.api import Metrics
from portmapper_kubernetes.controller import Controller

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Snapshot(Collector):
    """Collector for the values of one moment."""

    def __init__(self, measured: Metrics | None, controller: Controller, *, leads: bool) -> None:
        self._measured = measured
        self._controller = controller
        self._leads = leads

    def collect(self) -> Iterator[Metric]:
        controller, measured = self._controller, self._measured
        accepted = (
            [verdict.rejection is None for verdict in controller.verdicts()] if controller.is_synced else []
        )
        yield _gauge("leader", "1 if this replica leads", [], [((), int(self._leads))])
        yield _gauge(
            "synced", "1 if the copies of the objects are up to date", [], [((), int(not controller.error))]
        )
        yield _gauge(
            "objects",
            "Objects that ask for ports",
            ["accepted"],
            [(("true",), sum(accepted)), (("false",), len(accepted) - sum(accepted))],
        )
        if measured is None:
            return
        states = [((state.value,), count) for state, count in measured.mappings.items()]
        yield _gauge("mappings", "Desired mappings by state", ["state"], states)
        renewals = CounterMetricFamily("portmapper_renewals", "Leases renewed", labels=["backend"])
        for backend, count in measured.renewals.items():
            renewals.add_metric((backend,), count)
        yield renewals


def text_of(measured: Metrics | None, controller: Controller, *, leads: bool) -> bytes:
    """Return all metrics as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(measured, controller, leads=leads))
    return generate_latest(registry)


def _gauge(
    name: str, description: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"portmapper_{name}", description, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family
