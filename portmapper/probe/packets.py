"""Watches the first packets of probes on this host's interfaces, before any firewall (Linux, root only).

They tell a firewall of this host from a filter on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import socket
import struct
from types import TracebackType
from typing import Self

from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.evidence import OpenPort
from portmapper.probe.wire import PROBE
from portmapper.support.values import frozen

SO_ATTACH_FILTER = 26
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
PACKET_HOST = 0
"""Mark of a packet to this host. A bridge and a promiscuous interface show those to other hosts, too."""
MAX_LENGTH = 128
MAX_ARRIVALS = 4096
SYN, SYN_ACK_MASK = 0x02, 0x12

_MAGIC = int.from_bytes(PROBE, "big")
_LD_BYTE, _LD_WORD, _LD_HEADER = 0x30, 0x20, 0xB1
_LD_INDEXED_BYTE, _LD_INDEXED_WORD = 0x50, 0x40
_JUMP_EQUAL, _AND, _RETURN = 0x15, 0x54, 0x06

# Each instruction is (code, jump if true, jump if false, value). SYN without ACK, or UDP with our mark.
_FILTER_V4 = (
    (_LD_BYTE, 0, 0, 9),
    (_LD_HEADER, 0, 0, 0),
    (_JUMP_EQUAL, 0, 3, 6),
    (_LD_INDEXED_BYTE, 0, 0, 13),
    (_AND, 0, 0, SYN_ACK_MASK),
    (_JUMP_EQUAL, 3, 4, SYN),
    (_JUMP_EQUAL, 0, 3, 17),
    (_LD_INDEXED_WORD, 0, 0, 8),
    (_JUMP_EQUAL, 0, 1, _MAGIC),
    (_RETURN, 0, 0, MAX_LENGTH),
    (_RETURN, 0, 0, 0),
)
_FILTER_V6 = (
    (_LD_BYTE, 0, 0, 6),
    (_JUMP_EQUAL, 0, 3, 6),
    (_LD_BYTE, 0, 0, 53),
    (_AND, 0, 0, SYN_ACK_MASK),
    (_JUMP_EQUAL, 3, 4, SYN),
    (_JUMP_EQUAL, 0, 3, 17),
    (_LD_WORD, 0, 0, 48),
    (_JUMP_EQUAL, 0, 1, _MAGIC),
    (_RETURN, 0, 0, MAX_LENGTH),
    (_RETURN, 0, 0, 0),
)


@frozen
class Arrival:
    """The first packet of a probe, or of any other connection.

    Attributes:
        protocol: TCP or UDP.
        source: the sender.
        source_port: the sender's port.
        destination: the address of this host.
        port: the port of this host.
        payload: the start of a UDP payload.
    """

    protocol: Protocol
    source: IPAddress
    source_port: int
    destination: IPAddress
    port: int
    payload: bytes = b""

    def is_for(self, port: OpenPort) -> bool:
        """Return whether the packet was sent to the internal address and port of a mapping."""
        if (self.protocol, self.port) != (port.protocol, port.internal_port):
            return False
        return port.internal_address in (None, self.destination)


class PacketWatch:
    """Collects arrivals inside the context.

    Attributes:
        arrivals: the packets so far; None if this host may not watch.
    """

    def __init__(self, version: int) -> None:
        self.arrivals: list[Arrival] | None = None
        self._version = version
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError, AttributeError):  # no permission, or not Linux
            self._socket = _open(self._version)
            self.arrivals = []
            asyncio.get_running_loop().add_reader(self._socket, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _receive(self) -> None:
        assert self._socket is not None, "it is open"
        assert self.arrivals is not None, "it watches"
        with contextlib.suppress(OSError):
            packet, origin = self._socket.recvfrom(MAX_LENGTH)
            arrival = parse_packet(packet) if origin[2] == PACKET_HOST else None
            if arrival is not None and len(self.arrivals) < MAX_ARRIVALS:
                self.arrivals.append(arrival)


def parse_packet(packet: bytes) -> Arrival | None:
    """Parse an IP packet; None unless it is a SYN, or a datagram of a probe."""
    try:
        if packet[0] >> 4 == 4:
            number, start = packet[9], (packet[0] & 15) * 4
            source: IPAddress = ipaddress.IPv4Address(packet[12:16])
            destination: IPAddress = ipaddress.IPv4Address(packet[16:20])
        else:
            number, start = packet[6], 40
            source = ipaddress.IPv6Address(packet[8:24])
            destination = ipaddress.IPv6Address(packet[24:40])
        source_port, port = struct.unpack_from("!HH", packet, start)
        if number == 6 and packet[start + 13] & SYN_ACK_MASK == SYN:
            return Arrival(Protocol.TCP, source, source_port, destination, port)
        payload = packet[start + 8 :]
        if number == 17 and payload.startswith(PROBE):
            return Arrival(Protocol.UDP, source, source_port, destination, port, payload)
    except (IndexError, ValueError, struct.error):
        return None
    return None


def _open(version: int) -> socket.socket:
    kind = ETH_P_IP if version == 4 else ETH_P_IPV6
    watch = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind))
    try:
        watch.setblocking(False)
        # What comes before the filter is in effect is parsed as strictly, only slower.
        _attach(watch, _FILTER_V4 if version == 4 else _FILTER_V6)
    except OSError:
        watch.close()
        raise
    return watch


def _attach(watch: socket.socket, instructions: tuple[tuple[int, int, int, int], ...]) -> None:
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(program)
    watch.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(instructions), ctypes.addressof(buffer))
    )
