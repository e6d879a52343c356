"""Discovery with all backends, as `portmapper discover` does it."""

from __future__ import annotations

import asyncio
import ipaddress

from portmapper.actions.discover import discover_gateways
from portmapper.api.backend import Target
from portmapper.api.errors import Unsupported
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGETS = [Target(ipaddress.ip_address(f"192.168.88.{host}"), f"eth{host}", GATEWAY) for host in (10, 11)]


async def test_every_gateway_is_returned_once_and_closed(clock: FakeClock, device: FakeDevice) -> None:
    """Even if it answers on two interfaces; with its external address, and the other backends' errors."""
    pcp, upnp = FakeBackend("pcp", device, delay=2), FakeBackend("upnp", device)
    upnp.error = Unsupported("not an IGD")
    task = asyncio.create_task(discover_gateways([pcp, upnp], TARGETS))
    await clock.advance(10)
    found = await task
    assert [(gateway.backend, address) for gateway, address in found.gateways] == [("pcp", device.external)]
    assert list(found.failures) == ["upnp"]
    assert all(gateway.closed for gateway in pcp.found)
    assert pcp.closed


async def test_a_gateway_that_does_not_report_its_address_is_returned(
    clock: FakeClock, device: FakeDevice
) -> None:
    """Its external address is None."""
    backend = FakeBackend("pcp", device)
    task = asyncio.create_task(discover_gateways([backend], TARGETS[:1]))
    device.hangs = True
    await clock.advance(60)
    found = await task
    assert [(gateway.backend, address) for gateway, address in found.gateways] == [("pcp", None)]
