"""Counters for metrics."""

from __future__ import annotations

from portmapper.api.errors import GatewayTimeout, NotAuthorized
from portmapper.scheduler.counters import NO_GATEWAY, Counters


def test_renewals_are_counted_by_backend() -> None:
    """A first grant is a success, but no renewal."""
    counters = Counters()
    counters.granted("pcp", 10.0, renewed=False)
    assert (dict(counters.renewals), counters.last_success) == ({}, 10.0)
    counters.granted("pcp", 20.0, renewed=True)
    counters.granted("upnp", 30.0, renewed=True)
    assert (dict(counters.renewals), counters.last_success) == ({"pcp": 1, "upnp": 1}, 30.0)


def test_failures_are_counted_by_error() -> None:
    """A round without a gateway is counted separately."""
    counters = Counters()
    counters.failed([NotAuthorized("no"), GatewayTimeout("no answer"), GatewayTimeout("no answer")])
    counters.failed([])
    assert dict(counters.failures) == {"NotAuthorized": 1, "GatewayTimeout": 2, NO_GATEWAY: 1}
