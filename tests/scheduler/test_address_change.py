"""This host has another address, or a VPN took its default route; what it had opened still stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, Target
from portmapper.api.errors import GatewayTimeout
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Mapping, MappingState, MapRequest, Protocol
from portmapper.network.host import DefaultRoute, Network
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
FORMER, NEW = ip_address("192.168.88.10"), ip_address("192.168.88.77")
Desired = Callable[..., Mapping]


class Unheard(FakeGateway):
    """A gateway that hears a release from the address that this host had, and whose answer gets lost."""

    async def unmap(self, lease: Lease) -> None:
        """Close it, and say so to nobody."""
        await super().unmap(lease)
        if lease.internal_address == FORMER:
            raise GatewayTimeout("no answer can be heard")


class Generous(Unheard):
    """One that grants another port where the wanted one is taken, as NAT-PMP does."""

    async def map(self, request: MapRequest) -> Lease:
        """Grant some port."""
        return await super().map(attrs.evolve(request, exact=False))


class NeedsRoute(FakeBackend):
    """A backend that asks the gateway of the target, and finds none without one, as PCP does."""

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the device if there is a way to it."""
        if target.gateway == self.devices[0].address:
            async for gateway in super().discover(target):
                yield gateway


@pytest.mark.parametrize("kind", [Unheard, Generous])
async def test_a_port_that_our_former_address_holds_is_closed_and_opened_for_the_new_one(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Desired,
    on_network: Callable[..., Network],
    kind: type[FakeGateway],
) -> None:
    """At once, though nobody hears that it was closed; that the port is granted again is the proof."""
    device.names_holder = False
    device.one_per_internal_port = True
    harness = await new_harness(FakeBackend("pcp", device, kind=kind)).start(desired())
    harness.network = on_network(f"{NEW}/24")
    await harness.scheduler.network_changed()
    await clock.advance(1)
    assert device.table[WEB].internal_address == NEW
    assert [stored.lease.internal_address for stored in harness.store.leases] == [NEW]
    assert EventKind.FAILED not in harness.kinds()
    assert EventKind.LOST not in harness.kinds()


async def test_a_gateway_that_a_vpn_took_the_default_route_from_keeps_its_leases(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Desired,
    on_network: Callable[..., Network],
) -> None:
    """They are renewed, restored after a restart, and new ones are opened there."""
    harness = await new_harness(NeedsRoute("pcp", device)).start(desired())
    home = on_network(f"{FORMER}/24", "10.8.0.2/24")
    harness.network = attrs.evolve(home, routes=(DefaultRoute("eth1", ip_address("10.8.0.1")),))
    await harness.scheduler.network_changed()
    await clock.advance(7200)
    assert device.hole(WEB) is not None
    assert device.deleted == []
    device.restart()
    await clock.advance(2)
    assert device.hole(WEB) is not None
    await harness.want(desired(), desired(81))
    await clock.advance(2)
    assert harness.state(desired(81)) is MappingState.ACTIVE
    assert EventKind.LOST not in harness.kinds()


async def test_an_external_port_that_was_edited_is_closed_first_where_a_gateway_knows_the_inner_one_alone(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """To close it afterwards would close the new one, too."""
    device.one_per_internal_port = True
    await harness.start(desired(8080, 80), desired(8081, 81))
    await harness.want(desired(9090, 80), desired(8081, 81))
    await clock.advance(5)
    assert {port for _, port in device.open_ports()} == {9090, 8081}
    assert [verb for _, verb, _ in device.calls] == ["map", "map", "unmap", "map"]


async def test_what_another_row_is_about_to_adopt_is_not_closed_for_its_inner_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Two external ports lead to one inner one, opened by an earlier run on a gateway that allows it."""
    both = (desired(8080, 80), desired(9090, 80))
    await harness.start(*both)
    await harness.crash()
    device.one_per_internal_port = True
    device.calls.clear()
    await harness.start(*both)
    await clock.advance(5)
    assert device.requested("unmap") == []


@pytest.mark.parametrize("seconds", [3, 40])
async def test_a_gateway_that_is_silent_when_the_address_changes_is_asked_again_soon(
    new_harness: Any,
    clock: FakeClock,
    device: FakeDevice,
    desired: Desired,
    on_network: Callable[..., Network],
    seconds: float,
) -> None:
    """A switch that forwards nothing yet, a VPN that shakes hands: not when half of the old lease is over."""
    harness = await new_harness(FakeBackend("pcp", device, kind=Unheard)).start(desired())
    device.silent = True
    harness.network = on_network(f"{NEW}/24")
    await harness.scheduler.network_changed()
    await clock.advance(seconds)
    assert harness.state(desired()) is MappingState.PENDING
    assert harness.scheduler.entries[desired().key].error == "no gateway answered"
    device.silent = False
    await clock.advance(seconds + 2)
    assert device.table[WEB].internal_address == NEW
    assert harness.state(desired()) is MappingState.ACTIVE
