"""Default routes as each system tells them."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from portmapper import network
from portmapper.network import DefaultRoute, Interface, Network, read_network

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LITTLE = pytest.mark.skipif(network.sys.byteorder == "big", reason="the table is in host byte order")


@LITTLE
def test_linuxs_table_is_read(tmp_path: Path) -> None:
    """Only default routes that have a gateway."""
    table = tmp_path / "route"
    table.write_text(
        HEADER
        + "eth0\t00000000\t0158A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        + "eth0\t0058A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        + "tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n"
        + "tun1\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
    )
    assert list(network._linux_routes(table)) == [
        DefaultRoute("eth0", ipaddress.ip_address("192.168.88.1"), 100)
    ]


def test_a_table_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    """A container may hide it."""
    assert list(network._linux_routes(tmp_path / "missing")) == []


def test_the_answers_of_bsd_and_windows_are_read() -> None:
    """Each in its own words; what is not understood is no route."""
    bsd = "   route to: default\n    gateway: 192.168.88.1\n  interface: en0\n"
    assert list(network._bsd_route(bsd)) == [DefaultRoute("en0", ipaddress.ip_address("192.168.88.1"))]
    windows = "Destination Netmask Gateway\n  0.0.0.0  0.0.0.0  192.168.88.1  192.168.88.10  25\n"
    (route,) = network._windows_routes(windows)
    assert (str(route.gateway), route.metric) == ("192.168.88.1", 25)
    assert list(network._bsd_route("route: not in table")) == []
    assert list(network._windows_routes("nothing")) == []


def test_interfaces_come_in_the_order_of_their_routes() -> None:
    """Those without a default route last, in their own order."""
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
    """Whatever it is, loopback is not part of it."""
    for interface in read_network().interfaces:
        assert not any(address.ip.is_loopback for address in interface.addresses)
