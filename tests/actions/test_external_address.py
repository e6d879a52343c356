"""The external IPv4 address of the gateway."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.actions.external_address import external_ipv4
from portmapper.api.backend import Target
from portmapper.api.errors import NoGateway
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)


async def test_the_reported_address_is_returned(device: FakeDevice) -> None:
    """No mapping is needed."""
    assert await external_ipv4([FakeBackend("natpmp", device)], [TARGET]) == device.external


async def test_without_a_gateway_there_is_no_address() -> None:
    """The caller can tell this from a gateway that has no address."""
    with pytest.raises(NoGateway):
        await external_ipv4([], [TARGET])
