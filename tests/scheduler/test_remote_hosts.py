"""Mappings that only some remote hosts may use."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import attrs

from portmapper.api.backend import RestrictsRemoteHosts
from portmapper.api.errors import Unsupported
from portmapper.api.events import EventKind
from portmapper.api.model import IPNetwork, Mapping, MappingState
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]
FRIEND = ipaddress.ip_network("198.51.100.7/32")
FRIENDS = ipaddress.ip_network("198.51.100.0/24")


class Filtering(FakeGateway, RestrictsRemoteHosts):
    """A gateway that can name any remote hosts, like PCP."""

    def can_restrict_to(self, remote: IPNetwork) -> bool:
        """Return true."""
        return True


class Checked(FakeListingGateway, RestrictsRemoteHosts):
    """A gateway that can name one remote host, and shows it in its table, like UPnP."""

    restriction_is_checked = True

    def can_restrict_to(self, remote: IPNetwork) -> bool:
        """Return whether it is one address."""
        return remote.num_addresses == 1


def restricted(mapping: Mapping, remote: IPNetwork | None = FRIEND) -> Mapping:
    """Return the mapping for these remote hosts."""
    return attrs.evolve(mapping, remote=remote)


async def test_a_restricted_mapping_is_not_opened_where_the_protocol_cannot_restrict_it(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """No request is sent, and the reason names the hosts."""
    await harness.start(restricted(desired(), FRIENDS))
    await clock.advance(10)
    assert device.calls == []
    record = harness.scheduler.records[desired().key]
    assert record.state is MappingState.REFUSED
    assert "cannot restrict a port to 198.51.100.0/24" in record.error


async def test_the_restriction_is_part_of_each_request_and_of_the_lease(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Also of renewals and after a restart of the gateway."""
    harness = new_harness(FakeBackend("pcp", device, kind=Filtering))
    await harness.start(restricted(desired()))
    await clock.advance(2100)
    device.restart()
    await clock.advance(2)
    assert len(device.requested()) >= 3
    assert {request.remote for request in device.requested()} == {FRIEND}
    assert harness.lease(desired()).remote == FRIEND


async def test_a_gateway_whose_table_shows_the_restriction_comes_first(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Even if it answers later: some grant a filter over PCP and open the port to every host."""
    late = FakeBackend("upnp", device, kind=Checked, delay=2)
    harness = new_harness(FakeBackend("pcp", device, kind=Filtering), late)
    await harness.start(restricted(desired()), restricted(desired(81), FRIENDS))
    await clock.advance(5)
    assert harness.lease(desired()).backend == "upnp"
    assert harness.lease(desired(81)).backend == "pcp"


async def test_a_changed_restriction_closes_the_port_before_it_is_opened_again(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Whether it is narrowed, widened or removed."""
    harness = new_harness(FakeBackend("pcp", device, kind=Filtering))
    await harness.start(desired())
    for remote in (FRIEND, FRIENDS, None):
        device.calls.clear()
        harness.scheduler.set_desired([restricted(desired(), remote)])
        await clock.advance(5)
        assert [verb for _, verb, _ in device.calls] == ["unmap", "map"]
        assert harness.lease(desired()).remote == remote
    assert harness.kinds().count(EventKind.OPENED) == 4


async def test_a_lease_for_other_remote_hosts_is_not_adopted(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The list changed while portmapper was not running: the old lease is closed first."""
    harness = new_harness(FakeBackend("pcp", device, kind=Filtering))
    await harness.start(desired())
    await harness.crash()
    device.calls.clear()
    await harness.start(restricted(desired()))
    await clock.advance(5)
    assert [verb for _, verb, _ in device.calls] == ["unmap", "map"]
    assert harness.lease(desired()).remote == FRIEND


async def test_a_backend_that_forgets_the_restriction_is_at_fault(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Its lease does not count as open."""
    device.lie = lambda lease: attrs.evolve(lease, remote=None)
    harness = new_harness(FakeBackend("pcp", device, kind=Filtering))
    await harness.start(restricted(desired()))
    await clock.advance(2)
    assert harness.scheduler.records[desired().key].lease is None


async def test_a_gateway_that_refuses_the_restriction_is_passed_over(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The next one is asked."""
    device.answers.append(Unsupported("726"))
    harness = new_harness(
        FakeBackend("upnp", device, kind=Checked), FakeBackend("pcp", device, kind=Filtering)
    )
    await harness.start(restricted(desired()))
    await clock.advance(5)
    assert harness.lease(desired()).remote == FRIEND
