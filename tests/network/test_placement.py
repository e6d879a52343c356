"""The places of mappings: internal addresses and targets."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest

from portmapper.api.backend import Target
from portmapper.api.model import Family, Mapping
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.network.placement import places, search_targets

Desired = Callable[..., Mapping]

LAN = Interface("lan0", (ipaddress.ip_interface("192.168.1.5/24"), ipaddress.ip_interface("fd00::5/64")))
WAN = Interface("wan0", (ipaddress.ip_interface("10.0.0.5/8"), ipaddress.ip_interface("10.9.0.5/16")))
SIX = Interface("six0", (ipaddress.ip_interface("fd01::5/64"),))
ROUTER = ipaddress.ip_address("10.0.0.1")
HOME = Network((LAN, WAN, SIX), (DefaultRoute("wan0", ROUTER),))


def where(mapping: Mapping, chosen: list[Target] | None = None) -> list[tuple[str, str]]:
    """Return the internal address and the interface of each place."""
    return [(str(place.internal_address), place.target.interface) for place in places(mapping, HOME, chosen)]


def test_an_empty_address_is_this_host_on_the_default_route_first(desired: Desired) -> None:
    """Every other interface follows."""
    assert where(desired()) == [("10.0.0.5", "wan0"), ("192.168.1.5", "lan0")]


def test_only_the_interface_of_the_default_route_has_a_gateway(desired: Desired) -> None:
    """On the other interfaces, only a multicast search can find one."""
    gateways = {place.target.interface: place.target.gateway for place in places(desired(), HOME, None)}
    assert gateways == {"wan0": ROUTER, "lan0": None}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("192.168.1.0/24", [("192.168.1.5", "lan0")]),
        ("10.9.0.0/16", [("10.9.0.5", "wan0")]),
        ("172.16.0.0/12", []),
        ("0.0.0.0/0", [("10.0.0.5", "wan0"), ("192.168.1.5", "lan0")]),
    ],
)
def test_a_network_is_this_host_on_an_interface_in_it(
    desired: Desired, network: str, expected: list[tuple[str, str]]
) -> None:
    """With the address in that network, and on no other interface."""
    assert where(desired(address=ipaddress.ip_network(network))) == expected


def test_a_secondary_address_is_mapped_from_itself(desired: Desired) -> None:
    """A gateway opens a port for the sender of the request only."""
    (place,) = places(desired(address=ipaddress.ip_address("10.9.0.5")), HOME, None)
    assert (str(place.target.local_address), place.target.gateway) == ("10.9.0.5", ROUTER)


def test_a_mapping_to_another_host_is_placed_on_the_link_of_that_host(desired: Desired) -> None:
    """On the interface that reaches the host."""
    assert where(desired(address=ipaddress.ip_address("192.168.1.77"))) == [("192.168.1.77", "lan0")]


def test_a_mapping_to_a_distant_host_is_placed_on_every_interface(desired: Desired) -> None:
    """The host may be behind an internal router."""
    host = "172.16.0.9"
    assert where(desired(address=ipaddress.ip_address(host))) == [(host, "wan0"), (host, "lan0")]


def test_a_pinhole_is_requested_from_an_ipv6_address(desired: Desired) -> None:
    """On each interface that has one."""
    assert where(desired(family=Family.IPV6)) == [("fd00::5", "lan0"), ("fd01::5", "six0")]


def test_a_named_gateway_replaces_all_others(desired: Desired) -> None:
    """The internal address is our address on the route to it."""
    named = Target(ipaddress.ip_address("10.0.0.5"), gateway=ROUTER, chosen=True)
    (place,) = places(desired(), HOME, [named])
    assert (place.target, str(place.internal_address)) == (named, "10.0.0.5")


def test_a_named_gateway_maps_a_network_only_from_an_address_in_it(desired: Desired) -> None:
    """Another host's address is used as written."""
    named = [Target(ipaddress.ip_address("10.0.0.5"), gateway=ROUTER, chosen=True)]
    assert where(desired(address=ipaddress.ip_network("192.168.1.0/24")), named) == []
    assert where(desired(address=ipaddress.ip_network("10.0.0.0/8")), named) == [("10.0.0.5", "")]
    assert where(desired(address=ipaddress.ip_address("192.168.1.77")), named) == [("192.168.1.77", "")]


def test_without_a_reachable_named_gateway_there_is_no_place(desired: Desired) -> None:
    """Other gateways are not used instead."""
    assert where(desired(), []) == []


def test_every_interface_with_an_address_is_searched() -> None:
    """Interfaces with a default route first."""
    assert [target.interface for target in search_targets(HOME)] == ["wan0", "lan0"]
