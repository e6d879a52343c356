"""Metrics in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from portmapper import __version__
from portmapper.api.metrics import Metrics
from portmapper.api.model import MappingState
from portmapper_metrics.text import text_of

METRICS = Metrics(
    mappings={MappingState.ACTIVE: 2},
    renewals={"pcp": 7},
    failures={},
    latencies={("upnp", 'a "quoted"\nmodel'): 0.5},
    since_success=None,
    dropped={},
)

Samples = Callable[[bytes], dict[tuple[str, ...], float]]


def test_the_version_is_a_label(samples: Samples) -> None:
    """Prometheus has no text values, so the value is 1."""
    assert samples(text_of(METRICS, {}))["portmapper_info", __version__] == 1


def test_text_from_a_router_is_escaped(samples: Samples) -> None:
    """A quote or line break in a label does not break the page."""
    shown = samples(text_of(METRICS, {}))
    assert shown["portmapper_gateway_latency_seconds", "upnp", 'a "quoted"\nmodel'] == 0.5


def test_the_time_since_success_is_omitted_before_the_first_grant(samples: Samples) -> None:
    """Any number would be wrong."""
    name = ("portmapper_last_success_seconds",)
    assert name not in samples(text_of(METRICS, {}))
    assert samples(text_of(attrs.evolve(METRICS, since_success=3.5), {}))[name] == 3.5
