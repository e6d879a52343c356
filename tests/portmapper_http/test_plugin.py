"""The registered source."""

from __future__ import annotations

from portmapper_http import plugin
from portmapper_http.source import HttpSource


def test_the_source_claims_http_urls() -> None:
    """Both schemes, in upper and lower case."""
    assert plugin.portmapper_register_sources() == [HttpSource]
    assert HttpSource.claims("HTTPS://host/ports.csv")
    assert not HttpSource.claims("http.csv")
    assert not HttpSource.claims("ftp://host/")
