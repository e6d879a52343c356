"""Gives observers access to what events do not tell: the metrics and the status document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from portmapper.api.events import Observer
from portmapper.api.reads_status import ReadsStatus
from portmapper.api.shows_metrics import ShowsMetrics
from portmapper.pluginhost.faults import record_fault

if TYPE_CHECKING:
    from portmapper.api.metrics import Metrics, MetricsPage


def attach(
    observers: Iterable[Observer], metrics: Callable[[], Metrics], status: Callable[[], dict[str, Any]]
) -> None:
    """Attach the functions to the observers that have these capabilities."""
    for observer in observers:
        try:
            if isinstance(observer, ShowsMetrics):
                observer.attach(metrics)
            if isinstance(observer, ReadsStatus):
                observer.attach_status(status)
        except Exception as error:
            record_fault(f"observer:{observer.name}", error)


async def metrics_page(observers: Iterable[Observer]) -> MetricsPage | None:
    """Return the page of the first observer that provides metrics; None if there is none."""
    provider = next((observer for observer in observers if isinstance(observer, ShowsMetrics)), None)
    return await provider.page() if provider else None
