"""The routes of Windows, from the tables of the IP Helper API."""

from __future__ import annotations

import ipaddress
import socket
import struct

from portmapper.network import windows
from portmapper.network.windows import Adapter, merge, parse_address, parse_table

GATEWAY = ipaddress.ip_address("192.168.88.1")
OTHER = ipaddress.ip_address("192.168.88.2")
ROUTER = ipaddress.ip_address("fe80::1%7")


def row(destination: str, mask: str, hop: str, index: int, metric: int) -> bytes:
    """Return a MIB_IPFORWARDROW."""
    first = b"".join(map(socket.inet_aton, (destination, mask)))
    last = struct.pack("<10I", index, 4, 3, 0, 0, metric, 0, 0, 0, 0)
    return first + struct.pack("<I", 0) + socket.inet_aton(hop) + last


def table(*rows: bytes) -> bytes:
    """Return a MIB_IPFORWARDTABLE, in a buffer that is too large."""
    return struct.pack("<I", len(rows)) + b"".join(rows) + bytes(100)


def test_only_default_routes_with_a_gateway_are_in_the_table() -> None:
    """A network, and a route without a next hop, are not."""
    seen = table(
        row("0.0.0.0", "0.0.0.0", "192.168.88.1", 7, 25),
        row("192.168.88.0", "255.255.255.0", "192.168.88.10", 7, 281),
        row("0.0.0.0", "0.0.0.0", "0.0.0.0", 8, 5),
    )
    assert list(parse_table(seen)) == [(7, GATEWAY, 25)]


def test_a_table_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    """The number of rows is not trusted."""
    seen = struct.pack("<I", 2**32 - 1) + row("0.0.0.0", "0.0.0.0", "192.168.88.1", 7, 25)
    assert list(parse_table(seen)) == [(7, GATEWAY, 25)]
    assert list(parse_table(b"")) == []


def test_gateways_of_both_versions_have_their_metrics() -> None:
    """The table's metric is that of the route; without a row, the adapter's metric applies."""
    adapter = Adapter("Ethernet", (7, 9), (20, 30), (GATEWAY, ROUTER))
    assert list(merge([adapter], [(7, GATEWAY, 25)])) == [("Ethernet", GATEWAY, 25), ("Ethernet", ROUTER, 30)]
    assert next(merge([adapter], [])) == ("Ethernet", GATEWAY, 20)


def test_a_route_that_only_the_table_has_is_found() -> None:
    """An adapter that is down has no routes."""
    adapter = Adapter("Ethernet", (7, 9), (20, 30), ())
    assert list(merge([adapter], [(7, OTHER, 5), (8, GATEWAY, 1)])) == [("Ethernet", OTHER, 5)]


def test_addresses_of_both_versions_are_parsed() -> None:
    """A link-local address has its zone; the family of IPv6 has another number than elsewhere."""
    ipv4 = struct.pack("<HH", socket.AF_INET, 0) + GATEWAY.packed + bytes(8)
    link_local = struct.pack("<HHI", 23, 0, 0) + ROUTER.packed + struct.pack("<I", 7)
    public = ipaddress.ip_address("2001:db8::1")
    ipv6 = struct.pack("<HHI", 23, 0, 0) + public.packed + struct.pack("<I", 7)
    assert [parse_address(data) for data in (ipv4, link_local, ipv6)] == [GATEWAY, ROUTER, public]
    assert parse_address(b"") is parse_address(b"\x17\x00") is parse_address(bytes(28)) is None


def test_the_structure_has_the_offsets_of_the_system() -> None:
    """They are those of iptypes.h for 64 bits."""
    assert windows._AdapterAddresses.gateways.offset == (208 if struct.calcsize("P") == 8 else 136)
