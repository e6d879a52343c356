"""Discovery decides when a target is searched again, and which gateways are watched."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Backend, GatewayEvent, Target
from portmapper.api.model import MapRequest, Protocol
from portmapper.gateways.brief import NothingKnown
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)


@pytest.fixture
async def discover(clock: FakeClock) -> AsyncIterator[Callable[..., Discovery]]:
    """Create discoveries that end with the test; their events are appended to `events`."""
    created: list[Any] = []

    def make(*backends: Backend, searched: Callable[[Probe], None] = lambda search: None) -> Any:
        discovery: Any = Discovery(
            backends,
            NothingKnown(),
            clock=clock,
            longest_pause=60,
            on_search=searched,
            on_event=lambda gateway, event: discovery.events.append((gateway.backend, event)),
        )
        discovery.events = []
        created.append(discovery)
        return discovery

    yield make
    for discovery in created:
        await discovery.close()


async def test_a_target_without_gateways_is_searched_with_growing_delays(
    discover: Callable[..., Any], clock: FakeClock
) -> None:
    """The delay grows to one interval, and the search never ends."""
    backend = FakeBackend("pcp")
    discover(backend).search(TARGET)
    await clock.advance(10)
    assert 3 <= backend.searches <= 6
    await clock.advance(3600)
    assert 45 <= backend.searches <= 100


async def test_a_target_with_a_gateway_is_searched_only_on_request(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Searching it again without a reason would cost packets."""
    backend = FakeBackend("pcp", device)
    discovery = discover(backend)
    discovery.search(TARGET)
    await clock.advance(86400)
    assert backend.searches == 1
    discovery.search_again(TARGET)
    await clock.advance(1)
    assert backend.searches == 2


async def test_a_missing_protocol_is_searched_for_a_limited_time(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """The delay grows, and the search ends, because the protocol may be switched off permanently."""
    pcp = FakeBackend("pcp", device)
    discovery = discover(pcp, FakeBackend("upnp", device))
    discovery.search(TARGET)
    await clock.advance(10)
    pcp.devices = ()
    discovery.search_again(TARGET)
    await clock.advance(3600)
    assert 10 <= pcp.searches <= 13
    pcp.devices = (device,)
    discovery.search_again(TARGET)
    await clock.advance(10)
    assert [gateway.backend for gateway in discovery.gateways] == ["pcp", "upnp"]


async def test_there_is_at_most_one_round_per_second(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Regardless of the number of requests."""
    backend = FakeBackend("pcp", device)
    discovery = discover(backend)
    discovery.search(TARGET)
    for _ in range(100):
        discovery.search_all()
        await clock.advance(0.1)
    assert backend.searches <= 11


async def test_mappings_share_the_search_of_a_target(discover: Callable[..., Any], clock: FakeClock) -> None:
    """A target is never searched twice at the same time."""
    discovery = discover(FakeBackend("pcp"))
    assert discovery.search(TARGET) is discovery.search(TARGET)


async def test_a_gateway_is_watched_once(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Even if it is found again. Each protocol reports its own events."""
    discovery = discover(FakeBackend("pcp", device), FakeBackend("upnp", device))
    discovery.search(TARGET)
    await clock.advance(2)
    discovery.search_all()
    await clock.advance(2)
    device.announce(GatewayEvent.RESTARTED)
    assert sorted(discovery.events) == [("pcp", GatewayEvent.RESTARTED), ("upnp", GatewayEvent.RESTARTED)]


async def test_a_target_that_is_gone_reports_no_events(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Its gateways are closed, even during a search."""
    backend = FakeBackend("pcp", device)
    backend.endless = True
    discovery = discover(backend)
    discovery.search(TARGET)
    await clock.advance(1)
    await discovery.forget(TARGET)
    assert backend.found[0].closed
    device.announce(GatewayEvent.RESTARTED)
    assert discovery.events == []
    assert discovery.gateways == []


async def test_a_gateway_is_found_by_its_identity(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """The store contains the identity."""
    backend = FakeBackend("pcp", device)
    discovery = discover(backend)
    discovery.search(TARGET)
    await clock.advance(1)
    assert discovery.gateway("pcp:192.168.88.1") is backend.found[0]
    assert discovery.gateway("pcp:192.168.88.9") is None


async def test_unused_searches_end_unless_their_gateway_holds_a_lease(
    discover: Callable[..., Any], clock: FakeClock, device: FakeDevice
) -> None:
    """Only the gateway object that is reached from the lease's address can release it."""
    discovery = discover(FakeBackend("pcp", device))
    search = discovery.search(TARGET)
    await clock.advance(1)
    (gateway,) = discovery.gateways
    request = MapRequest(Protocol.TCP, TARGET.local_address, 80, 80)
    lease = attrs.evolve(await gateway.map(request), gateway=gateway.identity)
    await discovery.close_unused([search], [], [lease])
    assert discovery.gateways == [gateway]
    await discovery.close_unused([search], [TARGET], [])
    assert discovery.gateways == [gateway]
    await discovery.close_unused([search], [], [])
    assert discovery.gateways == []
