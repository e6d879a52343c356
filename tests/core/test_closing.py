"""`--only-close-ports`: closes what the list names, wherever it stands, and nothing of anybody else."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.closing import Closing
from portmapper.errors import BackendError, NetworkFailure, NoGateway, NotAuthorized, Unsupported
from portmapper.model import ConflictPolicy, Mapping, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.devices import FakeDevice
from portmapper.testing.gateways import FakeBackend, FakeListingGateway

STRANGER = ipaddress.ip_address("192.168.88.66")
LOCAL = ipaddress.ip_address("192.168.88.10")
WEB = (Protocol.TCP, 80)

Wanted = Callable[..., Mapping]


async def close(world: Any, *mappings: Mapping, conflict: ConflictPolicy = ConflictPolicy.OWN) -> Closing:
    """Close these on what the world's backends find."""
    closing = Closing(
        world.backends, world.store, chosen=(), conflict=conflict, network=lambda: world.network
    )
    task = asyncio.create_task(closing.close(mappings))
    await world.clock.advance(30)
    await task
    return closing


async def test_a_known_lease_is_closed_and_forgotten(world: Any, device: FakeDevice, wanted: Wanted) -> None:
    """The others stay."""
    await world.start(wanted(), wanted(81))
    await world.crash()
    closing = await close(world, wanted())
    assert device.open_ports() == {(Protocol.TCP, 81)}
    assert [s.wanted_port for s in world.store.leases] == [81]
    assert closing.failed == 0


async def test_a_lease_that_no_store_knows_is_closed_too(
    upnp: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """It is named by what the list says."""
    device.occupy(*WEB, LOCAL)
    await close(upnp, wanted())
    assert device.open_ports() == set()


@pytest.mark.parametrize("policy", ConflictPolicy)
async def test_another_hosts_entry_is_spared_but_under_take(
    upnp: Any, device: FakeDevice, wanted: Wanted, policy: ConflictPolicy
) -> None:
    """As upnp-daemon's own option did."""
    device.occupy(*WEB, STRANGER)
    await close(upnp, wanted(), conflict=policy)
    assert (device.open_ports() == set()) is (policy is ConflictPolicy.TAKE)


async def test_what_is_not_open_is_no_failure(world: Any, device: FakeDevice, wanted: Wanted) -> None:
    """Closing twice is closing."""
    assert (await close(world, wanted())).failed == 0


async def test_a_failure_is_counted(world: Any, device: FakeDevice, wanted: Wanted) -> None:
    """And the lease stays known."""
    await world.start(wanted())
    await world.crash()
    device.release_error = NetworkFailure("down")
    assert (await close(world, wanted())).failed == 1
    assert len(list(world.store.leases)) == 1


@pytest.mark.parametrize("error", [Unsupported("not that"), NotAuthorized("no")])
async def test_a_refusal_is_a_failure_where_something_is_known_to_stand(
    world: Any, device: FakeDevice, wanted: Wanted, error: BackendError
) -> None:
    """Where nobody knows of anything, there is nothing that failed."""
    device.release_error = error
    assert (await close(world, wanted())).failed == 0
    device.release_error = None
    await world.start(wanted())
    await world.crash()
    device.release_error = error
    assert (await close(world, wanted())).failed == 1
    assert len(list(world.store.leases)) == 1


async def test_nobody_to_ask_is_told(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """Unless there is nothing to close."""
    device.silent = True
    await close(world)
    with pytest.raises(NoGateway):
        await close(world, wanted())


async def test_it_closes_what_every_backend_opened(
    new_world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """The list does not say over which it was."""
    world = new_world(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await world.start(wanted(backend="pcp"), wanted(81, backend="upnp"))
    await world.crash()
    await close(world, wanted(), wanted(81))
    assert device.open_ports() == set()
    assert list(world.store.leases) == []
