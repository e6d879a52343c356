"""Gateways from descriptions: their identity and version."""

from __future__ import annotations

import pytest

from portmapper.api import NetworkFailure, Unsupported
from portmapper_upnp.igd import IgdGateway


@pytest.mark.parametrize(
    ("service", "device_version", "protocol"),
    [
        ("WANIPConnection:1", 1, "IGD 1"),
        ("WANIPConnection:2", 1, "IGD 2"),
        ("WANPPPConnection:1", 2, "IGD 2"),
    ],
)
async def test_the_version_is_that_of_the_device_or_its_service(
    router, connected, build, service, device_version, protocol
):
    """A v2 service in a v1 device, and a v1 service in a v2 device, are both IGD 2."""
    router.description = build.description(build.service(service), version=device_version)
    gateway = await connected()
    assert isinstance(gateway, IgdGateway)
    assert (gateway.protocol, gateway.model, gateway.identity) == (protocol, "R1", "upnp:127.0.0.1")


async def test_a_device_without_a_wan_connection_is_unsupported(router, connected, build):
    """A media server is no gateway."""
    router.description = build.description(build.service("ContentDirectory:1"))
    with pytest.raises(Unsupported, match="no WAN connection service"):
        await connected()


async def test_a_missing_description_is_a_network_failure(router, connected, build):
    """The error names the HTTP status."""
    router.replies["description"] = build.http("", "404 Not Found")
    with pytest.raises(NetworkFailure, match="HTTP 404"):
        await connected()
