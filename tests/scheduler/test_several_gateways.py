"""A host with two ways out: which gateway a mapping is for, and what is kept open on all of them."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, GatewayEvent, Target
from portmapper.api.errors import NotAuthorized, RowError
from portmapper.api.events import EventKind
from portmapper.api.model import ALL_GATEWAYS, ANY_PORT, Family, Mapping, MappingState, Protocol
from portmapper.api.source import Row
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.network.placement import places, search_targets
from portmapper.observability.status import status_document
from portmapper.sources.address_syntax import parse_gateway
from portmapper.sources.row_parser import mappings_of
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]

FIRST = ipaddress.ip_address("192.168.88.1")
SECOND = ipaddress.ip_address("192.168.99.1")
SAME_SIDE = ipaddress.ip_address("192.168.88.254")


class Reachable(FakeBackend):
    """A protocol that reaches a device at its own address alone, as PCP does."""

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the device at the target, if there is one."""
        async for gateway in super().discover(target):
            if gateway.address == target.gateway:
                yield gateway


def two_ways_out(second: ipaddress.IPv4Address | ipaddress.IPv6Address = SECOND) -> Network:
    """Return a network of two interfaces with a default route each, the first preferred."""
    eth0 = Interface("eth0", (ipaddress.ip_interface("192.168.88.10/24"),))
    eth1 = Interface("eth1", (ipaddress.ip_interface("192.168.99.10/24"),))
    side = "eth0" if second == SAME_SIDE else "eth1"
    return Network((eth0, eth1), (DefaultRoute("eth0", FIRST, 100), DefaultRoute(side, second, 200)))


@pytest.fixture
def devices(clock: FakeClock) -> list[FakeDevice]:
    """Two routers."""
    outside = ipaddress.ip_address("198.51.100.9")
    return [FakeDevice(clock, address=FIRST), FakeDevice(clock, address=SECOND, external=outside)]


@pytest.fixture
def two(new_harness: Callable[..., Any], devices: list[FakeDevice]) -> Any:
    """A host between them."""
    backend = Reachable("upnp", *devices, kind=FakeListingGateway)
    return new_harness(backend, network=two_ways_out())


@pytest.fixture
def everywhere(desired: Desired) -> Mapping:
    """A web server that is kept open on all gateways."""
    return desired(gateway=ALL_GATEWAYS)


HTTP = (Protocol.TCP, 80)


def states(harness: Any) -> dict[str | None, MappingState]:
    """Return the state of each entry, by the gateway that it is for."""
    return {entry.mapping.gateway: entry.state for entry in harness.scheduler.entries.values()}


async def test_without_a_word_it_is_the_default_gateway(two, devices, desired):
    """The one with the lower metric, and no other."""
    await two.start(desired())
    assert [device.open_ports() for device in devices] == [{HTTP}, set()]


async def test_an_address_names_one_gateway(two, devices, desired):
    """Though it is not that of the preferred route."""
    await two.start(desired(gateway=str(SECOND)))
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]


@pytest.mark.parametrize("announced", [True, False])
async def test_what_moved_from_a_gateway_that_was_away_returns(two, devices, desired, clock, announced):
    """As soon as it announces itself, else when the search finds it; and nothing is left at the other."""
    await two.start(desired())
    devices[0].silent = True
    devices[0].tell(GatewayEvent.GONE)
    await clock.advance(60)
    assert devices[1].open_ports() == {HTTP}
    devices[0].silent = False
    devices[0].restart(announced)
    await clock.advance(1 if announced else 61)
    assert [device.open_ports() for device in devices] == [{HTTP}, set()]
    assert two.state(desired()) is MappingState.ACTIVE


async def test_what_a_gateway_refused_is_not_tried_there_whenever_it_is_found(two, devices, desired, clock):
    """It stays where it could be opened."""
    devices[0].refusals = {80: NotAuthorized("no")}
    await two.start(desired())
    devices[0].calls.clear()
    for _ in range(10):
        two.scheduler.discovery.search_all()
        await clock.advance(20)
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]
    assert devices[0].requested() == []


