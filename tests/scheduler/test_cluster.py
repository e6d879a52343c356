"""A scheduler on hold, tokens that a cluster shares, and mappings that one token cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from portmapper.api.model import IPAddress, Mapping, MapRequest, Protocol
from portmapper.scheduler.options import Options
from portmapper.store.leases import Store
from portmapper.store.ownership import Ownership
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice
from portmapper.testing.harness import LOCAL

Desired = Callable[..., Mapping]
SHARED = b"shared token"


def shared(gateway: str, protocol: Protocol, address: IPAddress, port: int) -> bytes:
    """Choose the same token for everything."""
    return SHARED


async def test_on_hold_gateways_are_found_and_nothing_is_changed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """After `begin`, the port opens at once."""
    harness.options = attrs.evolve(harness.options, on_hold=True)
    await harness.start(desired())
    await clock.advance(200)
    assert harness.scheduler.discovery.gateways
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []
    harness.scheduler.begin()
    await clock.advance(0.5)
    assert device.open_ports() == {(Protocol.TCP, 80)}


async def test_on_hold_an_orphan_is_not_released(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The leader may have taken the mapping over."""
    await harness.start(desired())
    await harness.crash()
    harness.options = Options(on_hold=True)
    await harness.start()
    await clock.advance(200)
    assert device.open_ports() == {(Protocol.TCP, 80)}
    harness.scheduler.begin()
    await clock.advance(1)
    assert device.open_ports() == set()


def request(port: int) -> MapRequest:
    """Return a request for one internal port."""
    return MapRequest(Protocol.TCP, LOCAL.ip, 80, port)


def test_a_token_of_the_cluster_is_used_by_one_mapping_only(clock: FakeClock, device: FakeDevice) -> None:
    """A PCP server would take a second mapping with the same nonce for a renewal of the first."""
    device.one_per_internal_port = True
    gateway = FakeGateway(device, "pcp", LOCAL.ip)
    store = Store(None)
    ownership = Ownership(store, None, shared)
    first = ownership.store_request(request(8080), Mapping(Protocol.TCP, 8080, 80), gateway, clock.now())
    second = ownership.store_request(request(9090), Mapping(Protocol.TCP, 9090, 80), gateway, clock.now())
    assert first.token == SHARED
    assert second.token != SHARED
    assert len(second.token) == 12
    ownership.abandon(SHARED)
    third = ownership.store_request(request(7070), Mapping(Protocol.TCP, 7070, 80), gateway, clock.now())
    assert third.token == SHARED
    store.close()


def test_a_gateway_that_allows_several_mappings_for_a_port_gets_random_tokens(
    clock: FakeClock, device: FakeDevice
) -> None:
    """UPnP sends no token, and the store needs a different one for each mapping."""
    gateway = FakeGateway(device, "upnp", LOCAL.ip)
    store = Store(None)
    ownership = Ownership(store, None, shared)
    sent = ownership.store_request(request(8080), Mapping(Protocol.TCP, 8080, 80), gateway, clock.now())
    assert sent.token != SHARED
    store.close()
