"""What this plugin registers. Nothing is imported before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Observer


@hookimpl
def portmapper_register_observers() -> list[type[Observer]]:
    """Register the page for Prometheus."""
    from portmapper_metrics.prometheus import PrometheusObserver

    return [PrometheusObserver]
