"""Releases of leases that no mapping claims."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.errors import NetworkFailure, NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.store.stored_lease import StoredLease
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def test_a_lost_answer_leaves_no_second_mapping(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P7: the retry has the same token, so there is one mapping and one lease."""
    device.loses_answers = True
    await harness.start(desired())
    await clock.advance(5)
    device.loses_answers = False
    await clock.advance(90)
    assert len({request.token for request in device.requested()}) == 1
    assert len(list(harness.store.leases)) == 1
    await harness.set_desired()
    assert device.open_ports() == set()


async def test_a_failed_release_is_retried(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is reported once, and retried with backoff until it works."""
    await harness.start(desired())
    device.release_error = NetworkFailure("down")
    await harness.set_desired()
    await clock.advance(600)
    assert 3 <= len(device.requested("unmap")) <= 12
    assert harness.kinds() == [EventKind.OPENED, EventKind.FAILED]
    device.release_error = None
    await clock.advance(400)
    assert device.open_ports() == set()
    assert harness.kinds()[-1] is EventKind.CLOSED


async def test_the_lease_of_a_former_address_is_retried_rarely_and_dropped_when_it_expires(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """It is reported once, with the time when it expires."""
    device.names_holder = False
    mapping = desired(duration=7200)
    await harness.start(mapping)
    device.release_error = NotAuthorized("not for that address")
    device.other_port = 81
    harness.network = on_network("192.168.88.20/24")
    await harness.scheduler.network_changed()
    await harness.set_desired(attrs.evolve(mapping, port=81, internal_port=81))
    await clock.advance(7300)
    tried = len(device.requested("unmap"))
    assert 2 <= tried <= 16
    (failed,) = [event for event in harness.events if event.detail.startswith("cannot be closed")]
    assert "it expires at" in failed.detail
    await clock.advance(7200)
    assert len(device.requested("unmap")) == tried
    assert len(list(harness.store.leases)) == 1


async def test_a_permanent_lease_that_another_protocol_covers_is_released_with_it(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Not earlier, in case both protocols share a table; but not never, in case each has its own."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired(backend="upnp", duration=0))
    await harness.set_desired(desired(backend="pcp"))
    await clock.advance(100)
    assert device.requested("unmap") == []
    await harness.set_desired()
    assert {lease.backend for lease in device.requested("unmap")} == {"pcp", "upnp"}
    assert list(harness.store.leases) == []


def lease_with(stored: StoredLease, **changes: Any) -> StoredLease:
    """Return the stored lease with some fields of its lease changed."""
    return attrs.evolve(stored, lease=attrs.evolve(stored.lease, **changes))


async def test_a_port_that_another_protocol_keeps_open_is_not_closed(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Many gateways keep one table: UPnP has renewed since what PCP opened."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired(backend="pcp"))
    await harness.set_desired(desired(backend="upnp"))
    await clock.advance(5)
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    await harness.set_desired()
    assert device.open_ports() == set()


async def test_the_lease_of_an_unknown_backend_is_harmless(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Its plugin was uninstalled, so the lease stays in the store until it expires."""
    await harness.start(desired())
    (stored,) = harness.store.leases
    await harness.crash()
    harness.store.put(lease_with(stored, token=b"x" * 12, backend="gone", gateway="gone:192.168.88.9"))
    await harness.start(desired())
    await clock.advance(120)
    assert len(list(harness.store.leases)) == 2
    await clock.advance(3600)
    assert len(list(harness.store.leases)) == 1


async def test_one_pass_waits_for_its_releases(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is settled when they are done, and not before the search is over."""
    await harness.start(desired(), desired(81))
    await harness.crash()
    await harness.start(desired(), run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(10)
    assert settled.done()
    assert device.open_ports() == {WEB}


async def test_one_pass_does_not_wait_for_a_gateway_that_is_gone(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A lease that it cannot release stays in the store."""
    await harness.start(desired())
    device.silent = True
    await harness.crash()
    await harness.start(run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(10)
    assert settled.done()
    assert len(list(harness.store.leases)) == 1


class SlowRelease(FakeGateway):
    """A gateway to which the last copy of a release takes a second, as after a short outage."""

    concurrency = 4

    async def unmap(self, lease: Lease) -> None:
        """Release the lease late."""
        await asyncio.sleep(1)
        await super().unmap(lease)


async def test_no_request_overtakes_the_release_of_the_same_port(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The release would close what was just opened: the gateway was away, and the mapping comes back."""
    harness = await new_harness(FakeBackend("pcp", device, kind=SlowRelease)).start(desired())
    harness.scheduler.set_desired(())
    await clock.advance(0.5)
    harness.scheduler.set_desired((desired(),))
    await clock.advance(5)
    assert [name for _, name, _ in device.calls] == ["map", "unmap", "map"]
    assert device.open_ports() == {WEB}


async def test_a_queued_release_of_a_port_that_is_desired_again_is_not_sent(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The mapping adopts the lease while the release waits in the gateway's queue."""
    harness = await new_harness(FakeBackend("pcp", device)).start(desired())
    harness.scheduler.set_desired(())
    harness.scheduler.set_desired((desired(),))
    await clock.advance(5)
    assert [name for _, name, _ in device.calls] == ["map", "map"]
    assert device.open_ports() == {WEB}


@pytest.mark.parametrize("seconds", [-(10**7), 3 * 10**7])
async def test_a_failed_release_is_retried_after_a_crash_whatever_the_wall_clock_says(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, seconds: int
) -> None:
    """A year in either direction: the gateway still has the lease, so it is released."""
    await harness.start(desired())
    await harness.crash()
    clock.set_wall(seconds)
    device.release_error = NetworkFailure("down")
    await harness.start()
    await clock.advance(1200)
    assert device.open_ports() == {WEB}
    device.release_error = None
    await clock.advance(600)
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []


async def test_a_failed_release_is_given_up_after_a_lifetime(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The gateway cannot hold the lease any longer, even if the wall clock was set."""
    await harness.start(desired())
    await harness.crash()
    clock.set_wall(10**8)
    device.release_error = NetworkFailure("down")
    await harness.start()
    await clock.advance(4000)
    tried = len(device.requested("unmap"))
    await clock.advance(8000)
    assert len(device.requested("unmap")) == tried
    assert list(harness.store.leases) == []


async def test_another_port_that_cannot_be_released_at_once_is_released_later(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The gateway granted it instead of the requested one, and would keep it open until its lease ends."""
    device.other_port = 8123
    device.release_error = NetworkFailure("no answer")
    await harness.start(desired())
    await clock.advance(5)
    assert harness.state(desired()) is MappingState.CONFLICT
    assert device.open_ports() == {(Protocol.TCP, 8123)}
    device.release_error = None
    await clock.advance(900)
    assert device.open_ports() == set()
