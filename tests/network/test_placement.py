"""For whom a mapping is, and which gateways are asked for it."""

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
    """Return the internal addresses, each with the interface it is asked on."""
    return [(str(place.internal_address), place.target.interface) for place in places(mapping, HOME, chosen)]


def test_an_empty_address_is_this_host_on_the_default_route_first(desired: Desired) -> None:
    """Then on every other interface."""
    assert where(desired()) == [("10.0.0.5", "wan0"), ("192.168.1.5", "lan0")]


def test_only_the_default_routes_interface_has_a_gateway_to_ask(desired: Desired) -> None:
    """The others can be searched by multicast only."""
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
    """With the address that lies there, and nowhere else."""
    assert where(desired(address=ipaddress.ip_network(network))) == expected


def test_another_host_is_asked_for_where_it_is_near(desired: Desired) -> None:
    """On the interface that reaches it."""
    assert where(desired(address=ipaddress.ip_address("192.168.1.77"))) == [("192.168.1.77", "lan0")]


def test_a_host_that_is_nowhere_near_is_asked_for_everywhere(desired: Desired) -> None:
    """It may lie behind a router of our own."""
    host = "172.16.0.9"
    assert where(desired(address=ipaddress.ip_address(host))) == [(host, "wan0"), (host, "lan0")]


def test_a_pinhole_is_asked_for_from_an_ipv6_address(desired: Desired) -> None:
    """On each interface that has one."""
    assert where(desired(family=Family.IPV6)) == [("fd00::5", "lan0"), ("fd01::5", "six0")]


def test_a_named_gateway_takes_the_place_of_all_others(desired: Desired) -> None:
    """This host is the address that we have towards it."""
    named = Target(ipaddress.ip_address("10.0.0.5"), gateway=ROUTER, chosen=True)
    (place,) = places(desired(), HOME, [named])
    assert (place.target, str(place.internal_address)) == (named, "10.0.0.5")


def test_a_named_gateway_asks_for_a_network_only_from_within(desired: Desired) -> None:
    """And for another host as it was written."""
    named = [Target(ipaddress.ip_address("10.0.0.5"), gateway=ROUTER, chosen=True)]
    assert where(desired(address=ipaddress.ip_network("192.168.1.0/24")), named) == []
    assert where(desired(address=ipaddress.ip_network("10.0.0.0/8")), named) == [("10.0.0.5", "")]
    assert where(desired(address=ipaddress.ip_address("192.168.1.77")), named) == [("192.168.1.77", "")]


def test_no_named_gateway_that_can_be_reached_is_no_place_at_all(desired: Desired) -> None:
    """It is not a reason to ask others."""
    assert where(desired(), []) == []


def test_everywhere_is_every_interface_with_an_address() -> None:
    """Default routes first."""
    assert [target.interface for target in search_targets(HOME)] == ["wan0", "lan0"]
