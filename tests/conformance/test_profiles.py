"""Whole routers: what one of each sort does to a person's ports."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import NotAuthorized
from portmapper.api.model import ANY_PORT, MappingState, Protocol
from portmapper_simulator.profiles import PROFILES, settings_of

BACKENDS = {
    "plain": "pcp",
    "routeros": "natpmp",
    "fritzbox": "pcp",
    "miniupnpd": "pcp",
    "openwrt": "pcp",
    "vpn-natpmp": "natpmp",
    "isp-cgnat": "pcp",
    "ddwrt": "upnp",
}


@pytest.fixture
def router(start_gateway: Any, move_in: Any) -> Any:
    """Start a router of a sort, and move in behind it."""

    async def start(profile: str, *backends: str) -> Any:
        settings = settings_of(profile)
        gateway = await start_gateway(
            *settings.quirks,
            protocols=settings.protocols,
            igd_version=settings.igd_version,
            rules=settings.rules,
            model=settings.model,
        )
        return await (move_in(gateway, backends) if backends else move_in(gateway))

    return start


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_router_opens_ports(router: Any, desired: Any, profile: str) -> None:
    """TCP and UDP of one port, over the best protocol that it has; released at the end."""
    home = await router(profile)
    port = ANY_PORT if profile == "vpn-natpmp" else 8080
    await home.open(desired(port, 8080), desired(port, 8080, protocol=Protocol.UDP))
    for entry in home.scheduler.records.values():
        assert entry.state is MappingState.ACTIVE, entry.error
        assert entry.lease.backend == BACKENDS[profile]
    assert len(home.gateway.table) == 2
    await home.scheduler.release_all()
    assert home.ports() == set()


@pytest.mark.parametrize(
    "profile", [name for name, profile in PROFILES.items() if "upnp" in profile.protocols]
)
async def test_every_router_with_upnp_opens_ports_over_it(router: Any, desired: Any, profile: str) -> None:
    """And shows them in its table."""
    home = await router(profile, "upnp")
    entry = await home.open(desired(), desired(protocol=Protocol.UDP))
    assert entry.state is MappingState.ACTIVE, entry.error
    (gateway,) = home.scheduler.discovery.gateways
    assert len(await gateway.list_mappings()) == 2
    assert gateway.model == PROFILES[profile].model


@pytest.mark.parametrize("backend", ["natpmp", "upnp"])
async def test_a_rule_of_routeros_is_a_refusal(router: Any, desired: Any, backend: str) -> None:
    """Its own WinBox port is out of reach over both protocols."""
    home = await router("routeros", backend)
    entry = await home.open(desired(8291))
    ((_, error),) = entry.refusals
    assert isinstance(error, NotAuthorized)
    assert entry.state is MappingState.REFUSED
