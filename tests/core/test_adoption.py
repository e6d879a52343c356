"""What an earlier run, another address or another network left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.errors import GatewayTimeout, NotAuthorized
from portmapper.events import EventKind
from portmapper.model import ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.network import Network
from portmapper.store import StoredLease
from portmapper.testing.clock import FakeClock
from portmapper.testing.devices import FakeDevice
from portmapper.testing.gateways import FakeBackend, FakeListingGateway

WEB = (Protocol.TCP, 80)
COUNT = 4000
Wanted = Callable[..., Mapping]
NewWorld = Callable[..., Any]


async def again(world: Any, *mappings: Mapping, **options: Any) -> None:
    """Crash, and start anew with what the store knows."""
    await world.crash()
    world.options = attrs.evolve(world.options, **options)
    world.events.clear()
    await world.start(*mappings)


async def test_a_lease_is_adopted_by_the_next_run(world: Any, device: FakeDevice, wanted: Wanted) -> None:
    """With its token, and no second mapping."""
    await world.start(wanted())
    await again(world, wanted())
    first, second = device.asked()
    assert second.token == first.token
    assert second.held is not None
    assert len(list(world.store.leases)) == 1
    assert device.deleted == []


async def test_an_adopted_lease_is_told_of(world: Any, wanted: Wanted, clock: FakeClock) -> None:
    """Once: a program that was started together with the daemon has to learn its port."""
    await world.start(wanted())
    await again(world, wanted())
    assert world.kinds() == [EventKind.OPENED]
    assert (world.events[0].external_port, world.events[0].detail) == (80, "open since an earlier run")
    await clock.advance(4000)
    assert world.kinds() == [EventKind.OPENED]


async def test_one_pass_does_not_repeat_what_an_earlier_one_opened(world: Any, wanted: Wanted) -> None:
    """A cron job would tell of it each time."""
    await world.start(wanted())
    await again(world, wanted(), watch=False)
    assert world.kinds() == []


@pytest.mark.parametrize("watch", [True, False], ids=["daemon", "one-pass"])
async def test_a_port_that_changed_while_nobody_ran_is_told(
    world: Any, device: FakeDevice, wanted: Wanted, watch: bool
) -> None:
    """By the first renewal, with the port that it was."""
    mapping = wanted(conflict=ConflictPolicy.NEXT)
    await world.start(mapping)
    await world.crash()
    device.other_port = 8123
    world.options = attrs.evolve(world.options, watch=watch)
    world.events.clear()
    await world.start(mapping)
    assert world.kinds() == [EventKind.EXTERNAL_PORT_CHANGED]
    assert (world.events[0].external_port, world.events[0].detail) == (8123, "was 80")


@pytest.mark.parametrize("watch", [True, False], ids=["daemon", "one-pass"])
async def test_an_address_that_changed_while_nobody_ran_is_told(
    world: Any, device: FakeDevice, wanted: Wanted, watch: bool
) -> None:
    """By the first renewal, after the port itself."""
    device.lie = lambda lease: attrs.evolve(lease, external_address=device.external)
    await world.start(wanted())
    await world.crash()
    device.external = ip_address("198.51.100.77")
    world.options = attrs.evolve(world.options, watch=watch)
    world.events.clear()
    await world.start(wanted())
    told = [EventKind.OPENED] if watch else []
    assert world.kinds() == [*told, EventKind.EXTERNAL_ADDRESS_CHANGED]
    assert {str(event.external_address) for event in world.events} == {"198.51.100.77"}


async def test_what_another_gateway_opens_in_its_place_is_told(
    new_world: NewWorld, device: FakeDevice, wanted: Wanted
) -> None:
    """When the one that had it does not renew it."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    world = new_world(pcp, upnp)
    await world.start(wanted())
    device.answers.append(NotAuthorized("no"))
    await again(world, wanted())
    assert [event.backend for event in world.events] == ["upnp"]
    assert world.kinds() == [EventKind.OPENED]


async def test_what_left_the_list_meanwhile_is_closed(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """A daemon owns its whole store."""
    await world.start(wanted(), wanted(81))
    await again(world, wanted())
    await clock.advance(5)
    assert device.open_ports() == {WEB}
    assert EventKind.CLOSED in world.kinds()


async def test_what_left_the_list_is_closed_though_nothing_is_wanted(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """The gateway is searched for the release alone."""
    await world.start(wanted())
    await again(world)
    await clock.advance(5)
    assert device.open_ports() == set()


async def test_one_pass_closes_only_what_its_own_sources_opened(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """Two cron jobs with two files leave each other alone."""
    await world.start(wanted(source="a"), wanted(81, source="a"), wanted(82, source="b"))
    await again(world, wanted(source="a"), scope={"a"})
    await clock.advance(5)
    assert device.open_ports() == {WEB, (Protocol.TCP, 82)}


async def test_a_renewal_that_fails_after_a_restart_closes_nothing(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """M13: the lease stands until it runs out, or until the gateway renews it."""
    await world.start(wanted())
    device.answers.extend([NotAuthorized("no"), GatewayTimeout("slow")])
    await again(world, wanted())
    await clock.advance(30)
    assert device.open_ports() == {WEB}
    assert device.asked("unmap") == []
    await clock.advance(300)
    assert world.state(wanted()) is MappingState.ACTIVE
    assert len({request.token for request in device.asked()}) == 1


async def test_a_request_whose_answer_was_never_seen_is_taken_up(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """It was written down before it was sent, so the next run asks with its token."""
    await world.start()
    device.hangs = True
    world.scheduler.set_wanted([wanted()])
    await clock.advance(1)
    device.hangs = False
    await again(world, wanted())
    first, second = device.asked()
    assert (first.token, second.held) == (second.token, None)
    assert len(list(world.store.leases)) == 1


async def test_what_ran_out_while_nobody_ran_is_forgotten(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """Nothing is asked for it."""
    await world.start(wanted())
    await world.crash()
    await clock.advance(4000)
    await world.start()
    await clock.advance(5)
    assert device.asked("unmap") == []
    assert list(world.store.leases) == []


async def test_another_address_of_ours_replaces_the_old_entry(
    upnp: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """M16: under `own`, though the gateway says that another host holds the port."""
    await upnp.start(wanted())
    upnp.network = on_network("192.168.88.77/24")
    await upnp.scheduler.network_changed()
    await clock.advance(5)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(upnp.store.leases)) == 1


async def test_another_address_after_a_restart_replaces_the_old_entry(
    upnp: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """M16: the store remembers that the old one was ours."""
    await upnp.start(wanted())
    upnp.network = on_network("192.168.88.77/24")
    await again(upnp, wanted())
    await clock.advance(5)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(upnp.store.leases)) == 1


async def test_an_old_entry_under_fail_is_left_until_it_is_released(
    upnp: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """Whatever the policy, the end is the port open for the address that we have."""
    mapping = wanted(conflict=ConflictPolicy.FAIL)
    await upnp.start(mapping)
    upnp.network = on_network("192.168.88.77/24")
    await upnp.scheduler.network_changed()
    await clock.advance(600)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"


async def test_an_old_entry_is_released_where_the_gateway_does_not_say_whose_it_is(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """M16 over PCP: the conflict is with our own lease, which no renewal would ever end."""
    device.names_holder = False
    device.permanent_only = True
    await world.start(wanted())
    world.network = on_network("192.168.88.77/24")
    await clock.advance(300)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(world.store.leases)) == 1


async def test_a_look_sees_another_network(
    upnp: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """Where nothing announces it, within an interval."""
    await upnp.start(wanted())
    upnp.network = on_network("192.168.88.77/24")
    await clock.advance(65)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"


async def test_a_target_that_is_gone_is_forgotten(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """Its search ends and its gateway is closed."""
    await world.start(wanted())
    old = world.backends[0].found[0]
    world.network = on_network("192.168.88.77/24")
    await clock.advance(130)
    assert old.closed
    assert len(world.scheduler.discovery.searches) == 1


async def test_no_network_at_all_is_survived(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """Wi-Fi off and on again."""
    before = world.network
    await world.start(wanted())
    world.network = on_network(gateway=None)
    await clock.advance(3700)
    assert world.state(wanted()) is not MappingState.ACTIVE
    world.network = before
    await clock.advance(125)
    assert world.state(wanted()) is MappingState.ACTIVE


def lease_of(stored: StoredLease, **changes: Any) -> StoredLease:
    """Return the same with another lease."""
    return attrs.evolve(stored, lease=attrs.evolve(stored.lease, **changes))


async def test_a_hole_that_another_protocol_keeps_open_is_not_closed(
    new_world: NewWorld, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """Many gateways have one table for all: what PCP opened, UPnP has renewed since."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    world = new_world(pcp, upnp)
    await world.start(wanted(backend="pcp"))
    await world.want(wanted(backend="upnp"))
    await clock.advance(5)
    assert device.open_ports() == {WEB}
    assert device.asked("unmap") == []
    await world.want()
    assert device.open_ports() == set()


async def test_an_unknown_backends_lease_hurts_nobody(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """Its plugin was uninstalled; the lease stays in the store until it runs out."""
    await world.start(wanted())
    (stored,) = world.store.leases
    await world.crash()
    world.store.put(lease_of(stored, token=b"x" * 12, backend="gone", gateway="gone:192.168.88.9"))
    await world.start(wanted())
    await clock.advance(120)
    assert len(list(world.store.leases)) == 2
    await clock.advance(3600)
    assert len(list(world.store.leases)) == 1


async def test_one_pass_waits_for_the_releases_it_can_do(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """It is settled when they are done, and not before the search is over."""
    await world.start(wanted(), wanted(81))
    await world.crash()
    await world.start(wanted(), run=False)
    settled = asyncio.create_task(world.scheduler.settled())
    await clock.advance(10)
    assert settled.done()
    assert device.open_ports() == {WEB}


async def test_one_pass_does_not_wait_for_a_gateway_that_is_gone(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """What it cannot release it leaves in the store."""
    await world.start(wanted())
    device.silent = True
    await world.crash()
    await world.start(run=False)
    settled = asyncio.create_task(world.scheduler.settled())
    await clock.advance(10)
    assert settled.done()
    assert len(list(world.store.leases)) == 1


async def test_many_mappings_cost_one_request_each(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """To open, to adopt and to close; what is left over is not walked through for each of them."""
    mappings = [wanted(port) for port in range(1, COUNT + 1)]
    counted = [0]
    original = StoredLease.expired

    def expired(stored: StoredLease, now: Any) -> bool:
        counted[0] += 1
        return original(stored, now)

    StoredLease.expired = expired  # type: ignore[method-assign]
    try:
        await world.start(*mappings)
        assert len(device.asked()) == COUNT
        await again(world, *mappings)
        assert len(device.asked()) == 2 * COUNT
        await world.want()
        await clock.advance(5)
    finally:
        StoredLease.expired = original  # type: ignore[method-assign]
    assert len(device.asked("unmap")) == COUNT
    assert counted[0] < 20 * COUNT
