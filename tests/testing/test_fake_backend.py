"""The backend for fake devices."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from portmapper.api.backend import ListsMappings, Target
from portmapper.api.errors import NetworkFailure
from portmapper.api.model import MapRequest, Protocol
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
TARGET = Target(LOCAL, "eth0", GATEWAY)


@pytest.fixture
def device() -> FakeDevice:
    """A device on the real clock."""
    return FakeDevice(Clock())


async def test_only_devices_that_answer_are_found(device: FakeDevice) -> None:
    """A silent device is not found."""
    silent = FakeDevice(Clock(), silent=True)
    backend = FakeBackend("pcp", silent, device)
    found = [gateway async for gateway in backend.discover(TARGET)]
    assert [gateway.address for gateway in found] == [device.address]
    assert (backend.searches, list(backend.found)) == (1, found)
    assert found[0].local_address == LOCAL


async def test_a_search_can_fail_or_never_end(device: FakeDevice) -> None:
    """An endless search yields its gateways first."""
    backend = FakeBackend("pcp", device)
    backend.endless = True
    search = backend.discover(TARGET)
    assert await anext(search)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(search)
    backend.error = NetworkFailure("no route")
    with pytest.raises(NetworkFailure):
        await anext(backend.discover(TARGET))


async def test_a_listing_gateway_shows_the_table(device: FakeDevice) -> None:
    """The plain one cannot, like a gateway of PCP."""
    gateway = FakeListingGateway(device, "upnp", LOCAL)
    lease = await gateway.map(MapRequest(Protocol.TCP, LOCAL, 80, 8080, 600, "web", b""))
    (entry,) = await gateway.list_mappings()
    assert (entry.external_port, entry.internal_address, entry.comment) == (8080, LOCAL, "web")
    assert await gateway.holds(lease) is True
    assert await gateway.external_address() == device.external
    assert not isinstance(FakeGateway(device, "pcp", LOCAL), ListsMappings)


async def test_closing_is_recorded(device: FakeDevice) -> None:
    """Tests of the core check that it closes what it opened."""
    backend, gateway = FakeBackend("pcp", device), FakeGateway(device, "pcp", LOCAL)
    await backend.close()
    await gateway.close()
    assert (backend.closed, gateway.closed) == (True, True)