async def test_all_is_an_entry_and_a_lease_for_each_gateway(two, devices, everywhere, clock):
    """In the status document each names its gateway, its internal and its external address."""
    await two.start(everywhere)
    assert [device.open_ports() for device in devices] == [{HTTP}, {HTTP}]
    document = status_document(two.scheduler, (), clock.now(), clock)
    assert [(m["gateway"], m["internal_address"], m["external_address"]) for m in document["mappings"]] == [
        (str(FIRST), "192.168.88.10", "203.0.113.7"),
        (str(SECOND), "192.168.99.10", "198.51.100.9"),
    ]
    opened = [event.gateway for event in two.events if event.kind is EventKind.OPENED]
    assert opened == [str(FIRST), str(SECOND)]


async def test_a_pass_waits_for_every_gateway(two, devices, everywhere, clock):
    """Also where the second one's side is not asked before the first has answered."""
    await two.start(everywhere, run=False)
    await two.scheduler.settled()
    assert [device.open_ports() for device in devices] == [{HTTP}, {HTTP}]


async def test_a_gateway_that_goes_away_takes_its_own_entry_only(two, devices, everywhere, clock):
    """And has it back when it is there again."""
    await two.start(everywhere)
    devices[1].silent = True
    devices[1].table.clear()
    await clock.advance(4000)
    assert states(two)[str(FIRST)] is MappingState.ACTIVE
    assert states(two)[str(SECOND)] is not MappingState.ACTIVE
    assert not devices[0].deleted
    devices[1].silent = False
    await clock.advance(200)
    assert set(states(two).values()) == {MappingState.ACTIVE}


async def test_a_gateway_that_answers_later_is_added(two, devices, everywhere, clock):
    """The first one's lease is not touched for it."""
    devices[1].silent = True
    await two.start(everywhere)
    assert states(two) == {str(FIRST): MappingState.ACTIVE}
    devices[1].silent = False
    await clock.advance(200)
    assert states(two) == {str(FIRST): MappingState.ACTIVE, str(SECOND): MappingState.ACTIVE}
    assert not devices[0].deleted


async def test_nobody_answers(two, devices, everywhere, clock):
    """It is one entry, which says so."""
    for device in devices:
        device.silent = True
    await two.start(everywhere)
    await clock.advance(20)
    (entry,) = two.scheduler.entries.values()
    assert (entry.state, entry.error) == (MappingState.PENDING, "no gateway answered")


async def test_a_named_gateway_that_is_silent_is_told_by_name(two, devices, desired, clock):
    """The other one is not asked in its place."""
    devices[1].silent = True
    await two.start(desired(gateway=str(SECOND)))
    await clock.advance(20)
    (entry,) = two.scheduler.entries.values()
    assert entry.error == f"the gateway {SECOND} does not answer"
    assert not devices[0].requested()


async def test_both_leases_are_adopted_after_a_crash(two, devices, everywhere, clock):
    """With their tokens, and nothing is closed in between."""
    await two.start(everywhere)
    before = {stored.lease.token for stored in two.store.leases}
    await two.crash()
    await two.start(everywhere)
    await clock.advance(30)
    assert {stored.lease.token for stored in two.store.leases} == before
    assert set(states(two).values()) == {MappingState.ACTIVE}
    assert not any(device.deleted for device in devices)


async def test_a_row_that_is_gone_is_closed_everywhere(two, devices, everywhere, clock):
    """Nothing stays behind on either."""
    await two.start(everywhere)
    await two.want()
    await clock.advance(5)
    assert not any(device.open_ports() for device in devices)
    assert not list(two.store.leases)


async def test_closing_on_exit_closes_everywhere(two, devices, everywhere, clock):
    """A search that answers meanwhile opens nothing again."""
    await two.start(everywhere)
    two.scheduler.discovery.search_all()
    await two.scheduler.release_all()
    await clock.advance(5)
    assert not any(device.open_ports() for device in devices)


async def test_from_all_to_one_closes_the_other(two, devices, everywhere, clock):
    """The one that stays is adopted, not opened anew."""
    await two.start(everywhere)
    await two.want(attrs.evolve(everywhere, gateway=str(SECOND)))
    await clock.advance(5)
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]
    assert not devices[1].deleted


