"""Profiles of router models."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper_simulator.profiles import PROFILES, settings_of
from portmapper_simulator.quirks import QUIRKS


@pytest.mark.parametrize("name", list(PROFILES))
async def test_every_profile_starts(name: str, stack: Any) -> None:
    """Its quirks exist, and its protocols are enabled."""
    from portmapper_simulator.gateway import EmbeddedGateway

    settings = settings_of(name)
    assert settings.quirks <= QUIRKS.keys()
    gateway = await stack.enter_async_context(EmbeddedGateway(settings))
    assert bool(gateway.pcp_port) == bool(settings.protocols & {"pcp", "natpmp"})
    assert bool(gateway.location) == ("upnp" in settings.protocols)


async def test_miniupnpd_behaves_as_the_real_one(start: Any, add: Any, soap: Any) -> None:
    """It confirms a second deletion, accepts a remote host, and lists the newest entry first."""
    gateway = await start(relay=False, quirks=PROFILES["miniupnpd"].quirks)
    remote = {"NewRemoteHost": "203.0.113.9", "NewProtocol": "TCP", "NewExternalPort": 8081}
    assert (await add(gateway, 8080)).status == 200
    assert (await add(gateway, 8081, NewRemoteHost="203.0.113.9")).status == 200
    newest = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert (newest.value("NewExternalPort"), newest.value("NewRemoteHost")) == ("8081", "203.0.113.9")
    for _ in range(2):
        assert (await soap(gateway, "DeletePortMapping", **remote)).status == 200


async def test_miniupnpd_reports_a_firewall_that_allows_pinholes(start: Any, fetch: Any, soap: Any) -> None:
    """It describes the service, and opens no pinhole."""
    gateway = await start(relay=False, quirks=PROFILES["miniupnpd"].quirks)
    kind = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"
    assert f"<serviceType>{kind}</serviceType>" in (await fetch(gateway, "/rootDesc.xml")).text
    assert "GetFirewallStatus" in (await fetch(gateway, "/WANIP6FC.xml")).text
    status = await soap(gateway, "GetFirewallStatus", "/ctl/IP6FCtl")
    assert (status.value("FirewallEnabled"), status.value("InboundPinholeAllowed")) == ("1", "1")
    refused = await soap(gateway, "DeletePinhole", "/ctl/IP6FCtl", UniqueID=1)
    assert (refused.status, refused.value("errorCode")) == (500, "606")
