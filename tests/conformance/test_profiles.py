"""Ports behind routers of each profile."""

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
def router(start_gateway: Any, start_scheduler: Any) -> Any:
    """A function that starts a router with a profile and a scheduler behind it."""

    async def start(profile: str, *backends: str) -> Any:
        settings = settings_of(profile)
        gateway = await start_gateway(
            *settings.quirks,
            protocols=settings.protocols,
            igd_version=settings.igd_version,
            rules=settings.rules,
            model=settings.model,
        )
        return await (start_scheduler(gateway, backends) if backends else start_scheduler(gateway))

    return start


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_router_opens_ports(router: Any, desired: Any, profile: str) -> None:
    """TCP and UDP of one port are opened over its best protocol and released."""
    harness = await router(profile)
    port = ANY_PORT if profile == "vpn-natpmp" else 8080
    await harness.open(desired(port, 8080), desired(port, 8080, protocol=Protocol.UDP))
    for entry in harness.scheduler.records.values():
        assert entry.state is MappingState.ACTIVE, entry.error
        assert entry.lease.backend == BACKENDS[profile]
    assert len(harness.gateway.table) == 2
    await harness.scheduler.release_all()
    assert harness.ports() == set()


@pytest.mark.parametrize(
    "profile", [name for name, profile in PROFILES.items() if "upnp" in profile.protocols]
)
async def test_every_router_with_upnp_opens_ports_over_it(router: Any, desired: Any, profile: str) -> None:
    """It lists them in its table."""
    harness = await router(profile, "upnp")
    entry = await harness.open(desired(), desired(protocol=Protocol.UDP))
    assert entry.state is MappingState.ACTIVE, entry.error
    (gateway,) = harness.scheduler.discovery.gateways
    assert len(await gateway.list_mappings()) == 2
    assert gateway.model == PROFILES[profile].model


@pytest.mark.parametrize("backend", ["natpmp", "upnp"])
async def test_a_port_denied_by_routeros_is_refused(router: Any, desired: Any, backend: str) -> None:
    """RouterOS denies its own WinBox port over both protocols."""
    harness = await router("routeros", backend)
    entry = await harness.open(desired(8291))
    ((_, error),) = entry.refusals
    assert isinstance(error, NotAuthorized)
    assert entry.state is MappingState.REFUSED