async def test_a_conflict_on_one_is_none_on_the_other(two, devices, everywhere, clock):
    """A stranger's entry stays."""
    stranger = ipaddress.ip_address("192.168.99.77")
    devices[1].occupy(*HTTP, stranger)
    await two.start(everywhere)
    assert states(two) == {str(FIRST): MappingState.ACTIVE, str(SECOND): MappingState.CONFLICT}
    assert devices[1].table[HTTP].internal_address == stranger


async def test_our_own_entry_is_replaced_though_the_other_gateway_has_one_too(two, devices, everywhere):
    """As after a loss of the lease store."""
    devices[1].occupy(*HTTP, ipaddress.ip_address("192.168.99.10"), 8080)
    await two.start(everywhere)
    assert set(states(two).values()) == {MappingState.ACTIVE}


async def test_any_port_is_kept_for_each_gateway(two, devices, desired, clock):
    """Each is asked for the one that it gave."""
    devices[1].other_port = 40000
    mapping = desired(ANY_PORT, internal_port=80, gateway=ALL_GATEWAYS)
    await two.start(mapping)
    assert sorted(two.store.ports.values()) == [80, 40000]


async def test_two_gateways_on_one_lan(new_harness, clock, everywhere):
    """The second default route of an interface is asked too."""
    devices = [FakeDevice(clock, address=FIRST), FakeDevice(clock, address=SAME_SIDE)]
    backend = Reachable("upnp", *devices, kind=FakeListingGateway)
    await new_harness(backend, network=two_ways_out(SAME_SIDE)).start(everywhere)
    assert [device.open_ports() for device in devices] == [{HTTP}, {HTTP}]


def test_every_default_route_is_searched() -> None:
    """The further one of an interface is asked for itself."""
    found = search_targets(two_ways_out(SAME_SIDE))
    assert [str(target.gateway) for target in found] == [str(FIRST), "None", str(SAME_SIDE)]


def test_a_gateway_of_no_default_route_is_asked_from_its_own_side(desired: Desired) -> None:
    """As a VPN's is; nobody else may answer there."""
    (place,) = places(desired(gateway="192.168.99.7"), two_ways_out(), None)
    assert (str(place.internal_address), place.target.interface) == ("192.168.99.10", "eth1")
    assert place.target.chosen


def test_of_the_named_gateways_a_row_picks_its_own(desired: Desired) -> None:
    """One that is not among them has no place."""
    local = ipaddress.ip_address("192.168.88.10")
    chosen = [Target(local, gateway=FIRST, chosen=True), Target(local, gateway=SECOND, chosen=True)]
    found = places(desired(gateway=str(SECOND)), two_ways_out(), chosen)
    assert [place.target.gateway for place in found] == [SECOND]
    assert not places(desired(gateway="192.168.99.7"), two_ways_out(), chosen)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", None),
        ("default", None),
        ("Default", None),
        ("ALL", ALL_GATEWAYS),
        ("192.168.88.1", "192.168.88.1"),
        ("FE80::1%eth0", "fe80::1%eth0"),
        ("2001:DB8::1", "2001:db8::1"),
    ],
)
def test_what_a_gateway_may_be_called(text: str, meant: str | None) -> None:
    """In any case, and as an address is spelt usually."""
    assert parse_gateway(text) == meant


@pytest.mark.parametrize(
    "text",
    ["every", "192.168.88", "192.168.88.1:5351", "http://192.168.88.1/", "0.0.0.0", "224.0.0.1", "fe80::1"],
)
def test_what_is_no_gateway_is_refused_with_its_value(text: str) -> None:
    """The field and what was written there."""
    with pytest.raises(RowError, match="gateway") as caught:
        parse_gateway(text)
    assert text in caught.value.reason


def test_a_gateway_has_a_family() -> None:
    """It is the row's, unless that says otherwise."""
    fields = {"port": "80", "protocol": "tcp", "gateway": "fe80::1%eth0"}
    assert [m.family for m in mappings_of(Row(fields, "line 2", "line 2, column {}"), "x")] == [Family.IPV6]
    with pytest.raises(RowError, match="gateway: fe80::1%eth0 does not match the family ipv4"):
        mappings_of(Row({**fields, "family": "ipv4"}, "line 2", "line 2, column {}"), "x")
