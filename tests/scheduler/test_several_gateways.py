"""A host with two default routes, and mappings on all gateways."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, GatewayEvent, Target
from portmapper.api.errors import GatewayTimeout, NotAuthorized, RowError
from portmapper.api.events import EventKind
from portmapper.api.model import ALL_GATEWAYS, ANY_PORT, Family, Mapping, MappingState, Protocol
from portmapper.api.source import Row
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.network.placement import places, search_targets
from portmapper.observability.status import status_document
from portmapper.scheduler.inputs import AttemptNow
from portmapper.sources.address_syntax import parse_gateway
from portmapper.sources.row_parser import mappings_of
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
FIRST = ipaddress.ip_address("192.168.88.1")
SECOND = ipaddress.ip_address("192.168.99.1")
SAME_SIDE = ipaddress.ip_address("192.168.88.254")
HTTP = (Protocol.TCP, 80)


class Reachable(FakeBackend):
    """A protocol that reaches a device only at its own address, as PCP does."""

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the device at the target, if there is one."""
        async for gateway in super().discover(target):
            if gateway.address == target.gateway:
                yield gateway


def two_default_routes(second: ipaddress.IPv4Address | ipaddress.IPv6Address = SECOND) -> Network:
    """Return a network of two interfaces with a default route each, the first preferred."""
    eth0 = Interface("eth0", (ipaddress.ip_interface("192.168.88.10/24"),))
    eth1 = Interface("eth1", (ipaddress.ip_interface("192.168.99.10/24"),))
    side = "eth0" if second == SAME_SIDE else "eth1"
    return Network((eth0, eth1), (DefaultRoute("eth0", FIRST, 100), DefaultRoute(side, second, 200)))


@pytest.fixture
def devices(clock: FakeClock) -> list[FakeDevice]:
    """Two routers."""
    external = ipaddress.ip_address("198.51.100.9")
    return [FakeDevice(clock, address=FIRST), FakeDevice(clock, address=SECOND, external=external)]


@pytest.fixture
def two(new_harness: Callable[..., Any], devices: list[FakeDevice]) -> Any:
    """A host with a default route to each router."""
    backend = Reachable("upnp", *devices, kind=FakeListingGateway)
    return new_harness(backend, network=two_default_routes())


@pytest.fixture
def everywhere(desired: Desired) -> Mapping:
    """A web server that is open on all gateways."""
    return desired(gateway=ALL_GATEWAYS)


def states(harness: Any) -> dict[str | None, MappingState]:
    """Return the state of each entry, by gateway."""
    return {entry.mapping.gateway: entry.state for entry in harness.scheduler.records.values()}


async def test_the_default_gateway_opens_a_mapping(two, devices, desired):
    """The gateway with the lower metric, and no other."""
    await two.start(desired())
    assert [device.open_ports() for device in devices] == [{HTTP}, set()]


async def test_a_row_can_name_its_gateway(two, devices, desired):
    """Although another default route is preferred."""
    await two.start(desired(gateway=str(SECOND)))
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_lease_moves_back_when_its_gateway_returns(two, devices, desired, clock, announced):
    """At its announcement, or else when the search finds it; nothing stays open on the other gateway."""
    await two.start(desired())
    devices[0].silent = True
    devices[0].announce(GatewayEvent.GONE)
    await clock.advance(60)
    assert devices[1].open_ports() == {HTTP}
    devices[0].silent = False
    devices[0].restart(announced)
    await clock.advance(1 if announced else 61)
    assert [device.open_ports() for device in devices] == [{HTTP}, set()]
    assert two.state(desired()) is MappingState.ACTIVE


async def test_a_gateway_that_kept_its_table_is_not_asked_to_close_what_moves_back(
    two, devices, desired, clock
):
    """It was silent for a while, as when it disabled one protocol: its port stays open all the time."""
    await two.start(desired())
    devices[0].silent = True
    devices[0].announce(GatewayEvent.GONE)
    await clock.advance(60)
    assert devices[1].open_ports() == {HTTP}
    devices[0].silent = False
    devices[0].announce(GatewayEvent.RESTARTED)
    await clock.advance(10)
    assert devices[0].requested("unmap") == []
    assert [device.open_ports() for device in devices] == [{HTTP}, set()]


async def test_a_mapping_moves_to_a_better_gateway_that_was_silent_once(two, devices, desired, clock):
    """It answers each search, as when this host's link came up in the middle of the first request."""
    devices[0].answers.append(GatewayTimeout("no answer"))
    await two.start(desired())
    await clock.advance(10)
    assert [device.open_ports() for device in devices] == [{HTTP}, set()]


