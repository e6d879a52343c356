"""What an earlier run, another address or another network left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.errors import GatewayTimeout, NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.store.leases import StoredLease
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
COUNT = 4000
Desired = Callable[..., Mapping]
NewWorld = Callable[..., Any]


async def again(harness: Any, *mappings: Mapping, **options: Any) -> None:
    """Crash, and start anew with what the store knows."""
    await harness.crash()
    harness.options = attrs.evolve(harness.options, **options)
    harness.events.clear()
    await harness.start(*mappings)


async def test_a_lease_is_adopted_by_the_next_run(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """With its token, and no second mapping."""
    await harness.start(desired())
    await again(harness, desired())
    first, second = device.requested()
    assert second.token == first.token
    assert second.held is not None
    assert len(list(harness.store.leases)) == 1
    assert device.deleted == []


async def test_an_adopted_lease_is_told_of(harness: Any, desired: Desired, clock: FakeClock) -> None:
    """Once: a program that was started together with the daemon has to learn its port."""
    await harness.start(desired())
    await again(harness, desired())
    assert harness.kinds() == [EventKind.OPENED]
    assert (harness.events[0].external_port, harness.events[0].detail) == (80, "open since an earlier run")
    await clock.advance(4000)
    assert harness.kinds() == [EventKind.OPENED]


async def test_one_pass_does_not_repeat_what_an_earlier_one_opened(harness: Any, desired: Desired) -> None:
    """A cron job would tell of it each time."""
    await harness.start(desired())
    await again(harness, desired(), watch=False)
    assert harness.kinds() == []


@pytest.mark.parametrize("watch", [True, False], ids=["daemon", "one-pass"])
async def test_a_port_that_changed_while_nobody_ran_is_told(
    harness: Any, device: FakeDevice, desired: Desired, watch: bool
) -> None:
    """By the first renewal, with the port that it was."""
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
async def test_an_address_that_changed_while_nobody_ran_is_told(
    harness: Any, device: FakeDevice, desired: Desired, watch: bool
) -> None:
    """By the first renewal, after the port itself."""
    device.lie = lambda lease: attrs.evolve(lease, external_address=device.external)
    await harness.start(desired())
    await harness.crash()
    device.external = ip_address("198.51.100.77")
    harness.options = attrs.evolve(harness.options, watch=watch)
    harness.events.clear()
    await harness.start(desired())
    told = [EventKind.OPENED] if watch else []
    assert harness.kinds() == [*told, EventKind.EXTERNAL_ADDRESS_CHANGED]
    assert {str(event.external_address) for event in harness.events} == {"198.51.100.77"}


async def test_what_another_gateway_opens_in_its_place_is_told(
    new_harness: NewWorld, device: FakeDevice, desired: Desired
) -> None:
    """When the one that had it does not renew it."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired())
    device.answers.append(NotAuthorized("no"))
    await again(harness, desired())
    assert [event.backend for event in harness.events] == ["upnp"]
    assert harness.kinds() == [EventKind.OPENED]


async def test_what_left_the_list_meanwhile_is_closed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A daemon owns its whole store."""
    await harness.start(desired(), desired(81))
    await again(harness, desired())
    await clock.advance(5)
    assert device.open_ports() == {WEB}
    assert EventKind.CLOSED in harness.kinds()


async def test_what_left_the_list_is_closed_though_nothing_is_wanted(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The gateway is searched for the release alone."""
    await harness.start(desired())
    await again(harness)
    await clock.advance(5)
    assert device.open_ports() == set()


