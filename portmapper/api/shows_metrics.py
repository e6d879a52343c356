"""The interface of an observer that publishes the daemon's metrics."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portmapper.api.metrics import Metrics, MetricsPage


class ShowsMetrics(abc.ABC):
    """An observer that serves the daemon's metrics at `/metrics` of the control socket."""

    @abc.abstractmethod
    def attach(self, measure: Callable[[], Metrics]) -> None:
        """Set the function that returns the current metrics. Called before `start`."""

    @abc.abstractmethod
    async def page(self) -> MetricsPage:
        """Return the current metrics."""