@pytest.mark.parametrize("change", ["route", "gateway"])
async def test_a_better_gateway_that_comes_back_during_a_renewal_gets_the_mapping(
    new_harness, devices, stacking_device_class, desired, clock, change
):
    """The other gateway answers the renewal only afterwards."""
    slow = stacking_device_class(clock)
    slow.address = SECOND
    backend = Reachable("upnp", devices[0], slow, kind=FakeListingGateway)
    both = two_default_routes()
    second_only = attrs.evolve(both, routes=both.routes[1:])
    harness = new_harness(backend, network=second_only if change == "route" else both)
    devices[0].silent = change == "gateway"
    await harness.start(desired())
    await clock.advance(30)
    assert [device.open_ports() for device in (devices[0], slow)] == [set(), {HTTP}]
    slow.answer_delays[Protocol.TCP] = 5
    harness.scheduler._writer.take(desired().key, AttemptNow())
    await clock.advance(0.1)
    devices[0].silent, harness.network = False, both
    await harness.scheduler.network_changed()
    harness.scheduler.discovery.search_all()
    await clock.advance(12)
    assert [device.open_ports() for device in (devices[0], slow)] == [{HTTP}, set()]


async def test_what_a_better_gateway_refuses_now_is_closed_there(two, devices, desired, clock):
    """The mapping stays at the other gateway, so nothing waits for the first."""
    await two.start(desired())
    devices[0].silent = True
    devices[0].announce(GatewayEvent.GONE)
    await clock.advance(60)
    devices[0].silent, devices[0].refusals = False, {80: NotAuthorized("no")}
    devices[0].announce(GatewayEvent.RESTARTED)
    await clock.advance(600)
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]


async def test_a_row_removed_while_its_gateway_is_away_is_closed_there_later(two, devices, desired, clock):
    """As soon as the gateway answers again."""
    await two.start(desired())
    devices[0].silent = True
    devices[0].announce(GatewayEvent.GONE)
    await clock.advance(60)
    two.scheduler.set_desired([])
    await clock.advance(1)
    devices[0].silent = False
    devices[0].announce(GatewayEvent.RESTARTED)
    await clock.advance(400)
    assert [device.open_ports() for device in devices] == [set(), set()]


async def test_a_refused_mapping_is_not_retried_after_each_search(two, devices, desired, clock):
    """It stays where it was opened."""
    devices[0].refusals = {80: NotAuthorized("no")}
    await two.start(desired())
    devices[0].calls.clear()
    for _ in range(10):
        two.scheduler.discovery.search_all()
        await clock.advance(20)
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]
    assert devices[0].requested() == []


async def test_all_gateways_each_get_an_entry_and_a_lease(two, devices, everywhere, clock):
    """In the status document, each has its gateway, its internal and its external address."""
    await two.start(everywhere)
    assert [device.open_ports() for device in devices] == [{HTTP}, {HTTP}]
    document = status_document(two.scheduler, (), clock.now(), clock)
    assert [(m["gateway"], m["internal_address"], m["external_address"]) for m in document["mappings"]] == [
        (str(FIRST), "192.168.88.10", "203.0.113.7"),
        (str(SECOND), "192.168.99.10", "198.51.100.9"),
    ]
    opened = [event.gateway for event in two.events if event.kind is EventKind.OPENED]
    assert opened == [str(FIRST), str(SECOND)]


async def test_one_pass_waits_for_every_gateway(two, devices, everywhere, clock):
    """Also if the second gateway is searched only after the first has answered."""
    await two.start(everywhere, run=False)
    await two.scheduler.settled()
    assert [device.open_ports() for device in devices] == [{HTTP}, {HTTP}]


async def test_a_gateway_that_goes_away_affects_only_its_own_entry(two, devices, everywhere, clock):
    """That entry is active again when the gateway is back."""
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
    """The first gateway's lease is not touched."""
    devices[1].silent = True
    await two.start(everywhere)
    assert states(two) == {str(FIRST): MappingState.ACTIVE}
    devices[1].silent = False
    await clock.advance(200)
    assert states(two) == {str(FIRST): MappingState.ACTIVE, str(SECOND): MappingState.ACTIVE}
    assert not devices[0].deleted


async def test_no_gateway_answers(two, devices, everywhere, clock):
    """There is one entry, and it says so."""
    for device in devices:
        device.silent = True
    await two.start(everywhere)
    await clock.advance(20)
    (entry,) = two.scheduler.records.values()
    assert (entry.state, entry.error) == (MappingState.PENDING, "no gateway answered")


async def test_a_silent_named_gateway_is_reported_by_name(two, devices, desired, clock):
    """The other gateway gets no request instead."""
    devices[1].silent = True
    await two.start(desired(gateway=str(SECOND)))
    await clock.advance(20)
    (entry,) = two.scheduler.records.values()
    assert entry.error == f"the gateway {SECOND} does not answer"
    assert not devices[0].requested()


async def test_both_leases_are_adopted_after_a_crash(two, devices, everywhere, clock):
    """With their tokens; nothing is closed in between."""
    await two.start(everywhere)
    before = {stored.lease.token for stored in two.store.leases}
    await two.crash()
    await two.start(everywhere)
    await clock.advance(30)
    assert {stored.lease.token for stored in two.store.leases} == before
    assert set(states(two).values()) == {MappingState.ACTIVE}
    assert not any(device.deleted for device in devices)


