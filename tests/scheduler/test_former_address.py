"""Leases of a former address, which cannot be released from the new one."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import NetworkFailure
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Mapping, Protocol
from portmapper.network.host import Network
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

FORMER = ipaddress.ip_address("192.168.88.10")
NEW = "192.168.88.77"
OTHER = "192.168.88.50"
WEB = (Protocol.TCP, 80)


class UnreachableFromFormer(FakeListingGateway):
    """A gateway that cannot be reached from the former address of this host."""

    async def unmap(self, lease: Lease) -> None:
        """Fail like a socket that cannot be bound."""
        self._send()
        await super().unmap(lease)

    async def holds(self, lease: Lease) -> bool:
        """Fail like a socket that cannot be bound."""
        self._send()
        return await super().holds(lease)

    def _send(self) -> None:
        if self.local_address == FORMER:
            raise NetworkFailure("cannot bind")


@pytest.fixture
async def moved(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Callable[..., Mapping],
    on_network: Callable[..., Network],
) -> Any:
    """A harness whose host has had another address for a while; the former lease is not released yet."""
    harness = new_harness(FakeBackend("upnp", device, kind=UnreachableFromFormer))
    await harness.start(desired(), desired(8080, address=ipaddress.ip_address(OTHER)))
    harness.network = on_network(f"{NEW}/24")
    await harness.scheduler.network_changed()
    await clock.advance(10)
    assert str(device.table[WEB].internal_address) == NEW
    return harness


@pytest.mark.parametrize("port", [80, 8080])
async def test_a_lost_lease_is_still_noticed(
    moved: Any, clock: FakeClock, device: FakeDevice, port: int
) -> None:
    """At the next resync, for this host and for another host."""
    del device.table[(Protocol.TCP, port)]
    await clock.advance(moved.options.interval + 2)
    assert (Protocol.TCP, port) in device.table
    assert EventKind.LOST in moved.kinds()
