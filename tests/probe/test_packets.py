"""Packets are parsed without trust, and the kernel's filter accepts the same ones."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from portmapper.api.model import Protocol
from portmapper.probe.packets import Arrival, parse_packet

V4 = bytes([0x45, *[0] * 8, 6, 0, 0, 198, 51, 100, 7, 192, 168, 88, 2])
SYN_SEGMENT = struct.pack("!HHIIBBHHH", 40000, 8080, 0, 0, 0x50, 0x02, 0, 0, 0)
SYN_ACK_SEGMENT = struct.pack("!HHIIBBHHH", 40000, 8080, 0, 0, 0x50, 0x12, 0, 0, 0)
V6 = bytes([0x60, 0, 0, 0, 0, 0, 6, 64]) + ip_address("2001:db8::1").packed + ip_address("2001:db8::2").packed


def test_a_first_packet_is_found() -> None:
    """Over IPv4 and IPv6."""
    expected = Arrival(Protocol.TCP, ip_address("198.51.100.7"), 40000, 8080)
    assert parse_packet(V4 + SYN_SEGMENT) == expected
    found = parse_packet(V6 + SYN_SEGMENT)
    assert found is not None
    assert str(found.source) == "2001:db8::1"


def test_answers_and_other_datagrams_are_ignored() -> None:
    """Only what opens a connection counts, and only datagrams of a probe."""
    udp = V4[:9] + bytes([17]) + V4[10:] + struct.pack("!HHHH", 40000, 8080, 28, 0)
    assert parse_packet(V4 + SYN_ACK_SEGMENT) is None
    assert parse_packet(udp + b"anything") is None
    assert parse_packet(udp + b"PMPPnonce") == Arrival(
        Protocol.UDP, ip_address("198.51.100.7"), 40000, 8080, b"PMPPnonce"
    )


@pytest.mark.parametrize("length", range(len(V4 + SYN_SEGMENT) - 6))
def test_a_short_packet_is_ignored(length: int) -> None:
    """The kernel may cut packets off."""
    assert parse_packet((V4 + SYN_SEGMENT)[:length]) is None
