"""Interfaces and default routes are read from each system."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import attrs

from portmapper.api.model import Family
from portmapper.network.host import DefaultRoute, Interface, Network, read_network


def test_interfaces_are_sorted_by_their_routes() -> None:
    """Interfaces without a default route are last, in their original order."""
    one, two, three = (
        Interface(name, (ipaddress.ip_interface(f"10.0.{number}.1/24"),))
        for number, name in enumerate(("one", "two", "three"))
    )
    gateway = ipaddress.ip_address("10.0.2.9")
    seen = Network((one, two, three), (DefaultRoute("three", gateway),))
    assert seen.by_preference() == [three, one, two]
    assert seen.default_gateway("three") == gateway
    assert seen.default_gateway("three", 6) is None
    assert seen.is_ours(ipaddress.ip_address("10.0.1.1"))
    assert not seen.is_ours(ipaddress.ip_address("10.0.1.2"))


def test_this_hosts_network_can_be_read() -> None:
    """It does not contain loopback addresses."""
    for interface in read_network().interfaces:
        assert not any(address.ip.is_loopback for address in interface.addresses)


def side(*addresses: str, transient: Sequence[str] = ()) -> Interface:
    """Return an interface with these addresses."""
    own = tuple(ipaddress.ip_interface(f"{address}/64") for address in addresses)
    return Interface("eth0", own, frozenset(map(ipaddress.ip_address, transient)))


def test_stable_addresses_are_global_and_not_transient() -> None:
    """A unique local address counts only if there is no global one."""
    here = side("fe80::5", "fd00::5", "2001:db8::5", "2001:db8::6", transient=["2001:db8::6"])
    assert [str(address) for address in here.stable_ipv6] == ["2001:db8::5"]
    assert [str(address) for address in side("fe80::5", "fd00::5").stable_ipv6] == ["fd00::5"]
    assert side("fe80::5").first_address(6) is None


def test_new_addresses_come_after_known_ones() -> None:
    """Regardless of the order of the system."""
    before = Network((side("2001:db8::5"),), ())
    after = Network((side("2001:db8::1", "2001:db8::5"),), ()).ordered_like(before)
    assert [str(address) for address in after.interfaces[0].stable_ipv6] == ["2001:db8::5", "2001:db8::1"]


def test_a_gateway_that_lost_the_default_route_is_remembered_while_it_is_on_a_link() -> None:
    """A VPN took the route. Another gateway, another network or a missing link ends it."""
    home = ipaddress.ip_address("192.168.88.1")
    eth0 = Interface("eth0", (ipaddress.ip_interface("192.168.88.5/24"),))
    before = Network((eth0,), (DefaultRoute("eth0", home),))
    behind_vpn = Network((eth0,), ()).with_former_gateways_of(before)
    assert behind_vpn.default_gateway("eth0") == home
    still = Network((eth0,), ()).with_former_gateways_of(behind_vpn)
    assert still.default_gateway("eth0") == home
    other = Network((eth0,), (DefaultRoute("eth0", ipaddress.ip_address("192.168.88.254")),))
    assert str(other.with_former_gateways_of(still).default_gateway("eth0")) == "192.168.88.254"
    away = Interface("eth0", (ipaddress.ip_interface("10.0.0.5/24"),))
    assert Network((away,), ()).with_former_gateways_of(still).default_gateway("eth0") is None
    gone = Network((), ()).with_former_gateways_of(still)
    assert Network((eth0,), ()).with_former_gateways_of(gone).default_gateway("eth0") is None


def test_a_change_of_one_family_does_not_concern_the_other() -> None:
    """A new IPv6 address does not renew IPv4 leases, and a transient one renews nothing."""
    four = ipaddress.ip_interface("192.168.88.5/24")
    before = Network((Interface("eth0", (four,)),), ())
    after = Network((Interface("eth0", (four, *side("2001:db8::5").addresses)),), ())
    assert before.relevant_to(Family.IPV4) == after.relevant_to(Family.IPV4)
    assert before.relevant_to(Family.IPV6) != after.relevant_to(Family.IPV6)
    transient = Network(
        (attrs.evolve(after.interfaces[0], transient=frozenset(after.interfaces[0].stable_ipv6)),), ()
    )
    assert transient.relevant_to(Family.IPV6) == before.relevant_to(Family.IPV6)