async def test_a_removed_row_is_closed_on_all_gateways(two, devices, everywhere, clock):
    """No lease is left on either."""
    await two.start(everywhere)
    await two.set_desired()
    await clock.advance(5)
    assert not any(device.open_ports() for device in devices)
    assert not list(two.store.leases)


async def test_release_all_closes_the_ports_on_all_gateways(two, devices, everywhere, clock):
    """A search that finishes during the release reopens nothing."""
    await two.start(everywhere)
    two.scheduler.discovery.search_all()
    await two.scheduler.release_all()
    await clock.advance(5)
    assert not any(device.open_ports() for device in devices)


async def test_an_edit_from_all_gateways_to_one_closes_the_other(two, devices, everywhere, clock):
    """The remaining lease is adopted, not reopened."""
    await two.start(everywhere)
    await two.set_desired(attrs.evolve(everywhere, gateway=str(SECOND)))
    await clock.advance(5)
    assert [device.open_ports() for device in devices] == [set(), {HTTP}]
    assert not devices[1].deleted


async def test_a_conflict_on_one_gateway_does_not_affect_the_other(two, devices, everywhere, clock):
    """The third-party entry stays."""
    other_host = ipaddress.ip_address("192.168.99.77")
    devices[1].occupy(*HTTP, other_host)
    await two.start(everywhere)
    assert states(two) == {str(FIRST): MappingState.ACTIVE, str(SECOND): MappingState.CONFLICT}
    assert devices[1].table[HTTP].internal_address == other_host


async def test_an_own_entry_is_replaced_on_one_of_two_gateways(two, devices, everywhere):
    """As after the loss of the lease store."""
    devices[1].occupy(*HTTP, ipaddress.ip_address("192.168.99.10"), 8080)
    await two.start(everywhere)
    assert set(states(two).values()) == {MappingState.ACTIVE}


async def test_any_port_is_remembered_for_each_gateway(two, devices, desired, clock):
    """The store has the port that each of them granted."""
    devices[1].other_port = 40000
    mapping = desired(ANY_PORT, internal_port=80, gateway=ALL_GATEWAYS)
    await two.start(mapping)
    assert sorted(two.store.ports.values()) == [80, 40000]


async def test_two_gateways_on_one_lan(new_harness, clock, everywhere):
    """The second default route of an interface is searched too."""
    devices = [FakeDevice(clock, address=FIRST), FakeDevice(clock, address=SAME_SIDE)]
    backend = Reachable("upnp", *devices, kind=FakeListingGateway)
    await new_harness(backend, network=two_default_routes(SAME_SIDE)).start(everywhere)
    assert [device.open_ports() for device in devices] == [{HTTP}, {HTTP}]


def test_every_default_route_is_searched() -> None:
    """A further default route of an interface gets its own search."""
    found = search_targets(two_default_routes(SAME_SIDE))
    assert [str(target.gateway) for target in found] == [str(FIRST), "None", str(SAME_SIDE)]


def test_a_gateway_without_a_default_route_is_asked_from_its_own_interface(desired: Desired) -> None:
    """Such as a VPN's gateway; no other gateway may answer there."""
    (place,) = places(desired(gateway="192.168.99.7"), two_default_routes(), None)
    assert (str(place.internal_address), place.target.interface) == ("192.168.99.10", "eth1")
    assert place.target.chosen


def test_a_row_can_name_one_of_the_chosen_gateways(desired: Desired) -> None:
    """A row for a gateway that was not chosen has no place."""
    local = ipaddress.ip_address("192.168.88.10")
    chosen = [Target(local, gateway=FIRST, chosen=True), Target(local, gateway=SECOND, chosen=True)]
    found = places(desired(gateway=str(SECOND)), two_default_routes(), chosen)
    assert [place.target.gateway for place in found] == [SECOND]
    assert not places(desired(gateway="192.168.99.7"), two_default_routes(), chosen)


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_valid_gateway_values(text: str, expected: str | None) -> None:
    """In upper or lower case; addresses are normalized."""
    assert parse_gateway(text) == expected


@pytest.mark.parametrize(
    "text",
    ["every", "192.168.88", "192.168.88.1:5351", "http://192.168.88.1/", "0.0.0.0", "224.0.0.1", "fe80::1"],
)
def test_an_invalid_gateway_is_rejected_with_its_value(text: str) -> None:
    """The message has the field and the value."""
    with pytest.raises(RowError, match="gateway") as caught:
        parse_gateway(text)
    assert text in caught.value.reason


def test_a_gateway_address_implies_its_family() -> None:
    """A row that sets another family is rejected."""
    fields = {"port": "80", "protocol": "tcp", "gateway": "fe80::1%eth0"}
    assert [m.family for m in mappings_of(Row(fields, "line 2", "line 2, column {}"), "x")] == [Family.IPV6]
    with pytest.raises(RowError, match="gateway: fe80::1%eth0 does not match the family ipv4"):
        mappings_of(Row({**fields, "family": "ipv4"}, "line 2", "line 2, column {}"), "x")