async def test_one_pass_closes_only_what_its_own_sources_opened(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Two cron jobs with two files leave each other alone."""
    await harness.start(desired(source="a"), desired(81, source="a"), desired(82, source="b"))
    await again(harness, desired(source="a"), scope={"a"})
    await clock.advance(5)
    assert device.open_ports() == {WEB, (Protocol.TCP, 82)}


async def test_a_renewal_that_fails_after_a_restart_closes_nothing(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M13: the lease stands until it runs out, or until the gateway renews it."""
    await harness.start(desired())
    device.answers.extend([NotAuthorized("no"), GatewayTimeout("slow")])
    await again(harness, desired())
    await clock.advance(30)
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    await clock.advance(300)
    assert harness.state(desired()) is MappingState.ACTIVE
    assert len({request.token for request in device.requested()}) == 1


async def test_a_request_whose_answer_was_never_seen_is_taken_up(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It was written down before it was sent, so the next run asks with its token."""
    await harness.start()
    device.hangs = True
    harness.scheduler.set_desired([desired()])
    await clock.advance(1)
    device.hangs = False
    await again(harness, desired())
    first, second = device.requested()
    assert (first.token, second.held) == (second.token, None)
    assert len(list(harness.store.leases)) == 1


async def test_what_ran_out_while_nobody_ran_is_forgotten(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Nothing is asked for it."""
    await harness.start(desired())
    await harness.crash()
    await clock.advance(4000)
    await harness.start()
    await clock.advance(5)
    assert device.requested("unmap") == []
    assert list(harness.store.leases) == []


async def test_another_address_of_ours_replaces_the_old_entry(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """M16: under `own`, though the gateway says that another host holds the port."""
    await upnp.start(desired())
    upnp.network = on_network("192.168.88.77/24")
    await upnp.scheduler.network_changed()
    await clock.advance(5)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(upnp.store.leases)) == 1


async def test_another_address_after_a_restart_replaces_the_old_entry(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """M16: the store remembers that the old one was ours."""
    await upnp.start(desired())
    upnp.network = on_network("192.168.88.77/24")
    await again(upnp, desired())
    await clock.advance(5)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(upnp.store.leases)) == 1


async def test_an_old_entry_under_fail_is_left_until_it_is_released(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Whatever the policy, the end is the port open for the address that we have."""
    mapping = desired(conflict=ConflictPolicy.FAIL)
    await upnp.start(mapping)
    upnp.network = on_network("192.168.88.77/24")
    await upnp.scheduler.network_changed()
    await clock.advance(600)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"


async def test_an_old_entry_is_released_where_the_gateway_does_not_say_whose_it_is(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """M16 over PCP: the conflict is with our own lease, which no renewal would ever end."""
    device.names_holder = False
    device.permanent_only = True
    await harness.start(desired())
    harness.network = on_network("192.168.88.77/24")
    await clock.advance(300)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(harness.store.leases)) == 1


async def test_a_look_sees_another_network(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Where nothing announces it, within an interval."""
    await upnp.start(desired())
    upnp.network = on_network("192.168.88.77/24")
    await clock.advance(65)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"


async def test_a_target_that_is_gone_is_forgotten(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Its search ends and its gateway is closed."""
    await harness.start(desired())
    old = harness.backends[0].found[0]
    harness.network = on_network("192.168.88.77/24")
    await clock.advance(130)
    assert old.closed
    assert len(harness.scheduler.discovery.searches) == 1


async def test_no_network_at_all_is_survived(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Wi-Fi off and on again."""
    before = harness.network
    await harness.start(desired())
    harness.network = on_network(gateway=None)
    await clock.advance(3700)
    assert harness.state(desired()) is not MappingState.ACTIVE
    harness.network = before
    await clock.advance(125)
    assert harness.state(desired()) is MappingState.ACTIVE


def lease_of(stored: StoredLease, **changes: Any) -> StoredLease:
    """Return the same with another lease."""
    return attrs.evolve(stored, lease=attrs.evolve(stored.lease, **changes))


async def test_a_hole_that_another_protocol_keeps_open_is_not_closed(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Many gateways have one table for all: what PCP opened, UPnP has renewed since."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired(backend="pcp"))
    await harness.want(desired(backend="upnp"))
    await clock.advance(5)
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    await harness.want()
    assert device.open_ports() == set()


async def test_an_unknown_backends_lease_hurts_nobody(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Its plugin was uninstalled; the lease stays in the store until it runs out."""
    await harness.start(desired())
    (stored,) = harness.store.leases
    await harness.crash()
    harness.store.put(lease_of(stored, token=b"x" * 12, backend="gone", gateway="gone:192.168.88.9"))
    await harness.start(desired())
    await clock.advance(120)
    assert len(list(harness.store.leases)) == 2
    await clock.advance(3600)
    assert len(list(harness.store.leases)) == 1


async def test_one_pass_waits_for_the_releases_it_can_do(
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
    """What it cannot release it leaves in the store."""
    await harness.start(desired())
    device.silent = True
    await harness.crash()
    await harness.start(run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(10)
    assert settled.done()
    assert len(list(harness.store.leases)) == 1


async def test_many_mappings_cost_one_request_each(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """To open, to adopt and to close; what is left over is not walked through for each of them."""
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
        await again(harness, *mappings)
        assert len(device.requested()) == 2 * COUNT
        await harness.want()
        await clock.advance(5)
    finally:
        StoredLease.expired = original  # type: ignore[method-assign]
    assert len(device.requested("unmap")) == COUNT
    assert counted[0] < 20 * COUNT
