"""One pass, immediate retries, the release of everything, and many mappings."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import Conflict, NotAuthorized
from portmapper.api.model import ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.store.stored_lease import StoredLease
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

OTHER_HOST = ipaddress.ip_address("192.168.88.66")
WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
COUNT = 1500


async def test_release_all_leaves_nothing(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Neither on the gateway nor in the store, even while requests are under way."""
    await harness.start(desired(), desired(81))
    harness.scheduler.set_desired([desired(), desired(82)])
    await asyncio.sleep(0)
    await harness.scheduler.release_all()
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []


@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.FAIL])
async def test_another_hosts_entry_survives_release_all(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """An entry in conflict was never ours."""
    foreign = device.occupy(*WEB, OTHER_HOST)
    await upnp.start(desired(conflict=policy))
    await upnp.scheduler.release_all()
    assert device.table == {WEB: foreign}


async def test_retry_now_ends_every_pause(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """After you change a rule on the router, you need not wait."""
    device.refusals[80] = Conflict("taken")
    await harness.start(desired())
    device.refusals.clear()
    harness.scheduler.retry_now()
    await clock.advance(0)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_one_pass_is_settled_when_everything_was_tried(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Opened, refused or released; retries are not awaited."""
    device.refusals[81] = NotAuthorized("no")
    await harness.start(desired(), desired(81), run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(5)
    assert settled.done()
    assert harness.state(desired()) is MappingState.ACTIVE
    assert harness.state(desired(81)) is MappingState.REFUSED


async def test_one_pass_without_a_gateway_ends(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Nothing is left to wait for."""
    device.silent = True
    await harness.start(desired(), run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(5)
    assert settled.done()
    assert harness.state(desired()) is MappingState.PENDING


async def test_a_host_without_network_recovers(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Wi-Fi goes off and on again."""
    before = harness.network
    await harness.start(desired())
    harness.network = on_network(gateway=None)
    await clock.advance(3700)
    assert harness.state(desired()) is not MappingState.ACTIVE
    harness.network = before
    await clock.advance(125)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_many_mappings_cost_one_request_each(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """To open, to adopt and to close them; the orphans are not scanned for each mapping."""
    mappings = [desired(port) for port in range(1, COUNT + 1)]
    counted = [0]
    original = StoredLease.expired

    def expired(stored: StoredLease, now: Any) -> bool:
        counted[0] += 1
        return original(stored, now)

    StoredLease.expired = expired  # type: ignore[method-assign]
    try:
        await harness.start(*mappings)
        assert len(device.requested()) == COUNT
        await harness.crash()
        await harness.start(*mappings)
        assert len(device.requested()) == 2 * COUNT
        await harness.set_desired()
        await clock.advance(5)
    finally:
        StoredLease.expired = original  # type: ignore[method-assign]
    assert len(device.requested("unmap")) == COUNT
    assert counted[0] < 20 * COUNT
