"""`--only-close-ports`: closes what the list names, wherever it stands, and nothing of anybody else."""

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

STRANGER = ipaddress.ip_address("192.168.88.66")
LOCAL = ipaddress.ip_address("192.168.88.10")
WEB = (Protocol.TCP, 80)

Desired = Callable[..., Mapping]


async def close(
    harness: Any, *mappings: Mapping, conflict: ConflictPolicy = ConflictPolicy.OWN
) -> ListCloser:
    """Close these on what the world's backends find."""
    closing = ListCloser(
        harness.backends, harness.store, chosen=(), conflict=conflict, network=lambda: harness.network
    )
    task = asyncio.create_task(closing.close(mappings))
    await harness.clock.advance(30)
    await task
    return closing


async def test_a_known_lease_is_closed_and_forgotten(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """The others stay."""
    await harness.start(desired(), desired(81))
    await harness.crash()
    closing = await close(harness, desired())
    assert device.open_ports() == {(Protocol.TCP, 81)}
    assert [s.wanted_port for s in harness.store.leases] == [81]
    assert closing.failed == 0


async def test_a_lease_that_no_store_knows_is_closed_too(
    upnp: Any, device: FakeDevice, desired: Desired
) -> None:
    """It is named by what the list says."""
    device.occupy(*WEB, LOCAL)
    await close(upnp, desired())
    assert device.open_ports() == set()


@pytest.mark.parametrize("policy", ConflictPolicy)
async def test_another_hosts_entry_is_spared_but_under_take(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """As upnp-daemon's own option did."""
    device.occupy(*WEB, STRANGER)
    await close(upnp, desired(), conflict=policy)
    assert (device.open_ports() == set()) is (policy is ConflictPolicy.TAKE)


async def test_what_is_not_open_is_no_failure(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """Closing twice is closing."""
    assert (await close(harness, desired())).failed == 0


async def test_a_failure_is_counted(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """And the lease stays known."""
    await harness.start(desired())
    await harness.crash()
    device.release_error = NetworkFailure("down")
    assert (await close(harness, desired())).failed == 1
    assert len(list(harness.store.leases)) == 1


@pytest.mark.parametrize("error", [Unsupported("not that"), NotAuthorized("no")])
async def test_a_refusal_is_a_failure_where_something_is_known_to_stand(
    harness: Any, device: FakeDevice, desired: Desired, error: BackendError
) -> None:
    """Where nobody knows of anything, there is nothing that failed."""
    device.release_error = error
    assert (await close(harness, desired())).failed == 0
    device.release_error = None
    await harness.start(desired())
    await harness.crash()
    device.release_error = error
    assert (await close(harness, desired())).failed == 1
    assert len(list(harness.store.leases)) == 1


async def test_nobody_to_ask_is_told(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Unless there is nothing to close."""
    device.silent = True
    await close(harness)
    with pytest.raises(NoGateway):
        await close(harness, desired())


async def test_it_closes_what_every_backend_opened(
    new_harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """The list does not say over which it was."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired(backend="pcp"), desired(81, backend="upnp"))
    await harness.crash()
    await close(harness, desired(), desired(81))
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []
