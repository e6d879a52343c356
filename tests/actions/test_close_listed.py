"""`--only-close-ports` closes the mappings of a list on every gateway, and no other host's entries."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.actions.close_listed import ListCloser
from portmapper.api.errors import BackendError, NetworkFailure, NoGateway, NotAuthorized, Unsupported
from portmapper.api.model import ConflictPolicy, Mapping, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

OTHER_HOST = ipaddress.ip_address("192.168.88.66")
LOCAL = ipaddress.ip_address("192.168.88.10")
WEB = (Protocol.TCP, 80)

Desired = Callable[..., Mapping]


async def close(
    harness: Any, *mappings: Mapping, conflict: ConflictPolicy = ConflictPolicy.OWN
) -> ListCloser:
    """Close these mappings on the gateways of the harness."""
    closer = ListCloser(
        harness.backends, harness.store, chosen=(), conflict=conflict, network=lambda: harness.network
    )
    task = asyncio.create_task(closer.close(mappings))
    await harness.clock.advance(30)
    await task
    return closer


async def test_a_known_lease_is_closed_and_forgotten(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """Other leases remain."""
    await harness.start(desired(), desired(81))
    await harness.crash()
    closer = await close(harness, desired())
    assert device.open_ports() == {(Protocol.TCP, 81)}
    assert [s.wanted_port for s in harness.store.leases] == [81]
    assert closer.failed == 0


async def test_a_lease_that_the_store_does_not_know_is_closed(
    upnp: Any, device: FakeDevice, desired: Desired
) -> None:
    """The list names its ports."""
    device.occupy(*WEB, LOCAL)
    await close(upnp, desired())
    assert device.open_ports() == set()


@pytest.mark.parametrize("policy", ConflictPolicy)
async def test_an_entry_of_another_host_is_closed_only_under_take(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """As upnp-daemon's option does."""
    device.occupy(*WEB, OTHER_HOST)
    await close(upnp, desired(), conflict=policy)
    assert (device.open_ports() == set()) is (policy is ConflictPolicy.TAKE)


async def test_a_port_that_is_not_open_is_no_failure(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """Ports may be closed twice."""
    assert (await close(harness, desired())).failed == 0


async def test_a_failure_is_counted(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """The lease stays in the store."""
    await harness.start(desired())
    await harness.crash()
    device.release_error = NetworkFailure("down")
    assert (await close(harness, desired())).failed == 1
    assert len(list(harness.store.leases)) == 1


@pytest.mark.parametrize("error", [Unsupported("not that"), NotAuthorized("no")])
async def test_a_refusal_is_a_failure_only_for_a_known_lease(
    harness: Any, device: FakeDevice, desired: Desired, error: BackendError
) -> None:
    """Without a known lease, nothing indicates that a mapping exists, so nothing failed."""
    device.release_error = error
    assert (await close(harness, desired())).failed == 0
    device.release_error = None
    await harness.start(desired())
    await harness.crash()
    device.release_error = error
    assert (await close(harness, desired())).failed == 1
    assert len(list(harness.store.leases)) == 1


async def test_without_a_gateway_it_raises_an_error(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Unless there is nothing to close."""
    device.silent = True
    await close(harness)
    with pytest.raises(NoGateway):
        await close(harness, desired())


async def test_mappings_of_every_backend_are_closed(
    new_harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """Because the list does not say which backend opened a mapping."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired(backend="pcp"), desired(81, backend="upnp"))
    await harness.crash()
    await close(harness, desired(), desired(81))
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []
