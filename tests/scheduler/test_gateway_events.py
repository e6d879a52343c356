"""Restarts, ends and new external addresses of gateways."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from portmapper.api.backend import GatewayEvent
from portmapper.api.errors import NoResources
from portmapper.api.events import EventKind
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

OTHER_HOST = ipaddress.ip_address("192.168.88.66")
WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def test_a_restart_renews_everything_within_a_second(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Over every protocol of the device, whichever of them noticed the restart."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    mappings = [desired(1000 + port, backend="upnp" if port % 2 else "pcp") for port in range(40)]
    await harness.start(*mappings)
    watcher = harness.scheduler.discovery.gateways[0]
    device.restart(announced=False)
    watcher._notify(GatewayEvent.RESTARTED)
    assert {harness.state(mapping) for mapping in mappings} == {MappingState.PENDING}
    await clock.advance(1)
    assert len(device.open_ports()) == 40
    assert {harness.state(mapping) for mapping in mappings} == {MappingState.ACTIVE}
    assert harness.kinds()[40:] == [EventKind.GATEWAY_RESTARTED]


async def test_a_restart_is_reported_once_for_a_device_with_several_protocols(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The event says how many mappings are reopened; the next restart is its own event."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired(), desired(81, backend="upnp"))
    for _ in range(2):
        device.restart(announced=False)
        for gateway in harness.scheduler.discovery.gateways:
            gateway._notify(GatewayEvent.RESTARTED)
        await clock.advance(2)
    assert details_of_restarts(harness) == ["reopening 2 mappings"] * 2


async def test_a_restart_that_only_another_protocol_tells_of_is_a_new_one(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """NAT-PMP told of the first one only, and PCP of the second one: its table is younger than the report."""
    harness, by_name = await over_two_protocols(new_harness, device, desired)
    for backend in ("natpmp", "pcp"):
        device.restart(announced=False)
        await clock.advance(3)
        by_name[backend].table_age = 3.0
        by_name[backend]._notify(GatewayEvent.RESTARTED)
        await clock.advance(2)
        assert len(device.open_ports()) == 2
    assert details_of_restarts(harness) == ["reopening 2 mappings"] * 2


async def test_a_late_report_of_a_restart_is_no_new_one(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """NAT-PMP told of the restart before, and is asked half a minute after PCP has told of this one."""
    harness, by_name = await over_two_protocols(new_harness, device, desired)
    for backend, age, passed in (("natpmp", 0.0, 60), ("pcp", 4.0, 30), ("natpmp", 34.0, 1)):
        by_name[backend].table_age = age
        by_name[backend]._notify(GatewayEvent.RESTARTED)
        await clock.advance(passed)
    assert details_of_restarts(harness) == ["reopening 2 mappings"] * 2


async def over_two_protocols(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> tuple[Any, dict[str, Any]]:
    """Open a mapping over each of two protocols; return the harness, and the gateways by protocol."""
    harness = new_harness(FakeBackend("natpmp", device), FakeBackend("pcp", device))
    await harness.start(desired(), desired(81, backend="natpmp"))
    return harness, {gateway.backend: gateway for gateway in harness.scheduler.discovery.gateways}


def details_of_restarts(harness: Any) -> list[str]:
    """Return what the reports of restarts say."""
    return [event.detail for event in harness.events if event.kind is EventKind.GATEWAY_RESTARTED]


async def test_a_goodbye_is_reported_once_for_a_device_until_it_is_back(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Whichever protocol reports it."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired())
    for _ in range(2):
        for gateway in harness.scheduler.discovery.gateways:
            gateway._notify(GatewayEvent.GONE)
        await clock.advance(10)
    assert harness.kinds().count(EventKind.GATEWAY_LOST) == 2


async def test_a_new_external_address_of_a_device_with_several_protocols_is_reported_once(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Each protocol learns of it; the event for the gateway is one."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired(), desired(81, backend="upnp"))
    device.external = ipaddress.ip_address("203.0.113.99")
    device.announce(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)
    await clock.advance(1)
    changed = [e for e in harness.events if e.kind is EventKind.EXTERNAL_ADDRESS_CHANGED]
    assert sorted(e.external_port or 0 for e in changed) == [0, 80, 81]


async def test_a_gateway_that_is_down_after_a_restart_is_retried_until_it_is_up(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Every few seconds, not at the next renewal time of the lease."""
    calm.options = Options(interval=60)
    await calm.start(desired())
    device.restart()
    device.silent = True
    await clock.advance(45)
    assert calm.state(desired()) is MappingState.PENDING
    device.silent = False
    await clock.advance(75)
    assert device.open_ports() == {WEB}


async def test_a_gateway_that_says_goodbye_is_searched_again(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """And its leases are renewed."""
    await harness.start(desired())
    device.restart(announced=False)
    device.announce(GatewayEvent.GONE)
    await clock.advance(5)
    assert harness.backends[0].searches == 2
    assert device.open_ports() == {WEB}
    assert EventKind.GATEWAY_LOST in harness.kinds()


async def test_a_new_external_address_is_reported_for_each_mapping(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """One event for the gateway and one for each mapping; the leases stay."""
    await harness.start(desired(), desired(81))
    device.external = ipaddress.ip_address("203.0.113.99")
    device.announce(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)
    await clock.advance(1)
    changed = [e for e in harness.events if e.kind is EventKind.EXTERNAL_ADDRESS_CHANGED]
    assert [e.external_port for e in changed] == [None, 80, 81]
    assert harness.lease(desired()).external_address == device.external
    assert len(device.requested()) == 2


async def test_leases_that_expired_while_the_gateway_was_away_are_reopened_at_once(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Its announcement also ends the pauses of mappings without a lease."""
    mappings = [desired(80 + number, duration=600) for number in range(4)]
    await harness.start(*mappings)
    device.announce(GatewayEvent.GONE)
    device.silent = True
    await clock.advance(900)
    assert {harness.state(mapping) for mapping in mappings} == {MappingState.FAILED}
    device.silent = False
    device.restart()
    await clock.advance(0.5)
    assert len(device.open_ports()) == 4


async def test_the_first_answer_after_an_outage_ends_the_pauses_of_all_mappings(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Nothing announces the return: one mapping is retried within an interval; its answer opens them all."""
    mappings = [desired(80 + number, duration=600) for number in range(8)]
    await harness.start(*mappings)
    device.silent = True
    await clock.advance(900)
    failures = harness.kinds().count(EventKind.FAILED)
    device.silent = False
    device.restart(announced=False)
    for _ in range(60):
        await clock.advance(1)
        if device.open_ports():
            break
    await clock.advance(0.5)
    assert len(device.open_ports()) == 8
    assert harness.kinds().count(EventKind.FAILED) == failures


async def test_a_restart_ends_the_pause_after_a_refusal(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The gateway's table is empty now, and its rules may have changed."""
    device.refusals[80] = NoResources("full")
    await harness.start(desired())
    await clock.advance(300)
    assert harness.state(desired()) is MappingState.REFUSED
    device.refusals.clear()
    device.restart()
    await clock.advance(0.5)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_a_restart_does_not_take_the_port_of_another_host(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The other host has time to reopen it; our mapping is retried after its pause, as before."""
    device.occupy(*WEB, OTHER_HOST)
    await harness.start(desired())
    await clock.advance(300)
    assert harness.state(desired()) is MappingState.CONFLICT
    device.restart()
    await clock.advance(5)
    assert device.open_ports() == set()


async def test_leases_move_away_from_a_protocol_that_is_gone(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """After the search has missed it twice, and long before the lease's renewal."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    harness.options = Options(interval=10**6)
    await harness.start(desired(duration=86400))
    assert harness.lease(desired()).backend == "pcp"
    pcp.devices = ()
    harness.scheduler.discovery.search_all()
    await clock.advance(10)
    assert harness.lease(desired()).backend == "upnp"
    assert device.open_ports() == {WEB}
    assert device.deleted == []


async def test_a_protocol_that_appears_on_a_known_device_means_a_restart(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """What was open over another protocol moves; a protocol found in the first search means nothing."""
    pcp, upnp = FakeBackend("pcp"), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired())
    before = FakeDevice(clock, table={})
    pcp.devices, upnp.devices = (before,), ()
    device.silent = True
    harness.scheduler.discovery.search_all()
    await clock.advance(3)
    assert harness.lease(desired()).backend == "pcp"
    assert before.open_ports() == {WEB}


async def test_a_repeated_goodbye_of_one_protocol_is_reported_once(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Although the device answers over another protocol in between, as when UPnP was disabled."""
    upnp = FakeDevice(clock, table=device.table)
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", upnp, kind=FakeListingGateway))
    await harness.start(desired())
    for _ in range(3):
        upnp.announce(GatewayEvent.GONE)
        device.announce(GatewayEvent.RESTARTED)
        await clock.advance(1)
    assert [event.kind for event in harness.events].count(EventKind.GATEWAY_LOST) == 1
