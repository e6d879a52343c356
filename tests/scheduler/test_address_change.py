"""Changes of this host's address or default route while leases are held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, Target
from portmapper.api.errors import GatewayTimeout
from portmapper.api.events import EventKind
from portmapper.api.model import ConflictPolicy, Lease, Mapping, MappingState, MapRequest, Protocol
from portmapper.network.host import DefaultRoute, Network
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
FORMER, NEW = ip_address("192.168.88.10"), ip_address("192.168.88.77")


async def test_an_unannounced_network_change_is_noticed(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Within one interval."""
    await upnp.start(desired())
    upnp.network = on_network("192.168.88.77/24")
    await clock.advance(65)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"


async def test_the_gateway_of_a_former_network_is_closed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Its search ends too."""
    await harness.start(desired())
    old = harness.backends[0].found[0]
    harness.network = on_network("192.168.88.77/24")
    await clock.advance(130)
    assert old.closed
    assert len(harness.scheduler.discovery.searches) == 1


class LosesReleaseAnswer(FakeGateway):
    """A gateway that handles a release for the former address, but whose answer is lost."""

    async def unmap(self, lease: Lease) -> None:
        """Release the lease and lose the answer."""
        await super().unmap(lease)
        if lease.internal_address == FORMER:
            raise GatewayTimeout("the answer was lost")


class GrantsAnotherPort(LosesReleaseAnswer):
    """A gateway that grants another port if the requested one is taken, as NAT-PMP does."""

    async def map(self, request: MapRequest) -> Lease:
        """Grant the requested port or another one."""
        return await super().map(attrs.evolve(request, exact=False))


class NeedsRoute(FakeBackend):
    """A backend that finds only the gateway at the target's address, as PCP does."""

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the device if the target has its address."""
        if target.gateway == self.devices[0].address:
            async for gateway in super().discover(target):
                yield gateway


@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.TAKE])
@pytest.mark.parametrize("kind", [LosesReleaseAnswer, GrantsAnotherPort])
async def test_a_port_of_a_former_address_is_reopened_for_the_new_one(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Desired,
    on_network: Callable[..., Network],
    kind: type[FakeGateway],
    policy: ConflictPolicy,
) -> None:
    """At once, although the answer to the release is lost; the new grant proves that it worked."""
    device.names_holder = False
    device.one_per_internal_port = True
    harness = await new_harness(FakeBackend("pcp", device, kind=kind)).start(desired(conflict=policy))
    harness.network = on_network(f"{NEW}/24")
    await harness.scheduler.network_changed()
    await clock.advance(1)
    assert device.table[WEB].internal_address == NEW
    assert [stored.lease.internal_address for stored in harness.store.leases] == [NEW]
    assert EventKind.FAILED not in harness.kinds()
    assert EventKind.LOST not in harness.kinds()


async def test_a_vpn_that_takes_the_default_route_closes_nothing(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Desired,
    on_network: Callable[..., Network],
) -> None:
    """Leases at the former default gateway are renewed and restored, and new ones are opened there."""
    harness = await new_harness(NeedsRoute("pcp", device)).start(desired())
    home = on_network(f"{FORMER}/24", "10.8.0.2/24")
    harness.network = attrs.evolve(home, routes=(DefaultRoute("eth1", ip_address("10.8.0.1")),))
    await harness.scheduler.network_changed()
    await clock.advance(7200)
    assert device.mapping_at(WEB) is not None
    assert device.deleted == []
    device.restart()
    await clock.advance(2)
    assert device.mapping_at(WEB) is not None
    await harness.set_desired(desired(), desired(81))
    await clock.advance(2)
    assert harness.state(desired(81)) is MappingState.ACTIVE
    assert EventKind.LOST not in harness.kinds()


@pytest.mark.parametrize("seconds", [3, 40])
async def test_a_gateway_that_is_silent_when_the_address_changes_is_retried_soon(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Desired,
    on_network: Callable[..., Network],
    seconds: float,
) -> None:
    """A switch does not forward yet, or a VPN connects: the retry does not wait for half of the old lease."""
    harness = await new_harness(FakeBackend("pcp", device, kind=LosesReleaseAnswer)).start(desired())
    device.silent = True
    harness.network = on_network(f"{NEW}/24")
    await harness.scheduler.network_changed()
    await clock.advance(seconds)
    assert harness.state(desired()) is MappingState.PENDING
    assert harness.scheduler.records[desired().key].error == "no gateway answered"
    device.silent = False
    await clock.advance(seconds + 2)
    assert device.table[WEB].internal_address == NEW
    assert harness.state(desired()) is MappingState.ACTIVE
