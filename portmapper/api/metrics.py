"""The daemon's metrics. They are imported only when an observer publishes them."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper.api.model import MappingState
from portmapper.support.values import frozen


@frozen
class Metrics:
    """Metrics of a daemon at one moment.

    Attributes:
        mappings: number of mappings in each state.
        renewals: number of renewed leases since the start, by backend.
        failures: number of failed attempts to open a mapping, by the name of the error.
        latencies: seconds from probe to answer of each gateway, by backend and address.
        since_success: seconds since a gateway last granted a lease, None before the first.
        dropped: number of events that were dropped because the observer was too slow, by observer.
        role: `alone`, `leader` or `standby`.
    """

    mappings: Mapping[MappingState, int]
    renewals: Mapping[str, int]
    failures: Mapping[str, int]
    latencies: Mapping[tuple[str, str], float]
    since_success: float | None
    dropped: Mapping[str, int]
    role: str = "alone"


@frozen
class MetricsPage:
    """A response body for a metrics scraper.

    Attributes:
        content_type: media type with parameters.
        body: the content.
    """

    content_type: str
    body: bytes
