"""The registered source."""

from __future__ import annotations

from portmapper_http import plugin
from portmapper_http.source import HttpSource


def test_the_plugin_registers_it() -> None:
    """For the two schemes, in any case."""
    assert plugin.portmapper_register_sources() == [HttpSource]
    assert HttpSource.claims("HTTPS://host/ports.csv")
    assert not HttpSource.claims("http.csv")
    assert not HttpSource.claims("ftp://host/")
