"""The topology knows the places of mappings and notices changes of the network."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import ALL_GATEWAYS, Family, Mapping
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.network.topology import MOST_GATEWAYS, Topology

Desired = Callable[..., Mapping]
GATEWAY = ipaddress.ip_address("192.168.88.1")


def network(*addresses: str, routes: bool = True) -> Network:
    """Return a network of one interface with these addresses."""
    interface = Interface("eth0", tuple(ipaddress.ip_interface(address) for address in addresses))
    return Network((interface,), (DefaultRoute("eth0", GATEWAY),) if routes else ())


@pytest.fixture
def host() -> list[Network]:
    """The network that the topology reads next, as the only item."""
    return [network("192.168.88.10/24")]


@pytest.fixture
def topology(host: list[Network]) -> Topology:
    """A topology without named gateways."""
    return Topology(lambda: host[0], ())


def test_a_refresh_returns_the_families_that_changed(topology: Topology, host: list[Network]) -> None:
    """Leases of the other family are not renewed."""
    assert topology.refresh() == frozenset()
    host[0] = network("192.168.88.10/24", "2001:db8::5/64")
    assert topology.refresh() == {Family.IPV6}
    host[0] = network("192.168.88.11/24", "2001:db8::5/64")
    assert topology.refresh() == {Family.IPV4}


def test_places_follow_the_network(topology: Topology, host: list[Network], desired: Desired) -> None:
    """They are cached until the next refresh."""
    assert topology.places_of(desired()) is topology.places_of(desired(81))
    assert [str(place.internal_address) for place in topology.places_of(desired())] == ["192.168.88.10"]
    host[0] = network("192.168.88.11/24")
    topology.refresh()
    assert [str(place.internal_address) for place in topology.places_of(desired())] == ["192.168.88.11"]


def test_a_target_that_is_gone_is_not_current(topology: Topology, host: list[Network]) -> None:
    """Its search can end."""
    (target,) = topology.targets()
    assert topology.is_current(target)
    host[0] = network("10.0.0.5/24", routes=False)
    topology.refresh()
    assert not topology.is_current(target)


def test_a_mapping_for_all_gateways_is_expanded_to_those_that_answered(
    topology: Topology, desired: Desired
) -> None:
    """Before the first answer it stays as it is, and a gateway that was added stays."""
    mapping = desired(gateway=ALL_GATEWAYS)
    (target,) = topology.targets()
    assert list(topology.expand([mapping])) == [mapping]
    assert list(topology.all_gateway_targets) == [target]
    assert topology.add_gateways(target, [GATEWAY])
    assert not topology.add_gateways(target, [GATEWAY])
    assert [m.gateway for m in topology.expand([mapping, desired(81)])] == ["192.168.88.1", None]


def test_the_number_of_gateways_of_a_target_is_limited(topology: Topology, desired: Desired) -> None:
    """Any host on the LAN could answer as a gateway."""
    (target,) = topology.targets()
    topology.add_gateways(target, [ipaddress.ip_address(f"192.168.88.{last}") for last in range(100, 150)])
    assert len(list(topology.expand([desired(gateway=ALL_GATEWAYS)]))) == MOST_GATEWAYS


def test_a_new_gateway_matters_only_to_mappings_for_all_gateways(
    topology: Topology, desired: Desired
) -> None:
    """Without such a mapping there is nothing to expand again."""
    list(topology.expand([desired()]))
    (target,) = topology.targets()
    assert not topology.add_gateways(target, [GATEWAY])


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"address": ipaddress.ip_network("10.0.0.0/8")}, "no interface of this host is in 10.0.0.0/8"),
        ({"gateway": "10.9.9.9"}, "no route to the gateway 10.9.9.9"),
        ({"family": Family.IPV6}, "this host has no stable global IPv6 address"),
        ({}, "this host has no IPv4 address"),
    ],
)
def test_the_reason_for_having_no_place_is_explained(
    topology: Topology, desired: Desired, more: dict[str, Any], reason: str
) -> None:
    """`status` shows it as the mapping's error."""
    assert topology.explain_no_place(desired(**more)) == reason


def test_named_gateways_replace_the_search(host: list[Network], desired: Desired) -> None:
    """A mapping of another family, or for another gateway, has no place."""
    topology = Topology(lambda: host[0], ("127.0.0.1",))
    assert [str(target.gateway) for target in topology.targets()] == ["127.0.0.1"]
    assert topology.explain_no_place(desired(family=Family.IPV6)) == "no IPv6 gateway is named"
    other = desired(gateway="10.9.9.9")
    assert topology.places_of(other) == []
    assert topology.explain_no_place(other).endswith(", or it is not one of the named gateways")


def test_an_invalid_named_gateway_is_a_usage_error(host: list[Network]) -> None:
    """It is reported at the start."""
    with pytest.raises(UsageError):
        Topology(lambda: host[0], ("router",))
