"""The daemon's metrics, and the interface of an observer that publishes them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

import attrs

from portmapper.api.model import MappingState


@attrs.frozen
class Metrics:
    """A daemon's numbers at one moment.

    Attributes:
        mappings: how many there are in each state.
        renewals: leases renewed since the start, by backend.
        failures: rounds that opened nothing, by the name of each error.
        latencies: seconds that each gateway took to answer when it was found, by backend and address.
        since_success: seconds since a gateway last granted anything, None before the first.
        dropped: events that each observer was too slow for.
    """

    mappings: Mapping[MappingState, int]
    renewals: Mapping[str, int]
    failures: Mapping[str, int]
    latencies: Mapping[tuple[str, str], float]
    since_success: float | None
    dropped: Mapping[str, int]


@attrs.frozen
class MetricsPage:
    """What is shown to another program.

    Attributes:
        content_type: its media type, with parameters.
        body: the bytes.
    """

    content_type: str
    body: bytes


class ShowsMetrics(abc.ABC):
    """An observer that shows what the daemon measures, at `/metrics` of the control socket."""

    @abc.abstractmethod
    def attach(self, measure: Callable[[], Metrics]) -> None:
        """Take what measures; called before `start`."""

    @abc.abstractmethod
    async def page(self) -> MetricsPage:
        """Return the numbers as they are now."""
