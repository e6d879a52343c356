"""Interfaces and default routes of Linux, from the kernel's messages."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys

import pytest

from portmapper.network import linux
from portmapper.network.host import read_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses rtnetlink")


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute with its padding."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def number(value: int) -> bytes:
    """Return a number as the kernel does."""
    return struct.pack("=I", value)


def link(index: int, name: bytes, flags: int = 0x41) -> bytes:
    """Return a message about a link."""
    return struct.pack("=BxHiII", 0, 1, index, flags, 0) + attribute(3, name + b"\0")


def address(index: int, own: str, prefix: int, flags: int = 0x80) -> bytes:
    """Return a message about an address."""
    raw = ipaddress.ip_address(own).packed
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    return struct.pack("=BBBBI", family, prefix, flags, 0, index) + attribute(1, raw)


def route(*attributes: bytes, family: int = socket.AF_INET, bits: int = 0, table: int = 254) -> bytes:
    """Return a message about a route."""
    return struct.pack("=BBBBBBBBI", family, bits, 0, 0, table, 3, 0, 1, 0) + b"".join(attributes)


GATEWAY = attribute(5, bytes([192, 168, 88, 1]))


@pytest.mark.parametrize(
    "name", [b"eth0", "büro0".encode(), b"b\xfcro0", b"a%b", "a\u2003b".encode(), b"\xff"]
)
def test_the_name_of_an_interface_may_be_any_bytes(monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    """And they survive the way back to the system."""
    answers = {18: [link(2, name)], 22: [address(2, "192.168.88.10", 24)], 26: []}
    monkeypatch.setattr(linux, "_dump", lambda _, request: iter(answers[request]))
    ((found, addresses, _),), _ = linux.read()
    assert found.encode("utf-8", "surrogateescape") == name
    assert os.fsencode(found) == name
    assert addresses == (ipaddress.ip_interface("192.168.88.10/24"),)


def test_an_interface_without_a_link_or_address_is_not_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback addresses do not count."""
    answers = {
        18: [link(1, b"lo"), link(2, b"eth0", flags=0x1), link(3, b"eth1")],
        22: [address(1, "127.0.0.1", 8), address(1, "::1", 128), address(2, "192.168.88.10", 24)],
        26: [route(attribute(4, number(2)), GATEWAY)],
    }
    monkeypatch.setattr(linux, "_dump", lambda _, request: iter(answers[request]))
    interfaces, routes = linux.read()
    assert interfaces == []
    assert [interface for interface, _, _ in routes] == ["eth0"]


def test_transient_addresses_are_recognized_by_their_flags() -> None:
    """Temporary, deprecated and tentative addresses are transient; a permanent one is not."""
    flags = {"1": 0x80, "2": 0x01, "3": 0x20, "4": 0xC0}
    messages = [address(2, f"2001:db8::{last}", 64, flag) for last, flag in flags.items()]
    found = {str(own.ip): transient for _, own, transient in linux.parse_addresses(iter(messages))}
    assert found == {"2001:db8::1": False, "2001:db8::2": True, "2001:db8::3": True, "2001:db8::4": True}


def test_only_default_routes_with_a_gateway_in_the_main_table_count() -> None:
    """A route without a metric has the metric 0."""
    oif = attribute(4, number(2))
    messages = [
        route(oif, GATEWAY, attribute(6, number(100))),
        route(oif, GATEWAY),
        route(oif, GATEWAY, bits=24),
        route(oif),
        route(oif, GATEWAY, table=51),
        route(attribute(4, number(9)), GATEWAY),
    ]
    gateway = ipaddress.ip_address("192.168.88.1")
    assert list(linux.parse_routes(iter(messages), {2: "eth0"})) == [
        ("eth0", gateway, 100),
        ("eth0", gateway, 0),
    ]


def test_each_hop_of_a_multipath_route_is_a_route() -> None:
    """Either of them may be used."""
    hops = b"".join(struct.pack("=HBBi", 8 + len(GATEWAY), 0, 0, index) + GATEWAY for index in (2, 3))
    found = linux.parse_routes(iter([route(attribute(9, hops))]), {2: "eth0", 3: "eth1"})
    assert [interface for interface, _, _ in found] == ["eth0", "eth1"]


def test_a_link_local_gateway_gets_its_zone() -> None:
    """An interface whose name is no valid zone is left out."""
    gateway = attribute(5, ipaddress.ip_address("fe80::1").packed)
    messages = [route(attribute(4, number(index)), gateway, family=socket.AF_INET6) for index in (2, 3)]
    (found,) = linux.parse_routes(iter(messages), {2: "eth0", 3: "a%b"})
    assert str(found[1]) == "fe80::1%eth0"


@pytest.mark.parametrize("answer", [bytes(16), struct.pack("=IHHII", 5000, 16, 0, 0, 0), b"\xff" * 20])
def test_a_damaged_answer_is_an_error(answer: bytes) -> None:
    """It never loops."""
    with pytest.raises(OSError, match="damaged"):
        list(linux._messages(answer))


def test_an_error_of_the_kernel_is_raised() -> None:
    """With its text."""
    with (
        linux.connected(socket.NETLINK_ROUTE) as kernel,
        pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)),
    ):
        list(linux._dump(kernel, 9999))


def test_this_host_is_read_without_proc() -> None:
    """The kernel answers for every interface."""
    network = read_network()
    assert {found.interface for found in network.routes} <= {i.name for i in network.interfaces}
