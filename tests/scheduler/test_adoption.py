"""Adoption of the leases that an earlier run left."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.errors import GatewayTimeout, NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def again(harness: Any, *mappings: Mapping, **options: Any) -> None:
    """Crash, and start again with the same store."""
    await harness.crash()
    harness.options = attrs.evolve(harness.options, **options)
    harness.events.clear()
    await harness.start(*mappings)


async def test_a_lease_is_adopted_by_the_next_run(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """With its token; no second mapping is opened."""
    await harness.start(desired())
    await again(harness, desired())
    first, second = device.requested()
    assert second.token == first.token
    assert second.held is not None
    assert len(list(harness.store.leases)) == 1
    assert device.deleted == []


async def test_an_adopted_lease_is_reported_as_opened(
    harness: Any, desired: Desired, clock: FakeClock
) -> None:
    """Only once: a program that was started together with the daemon must learn its port."""
    await harness.start(desired())
    await again(harness, desired())
    assert harness.kinds() == [EventKind.OPENED]
    assert (harness.events[0].external_port, harness.events[0].detail) == (80, "open since an earlier run")
    await clock.advance(4000)
    assert harness.kinds() == [EventKind.OPENED]


async def test_one_pass_does_not_report_adopted_leases(harness: Any, desired: Desired) -> None:
    """A cron job would report them each time."""
    await harness.start(desired())
    await again(harness, desired(), watch=False)
    assert harness.kinds() == []


@pytest.mark.parametrize("watch", [True, False], ids=["daemon", "one-pass"])
async def test_a_port_that_changed_between_two_runs_is_reported(
    harness: Any, device: FakeDevice, desired: Desired, watch: bool
) -> None:
    """At the first renewal, with the former port."""
    mapping = desired(conflict=ConflictPolicy.NEXT)
    await harness.start(mapping)
    await harness.crash()
    device.other_port = 8123
    harness.options = attrs.evolve(harness.options, watch=watch)
    harness.events.clear()
    await harness.start(mapping)
    assert harness.kinds() == [EventKind.EXTERNAL_PORT_CHANGED]
    assert (harness.events[0].external_port, harness.events[0].detail) == (8123, "was 80")


@pytest.mark.parametrize("watch", [True, False], ids=["daemon", "one-pass"])
async def test_an_external_address_that_changed_between_two_runs_is_reported(
    harness: Any, device: FakeDevice, desired: Desired, watch: bool
) -> None:
    """At the first renewal, after the event for the port itself."""
    device.lie = lambda lease: attrs.evolve(lease, external_address=device.external)
    await harness.start(desired())
    await harness.crash()
    device.external = ip_address("198.51.100.77")
    harness.options = attrs.evolve(harness.options, watch=watch)
    harness.events.clear()
    await harness.start(desired())
    expected = [EventKind.OPENED] if watch else []
    assert harness.kinds() == [*expected, EventKind.EXTERNAL_ADDRESS_CHANGED]
    assert {str(event.external_address) for event in harness.events} == {"198.51.100.77"}


async def test_a_lease_that_moves_on_adoption_is_reported(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> None:
    """Its gateway refuses the renewal, and the next one opens the mapping."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired())
    device.answers.append(NotAuthorized("no"))
    await again(harness, desired())
    assert [event.backend for event in harness.events] == ["upnp"]
    assert harness.kinds() == [EventKind.OPENED]


async def test_a_row_that_was_removed_between_two_runs_is_closed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A daemon owns all leases of its store."""
    await harness.start(desired(), desired(81))
    await again(harness, desired())
    await clock.advance(5)
    assert device.open_ports() == {WEB}
    assert EventKind.CLOSED in harness.kinds()


async def test_a_removed_row_is_closed_even_if_the_list_is_empty(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The gateway is searched for the release alone."""
    await harness.start(desired())
    await again(harness)
    await clock.advance(5)
    assert device.open_ports() == set()


async def test_one_pass_closes_only_leases_of_its_own_sources(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Two cron jobs with two files leave each other's leases alone."""
    await harness.start(desired(source="a"), desired(81, source="a"), desired(82, source="b"))
    await again(harness, desired(source="a"), scope={"a"})
    await clock.advance(5)
    assert device.open_ports() == {WEB, (Protocol.TCP, 82)}


async def test_a_failed_first_renewal_closes_nothing(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M13: the lease stays until it expires or the gateway renews it."""
    await harness.start(desired())
    device.answers.extend([NotAuthorized("no"), GatewayTimeout("slow")])
    await again(harness, desired())
    await clock.advance(30)
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    await clock.advance(300)
    assert harness.state(desired()) is MappingState.ACTIVE
    assert len({request.token for request in device.requested()}) == 1


async def test_a_request_without_an_answer_is_repeated_by_the_next_run(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It was stored before it was sent, so the next run uses its token."""
    await harness.start()
    device.hangs = True
    harness.scheduler.set_desired([desired()])
    await clock.advance(1)
    device.hangs = False
    await again(harness, desired())
    first, second = device.requested()
    assert (first.token, second.held) == (second.token, None)
    assert len(list(harness.store.leases)) == 1


async def test_a_lease_that_expired_between_two_runs_is_removed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is released once: its dates may be wrong, because the wall clock may have been set since."""
    await harness.start(desired())
    await harness.crash()
    await clock.advance(4000)
    await harness.start()
    await clock.advance(5)
    assert len(device.requested("unmap")) == 1
    assert list(harness.store.leases) == []


async def test_a_new_address_after_a_restart_replaces_the_old_entry(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """M16: the store remembers that the old entry was ours."""
    await upnp.start(desired())
    upnp.network = on_network("192.168.88.77/24")
    await again(upnp, desired())
    await clock.advance(5)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(upnp.store.leases)) == 1
