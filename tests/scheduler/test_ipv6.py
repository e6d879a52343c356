"""Pinholes: for which addresses they are opened, and what a new prefix does to them."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import pytest

from portmapper.api.backend import Gateway, Target
from portmapper.api.model import ConflictPolicy, Family, IPAddress, Mapping, MappingState
from portmapper.api.source import Row
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.network.placement import pinhole_addresses, places, search_targets
from portmapper.sources.field_parsers import FAMILIES
from portmapper.sources.row_parser import mappings_of
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
ROUTER = ipaddress.ip_address("fe80::1%eth0")
FOUR = ipaddress.ip_interface("192.168.88.10/24")
FORMER, LATTER = ipaddress.ip_address("2001:db8:1::10"), ipaddress.ip_address("2001:db8:2::10")


class BothFamilies(FakeBackend):
    """A protocol that also opens pinholes, with a separate table for each host."""

    families = frozenset(Family)

    def __init__(self, name: str, device: FakeDevice) -> None:
        super().__init__(name, device)
        self.pinholes: dict[IPAddress, FakeDevice] = {}

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the router as it is reached from the target's address."""
        host = target.local_address
        if target.family is Family.IPV6:
            device = self.pinholes.setdefault(host, FakeDevice(self.devices[0].clock, address=ROUTER))
            yield FakeGateway(device, self.name, host)
        else:
            async for gateway in super().discover(target):
                yield gateway


def home(*hosts: ipaddress.IPv6Address, transient: Sequence[ipaddress.IPv6Address] = ()) -> Network:
    """Return a dual-stack network of one interface with these IPv6 addresses."""
    own = tuple(ipaddress.ip_interface(f"{host}/64") for host in hosts)
    side = Interface("eth0", (FOUR, *own), frozenset(transient))
    routes = (DefaultRoute("eth0", ipaddress.ip_address("192.168.88.1")), DefaultRoute("eth0", ROUTER))
    return Network((side,), routes)


@pytest.fixture
def pinhole(desired: Desired) -> Mapping:
    """A web server over IPv6."""
    return desired(family=Family.IPV6)


@pytest.fixture
def six(new_harness: Callable[..., object], device: FakeDevice) -> object:
    """A host with one IPv6 address, at a device that supports both families."""
    return new_harness(BothFamilies("pcp", device), network=home(FORMER))


def test_a_pinhole_is_requested_from_its_own_address(pinhole: Mapping) -> None:
    """The request goes to the link-local router, with its zone."""
    (place,) = places(pinhole, home(FORMER, LATTER), None)
    assert (place.internal_address, place.target.local_address) == (FORMER, FORMER)
    assert str(place.target.gateway) == "fe80::1%eth0"


def test_every_stable_address_gets_a_pinhole_but_no_temporary_one() -> None:
    """In the order of the interface's addresses."""
    assert pinhole_addresses(home(FORMER, LATTER), None) == [FORMER, LATTER]
    assert pinhole_addresses(home(FORMER, LATTER, transient=[FORMER]), None) == [LATTER]


def test_a_named_address_of_this_host_requests_its_own_pinhole(desired: Desired) -> None:
    """Even a temporary address, because the row names it."""
    network = home(FORMER, LATTER, transient=[LATTER])
    (place,) = places(desired(family=Family.IPV6, address=LATTER), network, None)
    assert (place.internal_address, place.target.local_address) == (LATTER, LATTER)


def test_routers_of_both_families_are_searched() -> None:
    """IPv4 first."""
    assert [str(target.gateway) for target in search_targets(home(FORMER))] == [
        "192.168.88.1",
        "fe80::1%eth0",
    ]


async def test_each_stable_address_has_an_entry(six, pinhole, clock):
    """The first is the mapping's own entry; the others name their address."""
    six.network = home(FORMER, LATTER)
    await six.start(pinhole)
    leases = [entry.lease for entry in six.scheduler.records.values()]
    assert [lease.internal_address for lease in leases] == [FORMER, LATTER]
    assert [entry.mapping.address for entry in six.scheduler.records.values()] == [None, LATTER]


async def test_the_external_port_of_a_pinhole_is_its_internal_port(six, desired):
    """Whatever the list says, because no port is translated."""
    mapping = desired(80, internal_port=8080, family=Family.IPV6)
    await six.start(mapping)
    assert (six.lease(mapping).external_port, six.lease(mapping).internal_port) == (8080, 8080)
    assert six.state(mapping) is MappingState.ACTIVE


async def test_a_new_prefix_replaces_the_pinhole(six, pinhole, device, clock):
    """As soon as the network change is noticed."""
    await six.start(pinhole)
    six.network = home(LATTER)
    await six.scheduler.network_changed()
    await clock.advance(1)
    assert six.lease(pinhole).internal_address == LATTER
    assert [stored.lease.internal_address for stored in six.store.leases] == [LATTER]


async def test_an_address_that_becomes_the_first_keeps_its_pinhole(six, pinhole, device, clock):
    """The new prefix appears before the old one goes; its lease moves and is not reopened."""
    await six.start(pinhole)
    six.network = home(FORMER, LATTER)
    await six.scheduler.network_changed()
    await clock.advance(1)
    token = next(s.lease.token for s in six.store.leases if s.lease.internal_address == LATTER)
    six.network = home(FORMER, LATTER, transient=[FORMER])
    await six.scheduler.network_changed()
    await clock.advance(1)
    assert len(six.scheduler.records) == 1
    assert (six.lease(pinhole).internal_address, six.lease(pinhole).token) == (LATTER, token)


async def test_an_ipv6_change_does_not_affect_ipv4(six, desired, clock):
    """The lease is not even renewed."""
    mapping = desired()
    await six.start(mapping)
    entry = six.scheduler.records[mapping.key]
    granted = entry.granted_at
    await clock.advance(5)
    six.network = home(LATTER)
    await six.scheduler.network_changed()
    await clock.advance(1)
    assert entry.granted_at == granted


async def test_the_same_port_of_both_families_is_no_conflict(six, desired, clock):
    """Not even if our IPv4 address changed and the old entry is in the way."""
    four, pinhole = desired(), desired(family=Family.IPV6)
    await six.start(four, pinhole)
    (side,) = six.network.interfaces
    addresses = (ipaddress.ip_interface("192.168.88.11/24"), *side.addresses[1:])
    six.network = attrs.evolve(six.network, interfaces=(attrs.evolve(side, addresses=addresses),))
    await six.scheduler.network_changed()
    await clock.advance(1)
    assert str(six.lease(four).internal_address) == "192.168.88.11"
    assert six.state(pinhole) is MappingState.ACTIVE


async def test_a_mapping_without_an_address_of_its_family_is_pending(new_harness, device, desired):
    """Its error names the missing address, because no gateway is at fault."""
    four, pinhole = desired(), desired(family=Family.IPV6)
    only_four = attrs.evolve(home(), routes=home().routes[:1])
    harness = await new_harness(BothFamilies("pcp", device), network=only_four).start(pinhole)
    entry = harness.scheduler.records[pinhole.key]
    assert (entry.state, entry.error) == (
        MappingState.PENDING,
        "this host has no stable global IPv6 address",
    )
    side = Interface("eth0", (ipaddress.ip_interface(f"{FORMER}/64"),))
    only_six = Network((side,), (DefaultRoute("eth0", ROUTER),))
    harness = await new_harness(BothFamilies("pcp", device), network=only_six).start(four, pinhole)
    assert harness.state(pinhole) is MappingState.ACTIVE
    entry = harness.scheduler.records[four.key]
    assert (entry.state, entry.error) == (MappingState.PENDING, "this host has no IPv4 address")


async def test_a_backend_without_ipv6_gets_no_request(new_harness, device, pinhole):
    """The mapping is refused, and the error names the backend."""
    harness = await new_harness(FakeBackend("natpmp", device), network=home(FORMER)).start(
        attrs.evolve(pinhole, backend="natpmp", conflict=ConflictPolicy.OWN)
    )
    (entry,) = harness.scheduler.records.values()
    assert (entry.state, entry.error) == (MappingState.REFUSED, "NAT-PMP: does not support IPv6")
    assert not harness.scheduler.discovery.gateways


async def test_silence_over_ipv6_delays_nothing_over_ipv4(six, desired, clock):
    """Each family has its own searches and requests."""
    (backend,) = six.backends
    four, pinhole = desired(), desired(family=Family.IPV6)
    backend.pinholes[FORMER] = FakeDevice(clock, address=ROUTER, hangs=True)
    await six.start(pinhole, four)
    assert six.state(four) is MappingState.ACTIVE
    assert six.state(pinhole) is MappingState.PENDING


@pytest.mark.parametrize(
    ("default", "fields", "families"),
    [
        ("both", {}, [Family.IPV4, Family.IPV6]),
        ("ipv6", {}, [Family.IPV6]),
        ("both", {"family": "ipv4"}, [Family.IPV4]),
        ("ipv6", {"address": "192.168.1.1"}, [Family.IPV4]),
        ("ipv4", {"address": "2001:db8::1"}, [Family.IPV6]),
    ],
)
def test_the_default_family_applies_to_rows_without_one(
    default: str, fields: dict[str, str], families: list[Family]
) -> None:
    """An address implies its family."""
    row = Row({"port": "80", "protocol": "tcp", **fields}, "line 2", "line 2, column {}")
    assert [mapping.family for mapping in mappings_of(row, "x", families=FAMILIES[default])] == families
