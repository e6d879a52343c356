"""Packets are parsed without trust, and the kernel's filter accepts the same ones."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from portmapper.api.model import Protocol
from portmapper.probe.evidence import OpenPort
from portmapper.probe.packets import (
    _AND,
    _FILTER_V4,
    _FILTER_V6,
    _JUMP_EQUAL,
    _LD_BYTE,
    _LD_HEADER,
    _LD_INDEXED_BYTE,
    _LD_INDEXED_WORD,
    _RETURN,
    Arrival,
    PacketWatch,
    parse_packet,
)

SENDER, HOST = ip_address("198.51.100.7"), ip_address("192.168.88.2")
V4 = bytes([0x45, *[0] * 8, 6, 0, 0, 198, 51, 100, 7, 192, 168, 88, 2])
SYN_SEGMENT = struct.pack("!HHIIBBHHH", 40000, 8080, 0, 0, 0x50, 0x02, 0, 0, 0)
SYN_ACK_SEGMENT = struct.pack("!HHIIBBHHH", 40000, 8080, 0, 0, 0x50, 0x12, 0, 0, 0)
V6 = bytes([0x60, 0, 0, 0, 0, 0, 6, 64]) + ip_address("2001:db8::1").packed + ip_address("2001:db8::2").packed


def test_a_first_packet_is_found() -> None:
    """Over IPv4 and IPv6."""
    expected = Arrival(Protocol.TCP, SENDER, 40000, HOST, 8080)
    assert parse_packet(V4 + SYN_SEGMENT) == expected
    found = parse_packet(V6 + SYN_SEGMENT)
    assert found is not None
    assert str(found.source) == "2001:db8::1"


def test_answers_and_other_datagrams_are_ignored() -> None:
    """Only what opens a connection counts, and only datagrams of a probe."""
    udp = V4[:9] + bytes([17]) + V4[10:] + struct.pack("!HHHH", 40000, 8080, 28, 0)
    assert parse_packet(V4 + SYN_ACK_SEGMENT) is None
    assert parse_packet(udp + b"anything") is None
    assert parse_packet(udp + b"PMPPnonce") == Arrival(Protocol.UDP, SENDER, 40000, HOST, 8080, b"PMPPnonce")


@pytest.mark.parametrize(
    ("port", "is_its"),
    [
        (OpenPort(Protocol.TCP, 80, 8080, HOST), True),
        (OpenPort(Protocol.TCP, 80, 8080), True),
        (OpenPort(Protocol.TCP, 80, 8080, ip_address("192.168.88.3")), False),
        (OpenPort(Protocol.TCP, 8080, 80, HOST), False),
        (OpenPort(Protocol.UDP, 80, 8080, HOST), False),
    ],
)
def test_a_packet_belongs_to_the_internal_address_and_port(port: OpenPort, is_its: bool) -> None:
    """A host that forwards packets sees those to the hosts behind it, too."""
    assert Arrival(Protocol.TCP, SENDER, 40000, HOST, 8080).is_for(port) is is_its


class Received:
    """A packet socket with one packet."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int, int]]:
        """Return the packet with its mark."""
        return (V4 + SYN_SEGMENT)[:size], ("eth0", 0x0800, self.kind)


@pytest.mark.parametrize(("kind", "counts"), [(0, True), (1, False), (2, False), (3, False), (4, False)])
def test_packets_to_other_hosts_prove_nothing(kind: int, counts: bool) -> None:
    """A bridge and a promiscuous interface show them: 3 is the mark of another host, 4 of an own packet."""
    watch = PacketWatch(4)
    watch._socket, watch.arrivals = Received(kind), []  # type: ignore[assignment]
    watch._receive()
    assert bool(watch.arrivals) is counts


@pytest.mark.parametrize("length", range(len(V4 + SYN_SEGMENT) - 6))
def test_a_short_packet_is_ignored(length: int) -> None:
    """The kernel may cut packets off."""
    assert parse_packet((V4 + SYN_SEGMENT)[:length]) is None


def kernel_takes(packet: bytes, version: int) -> bool:
    """Return whether the filter for the kernel takes a packet; it is run here as the kernel runs it."""
    program = _FILTER_V4 if version == 4 else _FILTER_V6
    value = index = place = 0
    while True:
        code, if_true, if_false, operand = program[place]
        place += 1
        if code == _RETURN:
            return operand > 0
        if code == _JUMP_EQUAL:
            place += if_true if value == operand else if_false
        elif code == _AND:
            value &= operand
        elif code == _LD_HEADER:
            index = (packet[operand] & 15) * 4
        else:
            start = operand + (index if code in (_LD_INDEXED_BYTE, _LD_INDEXED_WORD) else 0)
            size = 1 if code in (_LD_BYTE, _LD_INDEXED_BYTE) else 4
            value = int.from_bytes(packet[start : start + size], "big")


@pytest.mark.parametrize("version", [4, 6])
def test_the_filter_takes_the_same_packets(version: int) -> None:
    """The kernel wakes the program only for these."""
    header = V4 if version == 4 else V6
    protocol_at = 9 if version == 4 else 6
    udp = header[:protocol_at] + bytes([17]) + header[protocol_at + 1 :]
    udp += struct.pack("!HHHH", 40000, 8080, 28, 0)
    icmp = header[:protocol_at] + bytes([1]) + header[protocol_at + 1 :]
    for packet in (
        *(header + segment for segment in (SYN_SEGMENT, SYN_ACK_SEGMENT)),
        *(udp + payload for payload in (b"PMPPnonce", b"PMPO", b"")),
        icmp + SYN_SEGMENT,
    ):
        assert kernel_takes(packet, version) == (parse_packet(packet) is not None)
