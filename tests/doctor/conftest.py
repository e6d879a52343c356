"""A device behind backends, and gateways that doctor's checks use directly."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from portmapper.api.model import Protocol
from portmapper.doctor.desired import DesiredPort
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")


@pytest.fixture
def device() -> FakeDevice:
    """A NAT device on the real clock, with a public external address."""
    return FakeDevice(Clock(), external=ipaddress.ip_address("8.8.8.8"))


@pytest.fixture
def gateway(device: FakeDevice) -> FakeGateway:
    """The device over PCP."""
    return FakeGateway(device, "pcp", LOCAL)


@pytest.fixture
def port() -> Callable[..., DesiredPort]:
    """Make a desired TCP port of this host."""

    def make(number: int = 8080, address: str = str(LOCAL), *, is_open: bool = False) -> DesiredPort:
        return DesiredPort(Protocol.TCP, number, ipaddress.ip_address(address), number, is_open=is_open)

    return make
